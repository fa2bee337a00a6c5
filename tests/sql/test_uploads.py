"""sql/queries/uploads.sql: source pictures, and what becomes of their objects."""

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from madar.db import uploads
from madar.db.uploads import Upload, UploadUse
from tests.sql import strategies
from tests.sql.harness import Sql
from tests.sql.register import holds
from tests.sql.seeding import Owner, several
from tests.sql.strategies import Row


def upload_of(row: Row) -> Upload:
    names = ("id", "object_key", "thumbnail_key", "file_size", "width", "height")
    return Upload(**{name: row[name] for name in names})


@holds("uploads.insert_upload")
@given(strategies.people(), strategies.uploads(), st.booleans(), st.booleans())
def test_an_upload_keeps_its_objects(
    sql: Sql,
    person: Row,
    row: Row,
    is_first_due: bool,  # noqa: FBT001
    is_second_due: bool,  # noqa: FBT001
) -> None:
    upload = upload_of(row)
    with sql.example() as db:
        db.add("users", person)
        due = [upload.object_key] * is_first_due + [upload.thumbnail_key] * is_second_due
        for object_key in (*due, "another"):
            db.add("purges", {"object_key": object_key})
        with db.changes("uploads", "purges") as seen:
            body = db.call(uploads.insert_upload, upload, owner_id=person["id"])

        assert json.loads(body) == {
            "id": str(upload.id),
            "url": upload.object_key,
            "thumbnailUrl": upload.thumbnail_key,
            "fileSize": upload.file_size,
            "dimensions": {"width": upload.width, "height": upload.height},
        }
        [added] = seen["uploads"].added.values()
        assert (upload_of(added), added["user_id"]) == (upload, person["id"])
        assert added["created_at"] == db.now
        assert sorted(one["object_key"] for one in seen["purges"].gone.values()) == sorted(due)


@holds("uploads.get_upload", "uploads.lock_source", "uploads.get_upload_use")
@given(several(pictures=0))
def test_one_finds_ones_own_uploads(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        owners = [owner.add(db) for owner in owners]
        everything = [row for owner in owners for row in owner.uploads]
        for owner in owners:
            for row in everything:
                is_theirs = row in owner.uploads
                found = db.call(uploads.get_upload, owner_id=owner.id, id=row["id"])
                assert found == (upload_of(row) if is_theirs else None)
                named = ((row["id"], None), (None, row["object_key"]), (row["id"], "no such key"))
                for upload_id, key in named:
                    source = db.call(
                        uploads.lock_source, owner_id=owner.id, id=upload_id, object_key=key
                    )
                    assert source == (row["id"] if is_theirs else None)
            use = db.call(uploads.get_upload_use, owner_id=owner.id)
            sizes = [row["file_size"] for row in owner.uploads]
            assert use == UploadUse(files=len(sizes), bytes=sum(sizes))


@holds("uploads.lock_source", share=0.2)
@given(strategies.people(), strategies.uploads())
def test_a_source_stays_while_it_is_made_use_of(sql: Sql, person: Row, row: Row) -> None:
    with sql.committed(2) as (asking, sweeping):
        asking.add("users", person)
        asking.add("uploads", row | {"user_id": person["id"], "created_at": timedelta(days=-9)})
        asking.begin()
        given: Row = {"owner_id": person["id"], "id": row["id"], "object_key": None}
        assert asking.call(uploads.lock_source, **given) == row["id"]

        assert sweeping.call(uploads.delete_unused_uploads, after_s=60, n=9) == 0
        asking.rollback()
        assert sweeping.call(uploads.delete_unused_uploads, after_s=60, n=9) == 2


@holds("uploads.delete_unused_uploads")
@given(several(most=2, pictures=2), st.integers(1, 3), st.integers(0, 3), st.booleans())
def test_what_no_picture_was_made_from_goes_with_its_objects(
    sql: Sql,
    owners: list[Owner],
    n: int,
    hours: int,
    is_due: bool,  # noqa: FBT001
) -> None:
    with sql.example() as db:
        owners = [owner.add(db) for owner in owners]
        everything = [row for owner in owners for row in owner.uploads]
        if is_due and everything:
            db.add("purges", {"object_key": everything[0]["object_key"]})
        used = {row["source_upload_id"] for owner in owners for row in owner.generations}
        limit = db.now - timedelta(hours=hours)
        unused = [row for row in everything if row["created_at"] < limit and row["id"] not in used]
        times = sorted(row["created_at"] for row in unused)[:n]
        with db.changes("uploads", "purges") as seen:
            count = db.call(uploads.delete_unused_uploads, after_s=3600 * hours, n=n)

        gone = seen["uploads"].gone
        assert gone.keys() <= {row["id"] for row in unused}
        assert sorted(row["created_at"] for row in gone.values()) == times, "the oldest first"
        keys = {row[name] for row in gone.values() for name in ("object_key", "thumbnail_key")}
        if is_due and everything:
            keys.discard(everything[0]["object_key"])
        assert {row["object_key"] for row in seen["purges"].added.values()} == keys
        assert count == len(keys)


@holds("uploads.delete_unused_uploads", share=0.2)
@given(strategies.people(), strategies.uploads(), strategies.generations(state="queued"))
def test_an_old_upload_that_is_used_stays(sql: Sql, person: Row, row: Row, generation: Row) -> None:
    with sql.example() as db:
        own = {"user_id": person["id"]}
        db.add("users", person)
        source = db.add("uploads", row | own | {"created_at": timedelta(days=-9)})
        given = {"after_s": 60, "n": 9}
        with db.savepoint():
            assert db.call(uploads.delete_unused_uploads, **given) == 2
        db.add("generations", generation | own | {"source_upload_id": source["id"]})
        assert db.call(uploads.delete_unused_uploads, **given) == 0
