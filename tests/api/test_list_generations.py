"""GET /api/generations."""

import pytest

from madar.local import postgres
from tests.api.looking import finish, is_arabic, problem_in
from tests.product import Person, Product

pytestmark = pytest.mark.standing

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
    cursors = [total.pop("nextCursor") for total in totals]
    assert totals == [{"page": n, "limit": 2, "total": 5, "totalPages": 3} for n in (1, 2, 3, 4)]
    assert [cursor is None for cursor in cursors] == [False, False, True, True]
    assert pages[0].headers["cache-control"] == "private, max-age=0, must-revalidate"


def test_behind_a_cursor_nothing_shifts(amal: Person) -> None:
    made = [amal.create(seed=n)["id"] for n in range(5)]
    first = amal.get(URL, params={"limit": 2}).json()
    amal.create(seed=9)

    second = amal.get(URL, params={"limit": 2, "cursor": first["pagination"]["nextCursor"]}).json()
    third = amal.get(URL, params={"limit": 2, "cursor": second["pagination"]["nextCursor"]}).json()

    seen = [one["id"] for page in (first, second, third) for one in page["generations"]]
    assert seen == made[::-1]
    assert second["pagination"].keys() == {"limit", "total", "totalPages", "nextCursor"}
    assert second["pagination"]["total"] == 6
    assert third["pagination"]["nextCursor"] is None


def test_a_cursor_fits_its_own_order_and_nobody_can_make_one(amal: Person) -> None:
    for n in range(3):
        amal.create(seed=n)
    given = {"limit": "1", "sort": "oldest"}
    cursor = amal.get(URL, params=given).json()["pagination"]["nextCursor"]

    assert amal.get(URL, params={"cursor": cursor}).status_code == 200
    for changed in (cursor[1:], cursor[:-1], cursor.swapcase(), "bmV3ZXN0", "", "a.b.c", "٣", "\0"):
        problem_in(amal.get(URL, params={**given, "cursor": changed}), 422, "cursor_invalid")
    other = amal.get(URL, params={"cursor": cursor, "sort": "most-liked"})
    assert problem_in(other, 422, "cursor_invalid")["errors"][0]["pointer"] == "?cursor"


def test_filters_orders_and_search(product: Product, amal: Person) -> None:
    rocket = amal.create(textPrompt="صاروخٌ أحمر", seed=1)["id"]
    cats = amal.create(textPrompt="two running cats", style="neon-glow", seed=2)["id"]
    done = amal.create(textPrompt="كتاب and a cat", seed=3)["id"]
    finish(product, done)
    product.execute("UPDATE generations SET is_liked = true WHERE seed = 1")
    product.execute("UPDATE generations SET created_at = '2026-01-31 23:59' WHERE seed = 2")

    def found(**given: str) -> list[str]:
        return [one["id"] for one in amal.get(URL, params=given).json()["generations"]]

    assert found(search="صواريخ") == [rocket]
    assert found(search="CAT", sort="newest") == [done, cats]
    assert found(search='"running cat"') == [cats]
    assert found(search="cat -الكتاب") == [cats]
    assert found(search="صاروخ أو كتاب") == [done, rocket]
    assert set(found(search="cat", sort="relevance")) == {cats, done}
    assert found(sort="oldest") == [cats, rocket, done]
    assert found(sort="most-liked") == [rocket, done, cats]
    assert found(style="neon-glow") == [cats]
    assert found(style="no-such-style") == []
    assert found(status="completed") == [done]
    assert found(status="queued", liked="true") == [rocket]
    assert found(to="2026-01-31") == [cats]
    assert found(**{"from": "2026-02-01"}) == [done, rocket]
    assert found(**{"from": "2026-01-31T23:59:00Z", "to": "2026-01-31T23:59:01Z"}) == [cats]


def test_what_cannot_be_meant_is_refused_at_its_parameter(amal: Person) -> None:
    refused = {
        "sort": ("sort_unknown", "; DROP TABLE generations"),
        "status": ("status_unknown", "finalizing"),
        "style": ("style_unknown", "' OR 1=1 --"),
        "liked": ("liked_unreadable", "1"),
        "from": ("time_unreadable", "yesterday"),
        "to": ("time_unreadable", "2026-02-30"),
        "search": ("search_too_long", "x" * 201),
        "cursor": ("cursor_invalid", "made-up"),
        "owner": ("parameter_unknown", "badr"),
    }

    for name, (code, text) in refused.items():
        body = problem_in(amal.get(URL, params={name: text}), 422, code)
        assert body["errors"][0]["pointer"] == f"?{name}"
    everything = amal.get(URL, params={name: text for name, (_, text) in list(refused.items())[:8]})
    assert len(everything.json()["errors"]) == 8
    assert amal.get(f"{URL}?search=%00").status_code == 422
    assert amal.get(f"{URL}?search=%FF%FE").status_code == 200
    assert amal.get(f"{URL}?from=2026-01-02&to=2026-01-01").status_code == 422


def test_a_reader_that_has_the_page_gets_nothing_anew(amal: Person) -> None:
    amal.create()
    tag = amal.get(URL).headers["etag"]

    assert amal.get(URL, headers={"If-None-Match": tag}).status_code == 304
    amal.create(seed=2)
    assert amal.get(URL, headers={"If-None-Match": tag}).status_code == 200


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
        "pagination": {"page": 1, "limit": 20, "total": 0, "totalPages": 0, "nextCursor": None},
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


@pytest.mark.alone
def test_whatever_is_asked_costs_one_query(
    postgres_server: postgres.Server, product: Product, amal: Person
) -> None:
    for n in range(5):
        finish(product, amal.create(seed=n)["id"])
    log = postgres_server.data_dir / "server.log"
    [row] = product.rows("SELECT current_database() AS name")
    product.execute(f"ALTER DATABASE {row['name']} SET log_statement = 'all'")
    product.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
    amal.get("/api/auth/user")

    for given in ({}, {"search": "rocket", "sort": "relevance"}, {"liked": "false", "page": "2"}):
        start = log.stat().st_size
        assert amal.get(URL, params=given).json()["pagination"]["total"] == 5
        said = log.read_bytes()[start:].decode().split("LOG:  ")
        asked = [one for one in said if one.startswith("execute ")]
        reading = [one for one in asked if "live_viewer" in one or "generations" in one]
        assert len(reading) == 1, "who asks, the page and its total"


def test_nobody_lists_without_a_session(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get(URL)

    problem_in(answer, 401, "not_signed_in")


def test_a_refusal_speaks_arabic(amal: Person) -> None:
    answer = amal.get(URL, params={"page": "0"}, headers={"Accept-Language": "ar"})

    body = problem_in(answer, 422, "page_out_of_range")
    assert is_arabic(body["detail"])
    assert "\u206810000\u2069" in body["detail"]
