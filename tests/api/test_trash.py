"""The trash: DELETE /api/generations/{id}, …/restore, /api/trash and /api/trash/{id}."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg import AsyncConnection

from jobs import maintenance
from madar.actions.purging import forget
from madar.actions.trash import clear_trash
from madar.db import purges
from madar.resources import open_resources
from tests.api.looking import finish, is_arabic, places_in, problem_in, without_id
from tests.conftest import Start
from tests.product import AMAL, BADR, Json, Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing(trash_days=30)

LINKS = ("imageUrl", "thumbnailUrl", "downloadUrl", "masterUrl")
PICTURE = b"the very picture"


def made(product: Product, person: Person, **wishes: object) -> str:
    created: str = person.create(**wishes)["id"]
    finish(product, created, picture=PICTURE)
    return created


def thrown_away(product: Product, person: Person, **wishes: object) -> str:
    created = made(product, person, **wishes)
    assert person.http.delete(f"/api/generations/{created}").status_code == 204
    return created


def trash(person: Person, **query: object) -> list[Json]:
    found: list[Json] = person.get("/api/trash", params=query).json()["generations"]
    return found


def restore(person: Person, generation_id: str, **headers: str) -> httpx.Response:
    return person.post(f"/api/generations/{generation_id}/restore", headers=headers)


def fetch(product: Product, url: str) -> httpx.Response:
    with product.anonymous() as http:
        return http.get(url)


def objects(product: Product) -> list[Path]:
    return [path for path in product.settings.storage_dir.glob("*/*") if path.is_file()]


def sweep(product: Product) -> None:
    """The worker's round, by hand."""

    async def main() -> None:
        async with open_resources(product.settings) as resources:
            await clear_trash(resources)

    asyncio.run(main())


def age_trash(product: Product) -> None:
    product.execute("UPDATE generations SET gone_at = now() WHERE gone_at IS NOT NULL")


def test_what_is_thrown_away_is_seen_nowhere_but_in_the_trash(
    product: Product, amal: Person
) -> None:
    gone, kept = made(product, amal, textPrompt="a red rocket"), made(product, amal)

    answer = amal.http.delete(f"/api/generations/{gone}")

    assert (answer.status_code, answer.content) == (204, b"")
    for path in ("", "/download"):
        problem_in(amal.get(f"/api/generations/{gone}{path}"), 404, "not_found")
    like = amal.http.patch(f"/api/generations/{gone}", json={"isLiked": True})
    problem_in(like, 404, "not_found")
    problem_in(amal.http.delete(f"/api/generations/{gone}"), 404, "not_found")
    for query in ({}, {"search": "rocket"}, {"status": "completed"}, {"sort": "oldest"}):
        page = amal.get("/api/generations", params=query).json()
        assert gone not in [one["id"] for one in page["generations"]]
        assert page["pagination"]["total"] <= 1
    assert amal.get("/api/user/stats").json()["totalGenerations"] == 1
    assert [one["id"] for one in trash(amal)] == [gone]
    assert amal.status(kept)["status"] == "completed"
    assert len(objects(product)) == 6


def test_its_document_there_is_what_it_was(product: Product, amal: Person) -> None:
    gone = made(product, amal, textPrompt="أرنب", customColors=["#00FF00"])
    product.execute("UPDATE generations SET translation = 'done', prompt_english = 'a rabbit'")
    before = amal.status(gone)

    amal.http.delete(f"/api/generations/{gone}")

    found = trash(amal)[0]
    days = product.rows(
        "SELECT extract(epoch FROM gone_at - deleted_at) / 86400 AS n FROM generations"
    )
    assert days[0]["n"] == 30
    assert found.pop("goneAt") > found.pop("deletedAt") > before["createdAt"]
    result = found.pop("result")
    assert result.keys() == before["result"].keys() - {"imageUrl", "downloadUrl", "masterUrl"}
    assert found.pop("version") == before["version"] + 1
    assert found == {name: before[name] for name in before if name not in {"result", "version"}}


def test_links_of_before_are_dead_and_the_trash_shows_a_thumbnail(
    product: Product, amal: Person
) -> None:
    gone = made(product, amal)
    before = amal.status(gone)["result"]
    download = amal.get(f"/api/generations/{gone}/download").json()["downloadUrl"]
    before_all = [*(before[name] for name in LINKS), download]
    assert [fetch(product, url).content for url in before_all] == [PICTURE] * 5

    amal.http.delete(f"/api/generations/{gone}")

    for url in before_all:
        problem_in(fetch(product, url), 404, "not_found")
    thumbnail = fetch(product, trash(amal)[0]["result"]["thumbnailUrl"])
    assert (thumbnail.status_code, thumbnail.content) == (200, PICTURE)
    assert thumbnail.headers["content-type"] == "image/webp"


def test_a_restored_one_is_as_it_was(product: Product, amal: Person) -> None:
    gone = made(product, amal)
    amal.http.patch(f"/api/generations/{gone}", json={"isLiked": True})
    before = amal.status(gone)
    amal.http.delete(f"/api/generations/{gone}")
    in_trash = trash(amal)[0]["result"]["thumbnailUrl"]

    answer = restore(amal, gone)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {**before, "version": before["version"] + 2}
    assert answer.json()["isLiked"]
    assert amal.status(gone) == answer.json()
    for name in LINKS:
        assert fetch(product, before["result"][name]).content == PICTURE
    problem_in(fetch(product, in_trash), 404, "not_found")
    assert trash(amal) == []
    assert product.rows("SELECT * FROM purges") == []
    problem_in(restore(amal, gone), 404, "not_found")


def test_what_is_not_completed_is_gone_at_once(product: Product, amal: Person) -> None:
    waiting, failed = amal.create()["id"], amal.create()["id"]
    product.execute(
        "UPDATE generations SET state = 'failed', error_code = 'timeout', next_action_at = NULL"
        " WHERE id = %s",
        failed,
    )

    for one in (waiting, failed):
        assert amal.http.delete(f"/api/generations/{one}").status_code == 204

    assert trash(amal) == []
    for one in (waiting, failed):
        problem_in(restore(amal, one), 404, "not_found")


def test_whoever_wants_it_gone_for_good_says_so(product: Product, amal: Person) -> None:
    gone, kept = made(product, amal), made(product, amal)

    answer = amal.http.delete(f"/api/generations/{gone}", params={"permanent": "true"})
    into_trash = amal.http.delete(f"/api/generations/{kept}", params={"permanent": "false"})

    assert (answer.status_code, into_trash.status_code) == (204, 204)
    assert [one["id"] for one in trash(amal)] == [kept]
    assert len(product.rows("SELECT id FROM purges")) == 3
    problem_in(restore(amal, gone), 404, "not_found")


@pytest.mark.parametrize("words", ["", "1", "True", "yes", "نعم"])
def test_only_true_and_false_are_truths(amal: Person, words: str) -> None:
    answer = amal.http.delete(f"/api/generations/{uuid4()}", params={"permanent": words})

    assert places_in(problem_in(answer, 422, "not_truth")) == [("?permanent", "not_truth")]


def test_without_days_there_is_no_trash(start: Start) -> None:
    product = start(trash_days=0)
    amal = product.sign_in()

    thrown_away(product, amal)

    assert trash(amal) == []
    assert len(product.rows("SELECT id FROM purges")) == 3


def test_one_of_it_or_all_of_it_goes_for_good(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "PURGE_EVERY_S", 0.05)
    first, second, third = (thrown_away(product, amal) for _ in range(3))

    one = amal.http.delete(f"/api/trash/{second}")
    left = [one["id"] for one in trash(amal)]
    again = amal.http.delete(f"/api/trash/{second}")
    rest = [amal.http.delete("/api/trash") for _ in range(2)]

    assert (one.status_code, one.content) == (204, b"")
    assert left == [third, first]
    problem_in(again, 404, "not_found")
    assert [answer.status_code for answer in rest] == [204, 204]
    assert trash(amal) == []
    for gone in (first, second, third):
        problem_in(restore(amal, gone), 404, "not_found")
    with product.working():
        eventually(lambda: not objects(product) or None)
        eventually(lambda: not product.rows("SELECT id FROM purges") or None)


def test_when_its_days_are_over_it_is_gone_for_good(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "PURGE_EVERY_S", 0.05)
    product = start(trash_days=2 / 86_400)
    amal = product.sign_in()
    gone = thrown_away(product, amal)
    assert len(objects(product)) == 3

    with product.working():
        eventually(lambda: not objects(product) or None)

    assert trash(amal) == []
    problem_in(restore(amal, gone), 404, "not_found")


def test_from_that_moment_on_nothing_brings_it_back(product: Product, amal: Person) -> None:
    gone = thrown_away(product, amal)
    thumbnail = trash(amal)[0]["result"]["thumbnailUrl"]

    age_trash(product)

    assert trash(amal) == []
    problem_in(restore(amal, gone), 404, "not_found")
    problem_in(amal.http.delete(f"/api/trash/{gone}"), 404, "not_found")
    problem_in(fetch(product, thumbnail), 404, "not_found")
    sweep(product)
    assert len(product.rows("SELECT id FROM purges")) == 3
    problem_in(restore(amal, gone), 404, "not_found")


def test_more_than_a_batch_leaves_in_one_round(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madar.actions.trash.BATCH", 2)
    for _ in range(5):
        thrown_away(product, amal)
    age_trash(product)

    sweep(product)

    assert product.rows("SELECT id FROM generations WHERE gone_at IS NOT NULL") == []
    assert len(product.rows("SELECT id FROM purges")) == 15


def test_nobody_forgets_what_lies_in_the_trash(product: Product, amal: Person) -> None:
    gone = thrown_away(product, amal)
    product.execute(
        "UPDATE generations SET created_at = now() - interval '9 days',"
        " deleted_at = now() - interval '8 days'"
    )

    async def main() -> None:
        async with (
            open_resources(product.settings) as resources,
            await AsyncConnection.connect(str(product.settings.database_url)) as conn,
        ):
            await forget(resources)
            # A worker that lost its lease long ago tells of what it stored.
            await purges.insert_purges_of_deleted(conn, generation_id=UUID(gone))

    asyncio.run(main())

    assert product.rows("SELECT id FROM purges") == []
    assert restore(amal, gone).status_code == 200


def test_the_quota_counts_it_once(start: Start) -> None:
    product = start(trash_days=30, quota_generations="2/1d")
    amal = product.sign_in()
    gone = made(product, amal)
    product.execute("UPDATE attempts SET state = 'succeeded', sent_at = now()")

    for _ in range(2):
        amal.http.delete(f"/api/generations/{gone}")
        assert restore(amal, gone).status_code == 200
    amal.http.delete(f"/api/generations/{gone}")
    amal.create()
    refused = amal.post("/api/generations", json={"style": "voxel-3d", "textPrompt": "x"})

    problem_in(refused, 429, "quota_exceeded")


def test_an_account_takes_its_trash_along(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "PURGE_EVERY_S", 0.05)
    thrown_away(product, amal)
    made(product, amal)

    assert amal.http.delete("/api/user").status_code == 202

    assert product.rows("SELECT generations FROM account_deletions")[0]["generations"] == 2
    assert product.rows("SELECT id FROM generations WHERE gone_at IS NOT NULL") == []
    with product.working():
        eventually(lambda: not objects(product) or None)


def test_an_export_has_it_too(product: Product, amal: Person) -> None:
    gone, kept = thrown_away(product, amal), made(product, amal)

    export = amal.get("/api/user/export").json()

    assert [one["id"] for one in export["generations"]] == [kept]
    assert [one["id"] for one in export["trash"]] == [gone]
    assert export["trash"] == trash(amal)


def test_it_has_pages(product: Product, amal: Person) -> None:
    gone = [thrown_away(product, amal) for _ in range(5)]

    pages = [amal.get("/api/trash", params={"page": n, "limit": 2}).json() for n in (1, 2, 3, 4)]

    shown = [[one["id"] for one in page["generations"]] for page in pages]
    assert shown == [[gone[4], gone[3]], [gone[2], gone[1]], [gone[0]], []]
    assert pages[1]["pagination"] == {"page": 2, "limit": 2, "total": 5, "totalPages": 3}
    for query, code in (
        ({"page": "0"}, "page_out_of_range"),
        ({"limit": "x"}, "limit_out_of_range"),
    ):
        answer = problem_in(amal.get("/api/trash", params=query), 422, code)
        assert places_in(answer) == [(f"?{next(iter(query))}", code)]
    problem_in(amal.get("/api/trash", params={"cursor": "x"}), 422, "parameter_unknown")


def test_a_reader_that_knows_it_is_told_so(product: Product, amal: Person) -> None:
    thrown_away(product, amal)
    first = amal.get("/api/trash")

    again = amal.get("/api/trash", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


def test_strangers_find_nothing_in_it(product: Product, amal: Person) -> None:
    badr = product.sign_in(BADR)
    gone = thrown_away(product, amal)

    answers = [
        [restore(badr, one) for one in (gone, str(uuid4()), "1")],
        [badr.http.delete(f"/api/trash/{one}") for one in (gone, uuid4(), "1")],
    ]
    emptied = badr.http.delete("/api/trash")

    for same in answers:
        for answer in same:
            problem_in(answer, 404, "not_found")
            assert without_id(answer) == without_id(same[0])
    assert (trash(badr), emptied.status_code) == ([], 204)
    assert [one["id"] for one in trash(amal)] == [gone]
    assert restore(amal, gone).status_code == 200


def test_a_refusal_speaks_arabic(amal: Person) -> None:
    answer = restore(amal, str(uuid4()), **{"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 404, "not_found")["detail"])


def test_back_and_forth_by_many_at_once_breaks_nothing(product: Product, amal: Person) -> None:
    one = made(product, amal)
    people = [product.sign_in(AMAL) for _ in range(4)]

    def play(n: int) -> set[int]:
        person, seen = people[n], set[int]()
        for _ in range(25):
            seen.add(person.http.delete(f"/api/generations/{one}").status_code)
            seen.add(restore(person, one).status_code)
            seen.add(person.get("/api/trash").status_code)
        return seen

    with ThreadPoolExecutor(len(people)) as pool:
        seen = set[int]().union(*pool.map(play, range(len(people))))

    assert seen <= {200, 204, 404}
    row = product.rows("SELECT deleted_at, gone_at FROM generations WHERE id = %s", one)[0]
    assert (row["deleted_at"] is None) == (row["gone_at"] is None)
    assert product.rows("SELECT id FROM purges") == []
    assert len(objects(product)) == 3


def test_an_end_of_its_days_waits_for_nobody(
    product: Product, amal: Person, conn: psycopg.Connection[object]
) -> None:
    """Somebody restores one at this very moment; the others leave meanwhile."""
    first, second = thrown_away(product, amal), thrown_away(product, amal)
    age_trash(product)
    with conn.transaction():
        conn.execute("SELECT FROM generations WHERE id = %s FOR UPDATE", [first])
        sweep(product)

    left = product.rows("SELECT id FROM generations WHERE gone_at IS NOT NULL")
    assert [str(row["id"]) for row in left] == [first]
    assert first != second


def test_a_worker_from_before_the_trash_removes_nothing_from_it(
    product: Product, amal: Person
) -> None:
    """Its statement knows nothing of gone_at; beside this schema, or after a rollback."""
    kept, gone = thrown_away(product, amal), thrown_away(product, amal)
    delete = amal.http.delete(f"/api/trash/{gone}")

    product.execute("DELETE FROM generations WHERE deleted_at IS NOT NULL")

    assert delete.status_code == 204
    assert [str(row["id"]) for row in product.rows("SELECT id FROM generations")] == [kept]
    assert restore(amal, kept).status_code == 200


@pytest.mark.parametrize(
    "leaving", ["UPDATE users SET deleted_at = now()", "DELETE FROM users"], ids=["marked", "gone"]
)
def test_what_an_account_left_in_the_trash_goes_with_it(
    product: Product, amal: Person, leaving: str
) -> None:
    thrown_away(product, amal)

    product.execute(leaving)
    product.execute("DELETE FROM generations WHERE deleted_at IS NOT NULL")

    assert product.rows("SELECT id FROM generations") == []


def test_the_trash_of_a_deleted_account_is_cleared(product: Product, amal: Person) -> None:
    """A worker from before the trash left it there."""
    thrown_away(product, amal)
    product.execute("UPDATE users SET deleted_at = now()")

    sweep(product)

    assert product.rows("SELECT gone_at FROM generations") == [{"gone_at": None}]
    assert len(product.rows("SELECT id FROM purges")) == 3
