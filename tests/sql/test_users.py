"""sql/queries/users.sql: who somebody is, what is theirs in numbers, and how an account ends."""

import json
from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import users
from tests.sql import strategies
from tests.sql.harness import Session, Sql
from tests.sql.register import holds
from tests.sql.seeding import Owner, several
from tests.sql.strategies import Row, rows


@holds("users.get_stats_document")
@given(several())
def test_statistics_are_those_of_the_pictures_that_are_there(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        for owner in [one.add(db) for one in owners]:
            there = [row for row in owner.generations if not row["deleted_at"]]
            stats = json.loads(db.call(users.get_stats_document, owner_id=owner.id) or b"")

            assert stats["totalGenerations"] == len(there)
            assert stats["totalLikes"] == sum(row["is_liked"] for row in there)
            assert stats["totalDownloads"] == sum(row["download_count"] for row in there)
            assert stats["favoriteStyle"] in _favourites(there)


def _favourites(there: list[dict[str, Any]]) -> set[str]:
    """Of the style used most, the one used last; several if it was at the same moment."""
    used: dict[str, list[Any]] = {}
    for row in there:
        used.setdefault(row["style"], []).append(row["created_at"])
    most = max(((len(times), max(times)) for times in used.values()), default=None)
    return {style for style, times in used.items() if (len(times), max(times)) == most} or {""}


def _person(db: Session, owner_id: UUID) -> Row:
    return db.row("users", id=owner_id)


def _left(people: list[Row], data: st.DataObject) -> list[Row]:
    """Some of them have left."""
    return [row | {"deleted_at": data.draw(st.none() | strategies.past())} for row in people]


@holds("users.upsert_user")
@given(rows(strategies.people(), max_size=2), st.data())
def test_google_refreshes_all_but_what_a_person_chose(
    sql: Sql, people: list[Row], data: st.DataObject
) -> None:
    known = [row["google_id"] for row in people]
    google_id = data.draw(st.sampled_from([*known, "google-new"]))
    told: Row = {
        "google_id": google_id,
        "email": data.draw(st.sampled_from(strategies.EMAILS)),
        "display_name": data.draw(st.sampled_from(strategies.NAMES)),
        "avatar_url": data.draw(st.none() | st.just("https://pictures.test/b.png")),
        "language": data.draw(strategies.languages),
    }
    with sql.example() as db:
        for row in people:
            db.add("users", row)
        before = {row["google_id"]: row for row in db.rows("users")}.get(google_id)
        with db.changes("users") as seen:
            user = db.call(users.upsert_user, **told)

        after = _person(db, user.id)
        assert {name: after[name] for name in asdict(user)} == asdict(user)
        expected = dict(told)
        if before:
            assert seen["users"].changed.keys() <= {before["id"]}
            assert not seen["users"].added
            assert after["updated_at"] == db.now
            expected["language"] = before["language"]
            if before["is_name_chosen"]:
                expected["display_name"] = before["display_name"]
        else:
            assert seen["users"].added.keys() == {user.id}
        assert {name: after[name] for name in expected} == expected


@holds("users.get_profile_document", "users.update_profile")
@given(
    rows(strategies.people(), min_size=1, max_size=3),
    st.none() | st.sampled_from(("Amal", "", "اسم")),
    st.none() | strategies.languages,
    st.data(),
)
def test_a_profile_is_what_its_person_made_it(
    sql: Sql, people: list[Row], name: str | None, language: str | None, data: st.DataObject
) -> None:
    people = _left(people, data)
    with sql.example() as db:
        for row in [db.add("users", row) for row in people]:
            given: Row = {"owner_id": row["id"], "display_name": name, "language": language}
            with db.savepoint(), db.changes("users") as seen:
                body = db.call(users.update_profile, **given)
                told = db.call(users.get_profile_document, owner_id=row["id"])
                after = _person(db, row["id"])

            assert _profile(told) == {
                "id": str(row["id"]),
                "email": after["email"],
                "displayName": after["display_name"],
                "avatarUrl": after["avatar_url"] or "",
                "language": after["language"],
                "createdAt": row["created_at"],
            }
            if row["deleted_at"]:
                assert body is None
                assert seen["users"].is_none
            else:
                assert body == told
                expected = row | {
                    "display_name": row["display_name"] if name is None else name,
                    "language": language or row["language"],
                    "is_name_chosen": row["is_name_chosen"] or name is not None,
                    "is_language_chosen": row["is_language_chosen"] or language is not None,
                }
                if name is not None or language:
                    expected["updated_at"] = db.now
                assert after == expected
                assert seen["users"].changed.keys() <= {row["id"]}


def _profile(body: bytes | None) -> Row:
    document = json.loads(body or b"")
    return document | {"createdAt": datetime.fromisoformat(document["createdAt"])}


@holds("users.get_export_document")
@given(several(most=2))
def test_an_export_has_all_of_a_persons_and_nothing_else(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        owners = [owner.add(db) for owner in owners]
        for n, owner in enumerate(owners):
            for agent, minutes in _asked(n):
                seen = {"endpoint": "/", "method": "GET", "status_code": 200, "user_agent": agent}
                who = {"user_id": owner.id, "created_at": -timedelta(minutes=minutes)}
                db.add("api_usage", seen | who)
        db.without_indexes()
        for n, owner in enumerate(owners):
            told = json.loads(db.call(users.get_export_document, owner_id=owner.id) or b"")
            there = [row for row in owner.generations if not row["deleted_at"]]
            trash = [row for row in owner.generations if row["gone_at"] and row["gone_at"] > db.now]

            assert told["user"]["id"] == str(owner.id)
            assert _ids(told["generations"]) == _by(there, "created_at")
            assert _ids(told["trash"]) == _by(trash, "deleted_at")
            assert _ids(told["uploads"]) == _by(owner.uploads, "created_at")
            assert _ids(told["sessions"]) == _by(owner.sessions, "created_at")
            assert [_of_agent(one, db.now) for one in told["requests"]] == _agents(n)


def _asked(n: int) -> list[tuple[str, int]]:
    """With what, and how many minutes ago."""
    return [("later", 2), ("earlier", 2), ("earlier", 0), *(("again", 3) for _ in range(n))]


def _agents(n: int) -> list[tuple[str, int, int, int]]:
    """How often, and from when to when; the first comes first."""
    found = [("later", 1, 2, 2), ("earlier", 2, 2, 0)]
    return [("again", n, 3, 3), *found] if n else found


def _of_agent(document: Row, now: datetime) -> tuple[str, int, float, float]:
    first, last = (
        (now - datetime.fromisoformat(document[name])).total_seconds() / 60
        for name in ("firstAt", "lastAt")
    )
    return document["userAgent"], document["count"], first, last


def _ids(documents: list[Row]) -> list[str]:
    return [one["id"] for one in documents]


def _by(found: list[Row], column: str) -> list[str]:
    ordered = sorted(found, key=lambda row: (row[column], row["id"]))
    return [str(row["id"]) for row in ordered]


@holds("users.lock_user", "users.mark_user_deleted", "users.set_user_active")
@given(rows(strategies.people(), min_size=1, max_size=3), st.booleans(), st.data())
def test_an_account_ends_once(
    sql: Sql,
    people: list[Row],
    is_active: bool,  # noqa: FBT001
    data: st.DataObject,
) -> None:
    people = _left(people, data)
    with sql.example() as db:
        for row in [db.add("users", row) for row in people]:
            is_there = row["deleted_at"] is None
            assert db.call(users.lock_user, owner_id=row["id"]) == is_there
            with db.savepoint(), db.changes("users") as seen:
                is_set = db.call(users.set_user_active, id=row["id"], is_active=is_active)
            assert is_set == (is_there and row["is_active"] != is_active)
            assert seen["users"].changed.keys() == ({row["id"]} if is_set else set())
            if is_set:
                [told] = seen["users"].changed.values()
                assert told["is_active"] == is_active
                assert told.keys() <= {"is_active", "updated_at"}

            with db.savepoint(), db.changes("users") as seen:
                assert db.call(users.mark_user_deleted, owner_id=row["id"]) == is_there
                after = _person(db, row["id"])
            assert seen["users"].changed.keys() == ({row["id"]} if is_there else set())
            if is_there:
                texts = ("email", "display_name", "avatar_url")
                assert [after[name] for name in texts] == ["", "", None]
                assert after["google_id"] == f"deleted:{row['id']}"
                assert (after["is_active"], after["deleted_at"]) == (False, db.now)


@holds("users.lock_user", share=0.2)
@given(strategies.people(deleted_at=None))
def test_who_adds_to_what_a_person_has_goes_one_after_another(sql: Sql, person: Row) -> None:
    with sql.committed(2) as (first, second):
        first.add("users", person)
        first.begin()
        assert first.call(users.lock_user, owner_id=person["id"])
        waiting = second.start(users.lock_user, owner_id=person["id"])
        assert waiting.is_waiting()
        assert first.call(users.mark_user_deleted, owner_id=person["id"])
        first.commit()
        assert waiting.result() is False


@holds("users.list_people", "users.list_people_called", "users.list_people_by_id")
@given(several(pictures=2), st.data(), st.integers(1, 3))
def test_the_operator_finds_people_by_letters_and_names(
    sql: Sql, owners: list[Owner], data: st.DataObject, n: int
) -> None:
    letters = data.draw(
        st.sampled_from(("", "a", "AMAL", "@MADAR", "أ", "%", "\\", "_", "no such"))
    )
    with sql.example() as db:
        owners = [owner.add(db) for owner in owners]
        left = {owner.id for owner in owners if data.draw(st.booleans())}
        db.execute("UPDATE users SET deleted_at = now() WHERE id = ANY ($1)", [*left])
        there = [owner for owner in owners if owner.id not in left]
        found = [owner for owner in there if _has_letters(owner.person, letters)]
        found.sort(key=lambda owner: owner.id)
        found.sort(key=lambda owner: owner.person["created_at"], reverse=True)
        listed = db.call(users.list_people, letters=letters, n=n)

        assert [one.id for one in listed] == [owner.id for owner in found[:n]]
        for one, owner in zip(listed, found, strict=False):
            seen = [row["last_seen_at"] for row in owner.sessions]
            assert one.last_seen_at == max(seen, default=None)
            assert one.pictures == sum(not row["deleted_at"] for row in owner.generations)
            assert asdict(one).items() >= {"email": owner.person["email"]}.items()

        asked = [owner.id for owner in owners[1:]]
        named = db.call(users.list_people_by_id, ids=asked)
        assert sorted(one.id for one in named) == sorted({*asked} - left)
        for owner in owners:
            for called in (str(owner.id).upper(), owner.person["email"].swapcase()):
                same = [one for one in there if _is_called(one.person, called)]
                names = db.call(users.list_people_called, called=called)
                times = [_person(db, one.id)["created_at"] for one in names]
                assert sorted(one.id for one in names) == sorted(one.id for one in same)
                assert times == sorted(times)


def _has_letters(person: Row, letters: str) -> bool:
    return any(letters.lower() in person[name].lower() for name in ("email", "display_name"))


def _is_called(person: Row, called: str) -> bool:
    return called.lower() in {str(person["id"]), person["email"].lower()}


@holds("users.get_person", "users.insert_account_deletion")
@given(several(most=2, pictures=4), st.data())
def test_what_a_person_has_is_counted(sql: Sql, owners: list[Owner], data: st.DataObject) -> None:
    with sql.example() as db:
        for owner in [owner.add(db) for owner in owners]:
            there = [row for row in owner.generations if not row["deleted_at"]]
            trash = [row for row in owner.generations if row["deleted_at"] and row["gone_at"]]
            states = Counter(row["state"] for row in there)
            alive = [row for row in owner.sessions if row["expires_at"] > db.now]
            found = db.call(users.get_person, id=owner.id)
            assert found
            assert (found.completed, found.failed, found.unfinished, found.in_trash) == (
                states["completed"],
                states["failed"] + states["reviving"],
                states["queued"] + states["processing"] + states["finalizing"],
                len(trash),
            )
            assert found.picture_bytes == sum(
                row.get("file_size_bytes", 0) for row in there + trash
            )
            sizes = [row["file_size"] for row in owner.uploads]
            assert (found.uploads, found.upload_bytes) == (len(sizes), sum(sizes))
            assert found.sessions == len(alive)
            assert found.last_seen_at == max((row["last_seen_at"] for row in alive), default=None)

            with db.savepoint(), db.changes("account_deletions") as seen:
                db.call(users.insert_account_deletion, owner_id=owner.id)
            [row] = seen["account_deletions"].added.values()
            counts = (len(there + trash), len(sizes))
            assert (row["generations"], row["uploads"]) == counts

            if data.draw(st.booleans()):
                db.execute("UPDATE users SET deleted_at = now() WHERE id = $1", owner.id)
                assert db.call(users.get_person, id=owner.id) is None


@holds("users.delete_deleted_user")
@given(rows(strategies.people(), min_size=1, max_size=4), st.data())
def test_a_row_goes_when_nothing_hangs_on_it(
    sql: Sql, people: list[Row], data: st.DataObject
) -> None:
    after_s = 3600
    with sql.example() as db:
        due: list[Row] = []
        for person in people:
            deleted_at = data.draw(st.none() | strategies.around(-after_s))
            row = db.add("users", person | {"deleted_at": deleted_at})
            hanging = data.draw(st.sampled_from(("", "", "", "deleted", "there", "usage")))
            if hanging in {"deleted", "there"}:
                picture = data.draw(strategies.generations(user_id=row["id"], state="failed"))
                gone = timedelta() if hanging == "deleted" else None
                db.add("generations", picture | {"deleted_at": gone})
            elif hanging:
                seen = {"endpoint": "/", "method": "GET", "status_code": 200}
                db.add("api_usage", seen | {"user_id": row["id"]})
            is_over = deleted_at is not None and deleted_at < timedelta(seconds=-after_s)
            if is_over and hanging in {"", "there"}:
                due.append(row)
        with db.changes("users") as seen:
            count = db.call(users.delete_deleted_user, after_s=after_s)

        gone = seen["users"].gone.values()
        assert len(gone) == count == min(1, len(due))
        first = min((row["deleted_at"] for row in due), default=None)
        assert all(row["deleted_at"] == first for row in gone)
        assert {row["id"] for row in gone} <= {row["id"] for row in due}
