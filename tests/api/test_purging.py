"""What is to leave storage leaves it, whatever happens meanwhile; and then the rows go."""

import asyncio
from pathlib import Path

import pytest

from jobs import maintenance
from madar.actions import purging
from madar.actions.purging import forget, purge
from madar.clients.storage import Storage
from madar.resources import open_resources
from tests.api.looking import finish
from tests.api.test_export import fill, upload
from tests.conftest import Start
from tests.product import Json, Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing

WEEK_AND_MORE = "now() - interval '8 days'"


@pytest.fixture(autouse=True)
def _purges_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PURGE_EVERY_S", 0.05)


def files(product: Product) -> list[Path]:
    return [path for path in product.settings.storage_dir.glob("*/*") if path.is_file()]


def purges(product: Product) -> list[Json]:
    return product.rows("SELECT *, due_at <= now() AS is_due FROM purges ORDER BY id")


def act(product: Product, *actions: str) -> None:
    """One round of each, by hand."""

    async def main() -> None:
        async with open_resources(product.settings) as resources:
            for action in actions:
                await {"purge": purge, "forget": forget}[action](resources)

    asyncio.run(main())


def act_at_once(product: Product, times: int) -> None:
    async def main() -> None:
        async with open_resources(product.settings) as resources, asyncio.TaskGroup() as tasks:
            for _ in range(times):
                tasks.create_task(purge(resources))

    asyncio.run(main())


def deleted(product: Product, person: Person) -> str:
    created: str = person.create()["id"]
    finish(product, created)
    assert person.http.delete(f"/api/generations/{created}").status_code == 204
    return created


@pytest.mark.alone
def test_storage_that_is_away_is_asked_again_later(product: Product, amal: Person) -> None:
    deleted(product, amal)
    folder = product.settings.storage_dir
    away = folder.rename(folder.with_name("away"))
    folder.write_text("a file where the folder should be")

    act(product, "purge")

    assert [(one["tries"], one["is_due"]) for one in purges(product)] == [(1, False)] * 3
    folder.unlink()
    away.rename(folder)
    product.execute("UPDATE purges SET due_at = now()")
    act(product, "purge")
    assert (purges(product), files(product)) == ([], [])


def test_what_is_gone_already_is_fine(product: Product, amal: Person) -> None:
    deleted(product, amal)
    for path in files(product):
        path.unlink()

    act(product, "purge")

    assert purges(product) == []


def test_a_worker_that_died_over_it_delays_it_by_a_minute_only(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted(product, amal)

    async def die(_storage: Storage, _key: str) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(Storage, "delete", die)

    with pytest.raises(asyncio.CancelledError):
        act(product, "purge")

    waits = product.rows("SELECT extract(epoch FROM due_at - now())::float8 AS s FROM purges")
    assert all(50 < one["s"] <= 60 for one in waits)
    assert len(waits) == len(files(product)) == 3


def test_one_object_that_cannot_be_removed_keeps_no_other(product: Product, amal: Person) -> None:
    product.execute("INSERT INTO purges (object_key) VALUES ('../../etc/x'), ('a\n/b.png')")
    deleted(product, amal)

    act(product, "purge")

    assert files(product) == []
    assert all(one["tries"] == 1 for one in purges(product))


def test_many_workers_at_once_do_no_harm(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(product, pictures=300)
    asked: list[str] = []
    delete = Storage.delete

    async def note(storage: Storage, key: str) -> None:
        asked.append(key)
        await delete(storage, key)

    monkeypatch.setattr(Storage, "delete", note)
    assert amal.http.delete("/api/user").status_code == 202

    act_at_once(product, 4)

    assert purges(product) == []
    assert len(asked) == len(set(asked)) == 900


def test_one_that_is_stored_again_while_it_is_removed_is_removed_again(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted(product, amal)
    delete, keys = Storage.delete, set[str]()

    async def store_again(storage: Storage, key: str) -> None:
        await delete(storage, key)
        if key not in keys:
            keys.add(key)
            await storage.put(key, b"late")
            await asyncio.to_thread(
                product.execute,
                "INSERT INTO purges (object_key) VALUES (%s)"
                " ON CONFLICT (object_key) DO UPDATE SET due_at = now()",
                key,
            )

    monkeypatch.setattr(Storage, "delete", store_again)

    act(product, "purge")

    assert (purges(product), files(product)) == ([], [])


def test_an_upload_nobody_used_leaves_after_a_week(product: Product, amal: Person) -> None:
    unused, used, young = (upload(amal)["id"] for _ in range(3))
    amal.create(inputType="image", sourceUploadId=used)
    product.execute(f"UPDATE uploads SET created_at = {WEEK_AND_MORE} WHERE id <> %s", young)

    act(product, "forget", "purge")

    left = {str(row["id"]) for row in product.rows("SELECT id FROM uploads")}
    assert left == {used, young}
    assert unused not in left
    assert len(files(product)) == 4


def test_a_source_leaves_with_its_last_picture(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "ROWS_AFTER_S", 0)
    source = upload(amal)["id"]
    created = amal.create(inputType="image", sourceUploadId=source)["id"]
    product.execute(f"UPDATE uploads SET created_at = {WEEK_AND_MORE}")
    amal.http.delete(f"/api/generations/{created}")
    act(product, "forget", "purge")
    assert len(files(product)) == 2

    product.execute("UPDATE generations SET created_at = now() - interval '2 days'")
    act(product, "forget", "forget", "purge")

    assert product.rows("SELECT id FROM generations") == product.rows("SELECT id FROM uploads")
    assert files(product) == []


def test_deleted_rows_stay_while_something_may_be_under_way_or_counts(start: Start) -> None:
    product = start(quota_generations="5/1d")
    amal = product.sign_in()
    ids = [deleted(product, amal) for _ in range(3)]
    old = "now() - interval '3 hours'"
    product.execute(f"UPDATE generations SET deleted_at = {old} WHERE id = ANY (%s)", ids[:2])
    product.execute(f"UPDATE generations SET created_at = {WEEK_AND_MORE} WHERE id = %s", ids[0])

    act(product, "forget")

    left = {str(row["id"]) for row in product.rows("SELECT id FROM generations")}
    assert left == set(ids[1:])


def test_what_a_dead_worker_stored_is_found_when_the_row_goes(
    product: Product, amal: Person
) -> None:
    """It died between the purge and telling of what it stored."""
    created = deleted(product, amal)
    act(product, "purge")
    row = product.rows("SELECT master_key FROM generations WHERE id = %s", created)[0]
    orphan = product.settings.storage_dir / row["master_key"]
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"late")
    product.execute(
        f"UPDATE generations SET created_at = {WEEK_AND_MORE}, deleted_at = {WEEK_AND_MORE}"
    )

    act(product, "forget", "purge")

    assert files(product) == []
    assert product.rows("SELECT id FROM generations") == []


def test_the_rows_of_a_deleted_account_go_last(product: Product, amal: Person) -> None:
    source = upload(amal)["id"]
    amal.create(inputType="image", sourceUploadId=source)
    assert amal.http.delete("/api/user").status_code == 202

    act(product, "forget", "purge")
    assert len(product.rows("SELECT id FROM users")) == 1
    assert files(product) == []
    for table in ("users", "generations"):
        product.execute(f"UPDATE {table} SET deleted_at = now() - interval '3 hours'")
    act(product, "forget")

    for table in ("users", "generations", "attempts", "uploads", "user_sessions"):
        assert product.rows(f"SELECT 1 FROM {table}") == [], table


def test_a_running_worker_needs_no_clock_of_the_queue(product: Product, amal: Person) -> None:
    with product.working():
        eventually(lambda: product.rows("SELECT 1 FROM procrastinate_workers") or None)
        deleted(product, amal)

        eventually(lambda: not files(product) or None)
        eventually(lambda: not purges(product) or None)
