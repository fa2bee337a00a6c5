"""`madar storage`: whose the objects are, and the sweep that asks first."""

from hashlib import md5
from pathlib import Path

import pytest

from tests.api.looking import finish
from tests.api.test_create_from_picture import uploaded
from tests.api.test_orphans import ORPHAN, age, keys_in, write
from tests.commands.asking import done, refused_at_a_terminal, run, told
from tests.product import AMAL, Person, Product

FOLDER = 0x0A
KEYS = {"master_key": "png", "result_image_key": "webp", "thumbnail_key": "webp"}


def completed(product: Product, generation_id: str) -> None:
    """With its three files, under keys as the worker makes them."""
    finish(product, generation_id)
    for column, suffix in KEYS.items():
        name = md5(f"{generation_id}{column}".encode()).hexdigest()
        write(product, key := f"{name[:2]}/{name}.{suffix}")
        product.execute(f"UPDATE generations SET {column} = %s WHERE id = %s", key, generation_id)


def owned(product: Product) -> None:
    """As an earlier sweep leaves it."""
    installation = product.rows("SELECT id FROM installation")[0]["id"]
    note = product.settings.storage_dir / "madar-owner.txt"
    note.parent.mkdir(exist_ok=True)
    note.write_text(f"{installation} {product.url}")


def test_usage_is_by_kind_and_by_person(product: Product, amal: Person, badr: Person) -> None:
    uploaded(amal)
    for one in (amal.create(), amal.create(seed=8), badr.create()):
        completed(product, one["id"])
    product.execute("UPDATE generations SET deleted_at = now() WHERE seed = 8")
    write(product, ORPHAN)
    product.execute(
        "INSERT INTO purges (object_key) SELECT master_key FROM generations WHERE seed = 8"
    )
    on_disk = [
        path for path in product.settings.storage_dir.glob("*/*") if len(path.stem) == len("0" * 32)
    ]

    measured = told(product, "storage", "usage")
    plain = done(product, "storage", "usage", "--limit", "1")

    kinds = {kind: one["objects"] for kind, one in measured["kinds"].items()}
    assert kinds == {
        "master": 2, "picture": 2, "thumbnail": 2, "upload": 2,
        "deleted": 2, "leaving": 1, "unnamed": 1,
    }  # fmt: skip
    assert sum(kinds.values()) == len(on_disk)
    in_all = sum(one["bytes"] for one in measured["kinds"].values())
    assert in_all == sum(path.stat().st_size for path in on_disk)
    assert measured["people"][0]["email"] == AMAL
    assert sum(one["bytes"] for one in measured["people"]) == in_all - 1
    assert AMAL in plain
    assert "badr@" not in plain


def orphans_of(product: Product) -> list[Path]:
    made = [write(product, key) for key in keys_in(FOLDER, 1, 2)]
    age(product, days=2)
    return made


def test_a_sweep_counts_first_and_asks(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = done(product, "storage", "sweep", "--yes")
    orphans_of(product)
    unowned = run(product, "storage", "sweep")
    owned(product)

    counted = done(product, "storage", "sweep", "--dry-run")
    alone = run(product, "storage", "sweep")
    refused_at_a_terminal(product, monkeypatch, "storage", "sweep")
    untouched = product.rows("SELECT object_key FROM purges")
    swept = done(product, "storage", "sweep", "--yes")

    assert "Nothing to remove" in empty
    assert "has no owner yet" in unowned.stderr
    assert "2 objects (2 bytes)" in counted
    assert alone.exit_code == 2
    assert untouched == []
    assert "2 objects" in swept
    rows = product.rows("SELECT object_key FROM purges ORDER BY 1")
    assert [row["object_key"] for row in rows] == keys_in(FOLDER, 1, 2)


def test_storage_of_another_madar_is_left_alone(product: Product) -> None:
    orphans_of(product)
    (product.settings.storage_dir / "madar-owner.txt").write_text("another https://other.test")

    refused = run(product, "storage", "sweep", "--yes")

    assert refused.exit_code == 1
    assert "another https://other.test" in refused.stderr
    assert product.rows("SELECT object_key FROM purges") == []


def test_a_folder_that_few_rows_name_is_left_alone(product: Product) -> None:
    for key in keys_in(FOLDER, *range(1, 8)):
        write(product, key)
    age(product, days=2)
    owned(product)

    said = done(product, "storage", "sweep", "--yes")

    assert "Left alone: in folder 0a 7 objects have no row" in said
    assert "Nothing to remove" in said
    assert product.rows("SELECT object_key FROM purges") == []
