"""GET /api/generations."""

from madar.local import postgres
from tests.api.looking import finish, is_arabic, problem_in
from tests.product import Person, Product

URL = "/api/generations"


def test_newest_first_page_by_page(product: Product, amal: Person, badr: Person) -> None:
    badr.create()
    made = [amal.create(seed=n)["id"] for n in range(5)]
    product.execute("UPDATE generations SET created_at = '2026-01-01 00:00' WHERE seed IN (3, 4)")
    tied = sorted((made[3], made[4]), reverse=True)

    pages = [amal.get(URL, params={"page": n, "limit": 2}) for n in (1, 2, 3, 4)]

    ids = [[one["id"] for one in page.json()["generations"]] for page in pages]
    assert ids == [[made[2], made[1]], [made[0], tied[0]], [tied[1]], []]
    totals = [page.json()["pagination"] for page in pages]
    assert totals == [{"page": n, "limit": 2, "total": 5, "totalPages": 3} for n in (1, 2, 3, 4)]
    assert pages[0].headers["cache-control"] == "no-store"


def test_each_entry_is_the_document_of_its_own_address(product: Product, amal: Person) -> None:
    waiting, done = amal.create()["id"], amal.create()["id"]
    finish(product, done)

    listed = amal.get(URL).json()["generations"]

    assert listed == [amal.status(done), amal.status(waiting)]
    assert listed[0]["result"]["thumbnailUrl"].startswith(product.url)


def test_an_empty_gallery_has_no_pages(amal: Person) -> None:
    answer = amal.get(URL)

    assert answer.json() == {
        "generations": [],
        "pagination": {"page": 1, "limit": 20, "total": 0, "totalPages": 0},
    }


def test_only_what_is_there_and_ones_own_is_listed(
    product: Product, amal: Person, badr: Person
) -> None:
    amal.create()
    badr.create(seed=1)
    product.execute("UPDATE generations SET deleted_at = now() WHERE seed = 1")

    answer = badr.get(URL)

    assert answer.json()["generations"] == []
    assert answer.json()["pagination"]["total"] == 0


def test_pages_and_limits_are_plain_numbers_in_range(amal: Person) -> None:
    for text in ("0", "-1", "1e9", "1000000000", "٣", "1_0", "+1", " 1", "1.0", "", "x", "0x1"):
        for name in ("page", "limit"):
            answer = amal.get(URL, params={name: text})
            body = problem_in(answer, 422, f"{name}_out_of_range")
            assert body["errors"][0]["pointer"] == f"?{name}", text
    for query in ("page=1&page=1", "limit=1&limit=2"):
        assert amal.get(f"{URL}?{query}").status_code == 422
    assert amal.get(f"{URL}?limit=101").status_code == 422
    assert amal.get(f"{URL}?limit=100&page=10000").status_code == 200


def test_a_list_costs_two_queries(
    postgres_server: postgres.Server, product: Product, amal: Person
) -> None:
    for n in range(5):
        finish(product, amal.create(seed=n)["id"])
    log = postgres_server.data_dir / "server.log"
    [row] = product.rows("SELECT current_database() AS name")
    product.execute(f"ALTER DATABASE {row['name']} SET log_statement = 'all'")
    product.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
    me = amal.get("/api/auth/user").json()["id"]
    start = log.stat().st_size

    amal.get(URL)

    said = log.read_bytes()[start:].decode().splitlines()
    about_amal = [line for line in said if "arameters: " in line and me in line]
    assert len(about_amal) == 2, "who asks, and the page with its totals"


def test_nobody_lists_without_a_session(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get(URL)

    problem_in(answer, 401, "not_signed_in")


def test_a_refusal_speaks_arabic(amal: Person) -> None:
    answer = amal.get(URL, params={"page": "0"}, headers={"Accept-Language": "ar"})

    body = problem_in(answer, 422, "page_out_of_range")
    assert is_arabic(body["detail"])
    assert "\u206810000\u2069" in body["detail"]
