"""sql/queries/system.sql: bells that are heard, and signs of life of what a process leans on."""

import time
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import migrate, system
from tests.sql import pictures
from tests.sql.connections import connected
from tests.sql.dice import Dice, dices
from tests.sql.harness import DEADLINE_S, Row, Session, Sql
from tests.sql.register import holds
from tests.sql.scenes import NOW, World, s, scene


def _heard(listener: Session, count: int) -> list[tuple[str, str]]:
    """So many notices as (channel, payload), and no more than those."""

    async def listen() -> list[tuple[str, str]]:
        found = listener.conn.notifies(timeout=DEADLINE_S, stop_after=count)
        notices = [(one.channel, one.payload) async for one in found] if count else []
        await listener.conn.execute("SELECT 1")
        return notices + [(o.channel, o.payload) async for o in listener.conn.notifies(timeout=0)]

    return listener.sql.run(listen())


@holds(
    "system.ring_generations",
    "system.ring_pulse",
    "system.ring_styles",
    "system.ring_queue",
    share=0.5,
)
@given(dices())
def test_each_bell_is_heard_on_its_channel(sql: Sql, dice: Dice) -> None:
    rows = pictures.pictures(dice, most=3, attempts=1)
    rung = dice.some([row["id"] for row in rows["generations"]])
    with sql.committed(2) as (db, listener):
        for table in ("users", "generation_styles", "generations"):
            for row in rows[table]:
                db.add(table, row)
        queue = "procrastinate_queue_v1#generations"
        for channel in (system.GENERATIONS_CHANNEL, system.STYLES_CHANNEL, "pulse-1", queue):
            listener.execute(f'LISTEN "{channel}"')
        db.call(system.ring_generations, ids=[*rung, UUID(int=10**9)])
        db.call(system.ring_pulse, channel="pulse-1")
        db.call(system.ring_pulse, channel="pulse-2")
        db.call(system.ring_styles)
        db.call(system.ring_queue)
        heard = _heard(listener, len(rung) + 3)
        listener.execute("UNLISTEN *")

    told = [
        (system.GENERATIONS_CHANNEL, f"{row['id']} {row['version']} {row['user_id']}")
        for row in rows["generations"]
        if row["id"] in rung
    ]
    told += [("pulse-1", ""), (system.STYLES_CHANNEL, "")]
    told += [(queue, '{"type": "job_inserted", "job_id": 0}')]
    assert sorted(heard) == sorted(told)


def has_worker(world: World) -> bool:
    return any(row["last_heartbeat"] > s(-60) for row in world["procrastinate_workers"].values())


def get_helpers(world: World) -> Row:
    closed_until = world["fal_gate"][True]["closed_until"]
    is_closed = closed_until is not None and closed_until > NOW
    return {"has_worker": has_worker(world), "is_fal_closed": is_closed}


@holds("system.has_worker", "system.get_helpers", share=3)
@given(
    st.lists(st.sampled_from((s(-61), s(-60), s(-59.999))), max_size=2),
    st.sampled_from((None, s(-1), NOW, s(0.001))),
)
def test_a_worker_lives_for_a_minute_after_its_last_sign(
    sql: Sql, beats: list[Any], closed_until: Any
) -> None:
    workers = [{"id": n, "last_heartbeat": at} for n, at in enumerate(beats)]
    gate = pictures.gate(closed_until=closed_until)
    with scene(sql, procrastinate_workers=workers, fal_gate=[gate]) as played:
        played.play(system.has_worker, has_worker)
        played.play(system.get_helpers, get_helpers)


@holds("system.list_applied_migrations", share=0.5)
@given(st.lists(st.sampled_from(("0098", "0099", "9999")), unique=True))
def test_applied_migrations_are_told_in_their_order(sql: Sql, more: list[str]) -> None:
    with sql.example() as db:
        for version in more:
            db.execute(
                "INSERT INTO schema_migrations (version, sha256, ms) VALUES ($1, 'sum', 1)", version
            )
        found = db.call(system.list_applied_migrations)

        names = [one.version for one in found]
        assert names == sorted({one.version for one in migrate.read_migrations()} | {*more})
        assert all(one.sha256 == "sum" for one in found if one.version in more)


@holds("system.ping", "system.get_clock")
def test_the_clock_goes_on_within_a_transaction(sql: Sql) -> None:
    with sql.example() as db:
        db.call(system.ping)
        first = db.call(system.get_clock)
        second = db.call(system.get_clock)

        assert first < second
        assert abs(first - time.time()) < DEADLINE_S
        assert first > db.now.timestamp()


@holds("system.get_server", share=0.3)
@given(st.lists(st.sampled_from(("madar", "madar doctor", "psql", "")), max_size=3))
def test_the_servers_connections_are_counted_without_our_own(sql: Sql, names: list[str]) -> None:
    with connected(sql, *names), sql.example() as db:
        server = db.call(system.get_server)
        [shown] = db.execute("SHOW server_version_num")
        [others] = db.execute(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND application_name NOT LIKE 'madar%'"
        )
        reserved = db.execute(
            "SELECT setting::int AS n FROM pg_settings WHERE name LIKE '%reserved_connections'"
        )
        [most] = db.execute("SELECT current_setting('max_connections')::int AS n")

    assert server.version_number == int(shown["server_version_num"])
    assert not server.is_replica
    assert server.max_connections == most["n"] - sum(row["n"] for row in reserved)
    assert server.other_connections == others["n"] >= sum("madar" not in name for name in names)


@holds("system.get_session")
@given(st.integers(1, 59), st.sampled_from(("UTC", "Asia/Riyadh")))
def test_a_session_says_what_limits_it_has(sql: Sql, seconds: int, zone: str) -> None:
    with sql.example() as db:
        db.execute(f"SET LOCAL lock_timeout = '{seconds}s'")
        db.execute(f"SET LOCAL timezone = '{zone}'")
        session = db.call(system.get_session)

    assert (session.lock_timeout, session.timezone) == (f"{seconds}s", zone)
