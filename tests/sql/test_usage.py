"""sql/queries/usage.sql: what is counted, and what of it is forgotten."""

from collections import Counter
from datetime import timedelta
from ipaddress import ip_interface
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import usage
from madar.db.usage import Serving, UsageEntry
from tests.sql import strategies
from tests.sql.harness import Sql
from tests.sql.register import holds
from tests.sql.seeding import Owner, several
from tests.sql.strategies import Row, rows

NOBODY = UUID(int=1)
ADDRESSES = ("", "192.0.2.1", "2001:db8::1")


@st.composite
def some_who_left(draw: st.DrawFn) -> list[Row]:
    people = draw(rows(strategies.people(), min_size=1, max_size=3))
    return [row | {"deleted_at": draw(st.none() | strategies.past())} for row in people]


@st.composite
def requests(draw: st.DrawFn, people: list[Row]) -> Row:
    rest = draw(strategies.rests)
    return {
        "user_id": draw(st.sampled_from([None, *(row["id"] for row in people)])),
        "endpoint": rest.one_of(("/api/generations", "/api/user")),
        "method": rest.one_of(("GET", "POST")),
        "status_code": rest.one_of((200, 404)),
        "response_time_ms": rest.number(0, 999),
        "ip_address": rest.one_of((None, *ADDRESSES[1:])),
        "user_agent": rest.one_of((None, *strategies.AGENTS)),
        "created_at": draw(strategies.past(60) | strategies.around(-30 * 86400)),
    }


@holds("usage.insert_usage")
@given(some_who_left(), st.data())
def test_each_request_is_somebodys_or_nobodys(
    sql: Sql, people: list[Row], data: st.DataObject
) -> None:
    owners = [None, NOBODY, *(row["id"] for row in people)]
    there = {row["id"] for row in people if row["deleted_at"] is None}
    with sql.example() as db:
        for row in people:
            db.add("users", row)
        entries = [
            UsageEntry(
                user_id=user_id,
                session_id=None,
                endpoint=f"/api/{n}",
                method="GET",
                status_code=200 + n,
                response_time_ms=n,
                ip_address=data.draw(st.sampled_from(ADDRESSES)),
                user_agent=data.draw(st.sampled_from(strategies.AGENTS)),
                created_at=db.now - timedelta(minutes=n),
            )
            for n, user_id in enumerate(data.draw(st.permutations(owners)))
        ]
        with db.changes("api_usage") as seen:
            db.call(usage.insert_usage, entries)

        found = {row["status_code"]: row for row in seen["api_usage"].added.values()}
        assert len(seen["api_usage"].added) == len(found) == len(entries)
        for entry in entries:
            row = found[entry.status_code]
            is_told = entry.user_id is None or entry.user_id in there
            assert row["user_id"] == (entry.user_id if entry.user_id in there else None)
            assert (row["endpoint"], row["method"]) == (entry.endpoint, entry.method)
            assert row["created_at"] == entry.created_at
            assert row["user_agent"] == ((entry.user_agent or None) if is_told else None)
            address = ip_interface(entry.ip_address).ip if entry.ip_address else None
            assert row["ip_address"] == (address if is_told else None)


@holds("usage.touch_sessions", share=2)
@given(several(most=2, pictures=0), st.integers(0, 7200), st.data())
def test_a_session_that_is_used_lives_on(
    sql: Sql, owners: list[Owner], idle_s: int, data: st.DataObject
) -> None:
    with sql.example() as db:
        all_sessions = [one for owner in owners for one in owner.add(db).sessions]
        some = st.lists(st.sampled_from(all_sessions or [{"id": NOBODY}]), max_size=4)
        asked = data.draw(st.just(all_sessions) | some)
        asked_ids = [one["id"] for one in asked]
        with db.changes("user_sessions") as seen:
            db.call(usage.touch_sessions, ids=asked_ids, idle_s=idle_s)

        expected: dict[Any, Row] = {}
        for one in all_sessions:
            is_due = one["last_seen_at"] < db.now - timedelta(minutes=5)
            if one["id"] in asked_ids and is_due and one["expires_at"] > db.now:
                ends = min(one["ends_at"], db.now + timedelta(seconds=idle_s))
                expected[one["id"]] = {"last_seen_at": db.now}
                if ends != one["expires_at"]:
                    expected[one["id"]]["expires_at"] = ends
        assert seen["user_sessions"].changed == expected


@holds("usage.count_servings")
@given(several(most=2), st.data())
def test_a_link_counts_once_for_a_picture_that_is_there(
    sql: Sql, owners: list[Owner], data: st.DataObject
) -> None:
    with sql.example() as db:
        pictures = [row for owner in owners for row in owner.add(db).generations]
        keys = [row[name] for row in pictures for name in ("result_image_key", "master_key")]
        serving = st.builds(
            Serving,
            kind=st.sampled_from(("view", "download")),
            object_key=st.sampled_from([key for key in keys if key] or ["nothing's"]),
            link_hash=st.sampled_from((b"one", b"two")),
        )
        counted: set[tuple[UUID, str, bytes]] = set()
        for batch in data.draw(st.lists(st.lists(serving, max_size=5), max_size=2)):
            new = _served(batch, pictures) - counted
            counted |= new
            with db.changes("generations", "file_servings") as seen:
                db.call(usage.count_servings, batch)

            tally = Counter((picture, kind) for picture, kind, _ in new)
            before = {row["id"]: row for row in pictures}
            expected: dict[Any, Row] = {}
            for (picture, kind), n in tally.items():
                name = f"{kind}_count"
                before[picture][name] += n
                expected.setdefault(picture, {})[name] = before[picture][name]
            assert seen["generations"].changed == expected
            assert {(row[0], row[1], bytes(row[2])) for row in seen["file_servings"].added} == new


def _served(batch: list[Serving], pictures: list[Row]) -> set[tuple[UUID, str, bytes]]:
    """A lossless picture is downloaded, never viewed."""
    return {
        (row["id"], one.kind, one.link_hash)
        for one in batch
        for row in pictures
        if row["deleted_at"] is None
        and (
            row["result_image_key"] == one.object_key
            or (row["master_key"] == one.object_key and one.kind == "download")
        )
    }


@holds("usage.anonymise_usage", "usage.anonymise_usage_of_deleted")
@given(some_who_left(), st.integers(1, 4), st.data())
def test_what_leavers_did_becomes_nobodys(
    sql: Sql, people: list[Row], n: int, data: st.DataObject
) -> None:
    forgotten = {"user_id": None, "ip_address": None, "user_agent": None}
    with sql.example() as db:
        for row in people:
            db.add("users", row)
        for row in data.draw(st.lists(requests(people), max_size=5)):
            db.add("api_usage", row)
        noted = db.rows("api_usage")
        leavers = {row["id"] for row in people if row["deleted_at"] is not None}
        with db.savepoint(), db.changes("api_usage") as seen:
            count = db.call(usage.anonymise_usage_of_deleted, n=n)
        due = [row for row in noted if row["user_id"] in leavers]
        assert count == len(seen["api_usage"].changed) == min(n, len(due))
        assert seen["api_usage"].changed.keys() <= {row["id"] for row in due}

        for person in people:
            with db.savepoint(), db.changes("api_usage") as seen:
                db.call(usage.anonymise_usage, user_id=person["id"], n=n)
            theirs = [row for row in noted if row["user_id"] == person["id"]]
            assert seen["api_usage"].changed.keys() <= {row["id"] for row in theirs}
            assert len(seen["api_usage"].changed) == min(n, len(theirs))
            assert all(
                forgotten.items() >= row.items() for row in seen["api_usage"].changed.values()
            )


@holds("usage.delete_old_usage")
@given(st.lists(requests([]), max_size=6), st.integers(1, 4))
def test_requests_are_forgotten_after_a_month(sql: Sql, noted: list[Row], n: int) -> None:
    with sql.example() as db:
        for row in noted:
            db.add("api_usage", row)
        old = sorted(
            row["created_at"]
            for row in db.rows("api_usage")
            if row["created_at"] < db.now - timedelta(days=30)
        )
        with db.changes("api_usage") as seen:
            count = db.call(usage.delete_old_usage, n=n)

        assert sorted(row["created_at"] for row in seen["api_usage"].gone.values()) == old[:n]
        assert count == min(n, len(old))


@holds("usage.delete_old_servings")
@given(
    strategies.people(),
    strategies.generations(),
    st.lists(strategies.around(-86400, 7200), max_size=5),
    st.integers(1, 3),
)
def test_links_are_forgotten_after_a_day(
    sql: Sql, person: Row, picture: Row, times: list[timedelta], n: int
) -> None:
    with sql.example() as db:
        db.add("users", person)
        db.add("generations", picture | {"user_id": person["id"]})
        served = [
            db.add(
                "file_servings",
                {
                    "generation_id": picture["id"],
                    "kind": "view",
                    "link_hash": b"%d" % number,
                    "served_at": served_at,
                },
            )
            for number, served_at in enumerate(times)
        ]
        old = sorted(
            row["served_at"] for row in served if row["served_at"] < db.now - timedelta(days=1)
        )
        with db.changes("file_servings") as seen:
            count = db.call(usage.delete_old_servings, n=n)

        assert sorted(row["served_at"] for row in seen["file_servings"].gone.values()) == old[:n]
        assert count == min(n, len(old))
