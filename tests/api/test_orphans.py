"""Storage and rows are compared: what nobody names goes after a day, what is missing is told."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from madar.actions import orphans
from madar.actions.orphans import OWNER_KEY, reconcile_folder
from madar.actions.purging import purge
from madar.resources import open_resources
from tests.api.looking import finish
from tests.api.test_create_from_picture import uploaded
from tests.buckets import S3
from tests.conftest import Start
from tests.product import Json, Person, Product

ORPHAN = "0a/0123456789abcdef0123456789abcdef.png"
FOLDER = 0x0A
DAY_S = 24 * 3600


def reconcile(product: Product, *turns: int) -> None:
    async def main() -> None:
        async with open_resources(product.settings) as resources:
            for turn in turns or range(orphans.FOLDERS):
                await reconcile_folder(resources, turn=turn)
            await purge(resources)

    asyncio.run(main())


def write(product: Product, key: str) -> Path:
    path = product.settings.storage_dir / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def age(product: Product, *, days: float) -> list[Path]:
    files = [path for path in product.settings.storage_dir.rglob("*") if path.is_file()]
    then = time.time() - days * DAY_S
    for path in files:
        os.utime(path, (then, then))
    return files


def lost_in(caplog: pytest.LogCaptureFixture) -> list[list[str]]:
    told = [one for one in caplog.records if one.message == "objects.missing"]
    return [vars(one)["object_keys"] for one in told]


def own(product: Product) -> None:
    """As the first turn in empty storage does."""
    reconcile(product, FOLDER)


def keys_in(folder: int, *numbers: int) -> list[str]:
    return [f"{folder:02x}/{number:032x}.png" for number in numbers]


def name(product: Product, person: Person, *keys: str) -> None:
    """As uploads of theirs."""
    for key in keys:
        upload = uploaded(person)["id"]
        stored = "SELECT object_key, thumbnail_key FROM uploads WHERE id = %s"
        for made in product.rows(stored, upload)[0].values():
            (product.settings.storage_dir / made).unlink()
        product.execute("UPDATE uploads SET object_key = %s WHERE id = %s", key, upload)


def settle(product: Product) -> None:
    """Completed and uploaded long ago."""
    product.execute("UPDATE generations SET completed_at = now() - interval '2 hours'")
    product.execute("UPDATE uploads SET created_at = now() - interval '2 hours'")


def test_what_no_row_names_goes_after_a_day(product: Product) -> None:
    own(product)
    orphan = write(product, ORPHAN)

    age(product, days=0.9)
    reconcile(product, FOLDER)
    kept = orphan.exists()
    age(product, days=1.1)
    reconcile(product, FOLDER + 1)
    kept_for_another_folders_turn = orphan.exists()
    reconcile(product, FOLDER)

    assert kept
    assert kept_for_another_folders_turn
    assert not orphan.exists()


def test_each_folder_has_its_turn(product: Product) -> None:
    own(product)
    folders = (0, 0x0A, 0x7F, 0xFF)
    written = [write(product, f"{folder:02x}/{'0' * 32}.webp") for folder in folders]
    age(product, days=2)

    reconcile(product)

    assert [path.exists() for path in written] == [False] * 4


def test_whatever_a_row_names_stays(
    product: Product, amal: Person, caplog: pytest.LogCaptureFixture
) -> None:
    upload: Json = uploaded(amal)
    finish(product, amal.create()["id"])
    finish(product, amal.create(inputType="image", sourceUploadId=upload["id"])["id"])
    product.execute("UPDATE generations SET deleted_at = now() WHERE input_type = 'text'")
    settle(product)
    files = age(product, days=30)

    reconcile(product)

    assert len(files) == 8
    assert all(path.exists() for path in files)
    assert lost_in(caplog) == []


def test_what_is_already_to_be_removed_keeps_its_time(product: Product) -> None:
    """Its tries, too: an object that cannot be removed is not asked for ever more often."""
    own(product)
    write(product, ORPHAN)
    age(product, days=2)
    product.execute(
        "INSERT INTO purges (object_key, tries, due_at) VALUES (%s, 7, now() + interval '1 hour')",
        ORPHAN,
    )

    reconcile(product, FOLDER)

    assert product.rows("SELECT object_key, tries FROM purges") == [
        {"object_key": ORPHAN, "tries": 7}
    ]


def test_a_picture_without_its_object_is_told(
    product: Product, amal: Person, caplog: pytest.LogCaptureFixture
) -> None:
    upload = uploaded(amal)
    finish(product, amal.create()["id"])
    finish(product, amal.create(inputType="image", sourceUploadId=upload["id"])["id"])
    settle(product)
    gone = age(product, days=0)
    for path in gone:
        path.unlink()

    reconcile(product)

    root = product.settings.storage_dir
    told = [key for keys in lost_in(caplog) for key in keys]
    assert sorted(told) == sorted(str(path.relative_to(root)) for path in gone)
    assert len(told) == 8


def test_what_is_being_made_or_is_deleted_is_not_missing(
    product: Product, amal: Person, caplog: pytest.LogCaptureFixture
) -> None:
    finish(product, amal.create()["id"])
    finish(product, amal.create(seed=8)["id"])
    product.execute(
        "UPDATE generations SET deleted_at = now(), completed_at = now() - interval '2 hours'"
        " WHERE seed = 8"
    )
    for path in age(product, days=0):
        path.unlink()

    reconcile(product)

    assert lost_in(caplog) == []


def test_uploads_of_a_closed_account_are_on_their_way_out_and_not_missing(
    product: Product, amal: Person, caplog: pytest.LogCaptureFixture
) -> None:
    uploaded(amal)
    settle(product)
    product.execute("UPDATE users SET deleted_at = now(), is_active = false")
    for path in age(product, days=0):
        path.unlink()

    reconcile(product)

    assert lost_in(caplog) == []


def test_a_bucket_is_cleaned_by_its_owner_only(
    start: Start, s3: S3, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The pictures of another database look like orphans here."""
    monkeypatch.setattr(orphans, "ORPHAN_AFTER", -orphans.ORPHAN_AFTER)
    ours, others = start(**s3.settings), start(**s3.settings)
    own(others)
    s3.write(ORPHAN, b"x")

    reconcile(ours, FOLDER)
    kept = s3.pictures()
    reconcile(others, FOLDER)

    assert "orphans.not_ours" in caplog.messages
    assert (kept, s3.pictures()) == ([ORPHAN], [])


def test_another_database_at_the_same_address_is_not_the_owner(
    product: Product, caplog: pytest.LogCaptureFixture
) -> None:
    own(product)
    product.execute("UPDATE installation SET id = gen_random_uuid()")
    orphan = write(product, ORPHAN)
    age(product, days=2)

    reconcile(product, FOLDER)

    assert orphan.exists()
    assert "orphans.not_ours" in caplog.messages


def test_storage_with_pictures_of_somebody_becomes_nobodys(product: Product) -> None:
    orphan = write(product, ORPHAN)
    age(product, days=2)

    reconcile(product, FOLDER, FOLDER, FOLDER + 1)

    assert orphan.exists()
    assert not (product.settings.storage_dir / OWNER_KEY).exists()


def test_storage_whose_pictures_are_mostly_ours_becomes_ours(
    product: Product, amal: Person
) -> None:
    """Then from the next turn on, when nobody else has said the same."""
    ours = [write(product, key) for key in keys_in(FOLDER, 1, 2)]
    name(product, amal, *keys_in(FOLDER, 1, 2))
    orphan = write(product, ORPHAN)
    age(product, days=2)

    reconcile(product, FOLDER)
    was_there = orphan.exists()
    reconcile(product, FOLDER)

    assert was_there
    assert not orphan.exists()
    assert all(path.exists() for path in ours)


def test_what_is_not_named_as_we_name_pictures_stays(product: Product) -> None:
    own(product)
    names = ("notes.txt", "cdef/holiday.jpg", f"{'0' * 32}.jpg", f"{'A' * 32}.png")
    others = [write(product, f"{FOLDER:02x}/{name}") for name in names]
    age(product, days=30)

    reconcile(product, FOLDER)

    assert all(path.exists() for path in others)


def test_when_most_of_a_folder_is_named_by_nobody_it_stays(
    product: Product, amal: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """Rather than those pictures the rows are missing: an old copy of the database, maybe."""
    own(product)
    keys = keys_in(FOLDER, *range(1, 8))
    written = [write(product, key) for key in keys]
    name(product, amal, keys[0])
    age(product, days=30)

    reconcile(product, FOLDER)
    kept = [path.exists() for path in written]
    name(product, amal, keys[1])
    written[2].unlink()
    reconcile(product, FOLDER)

    assert kept == [True] * 7
    assert "objects.suspicious" in caplog.messages
    assert [path.exists() for path in written] == [True, True, *[False] * 5]


def test_what_a_killed_process_was_writing_goes_after_a_day(product: Product) -> None:
    written = [write(product, f"{ORPHAN}#{n}") for n in (1, 12)]
    others = [write(product, f"{FOLDER:02x}/{name}") for name in ("notes#1", f"{'0' * 32}.png#x")]
    age(product, days=2)
    young = write(product, f"{ORPHAN}#3")

    reconcile(product, FOLDER)

    assert [path.exists() for path in written] == [False, False]
    assert all(path.exists() for path in (*others, young))


def test_the_note_says_which_database_and_where(start: Start, s3: S3) -> None:
    product = start(**s3.settings)

    own(product)

    told = product.rows("SELECT id::text FROM installation")[0]["id"]
    assert s3.content(OWNER_KEY).decode() == f"{told} {product.url}"
