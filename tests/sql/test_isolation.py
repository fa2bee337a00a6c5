"""No query that is called for one person returns or changes anything of another's.

Which queries are called for a person is told by the names of their parameters, what else they may
be given by the names and types of those, and whose a row is by its references to users. So a query
is held to this from the day it is written, and so is a table.

Amal asks, Badr's things are asked for. Whatever is Badr's has his mark in it: `bbbbbbbb`. What has
no mark, as a count, is the same when he and all that is his are gone.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString, cast
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL

from madar.db.sql import Query
from madar.local import postgres
from tests.sql import strategies
from tests.sql.contract import describe
from tests.sql.harness import Session, Sql, opened
from tests.sql.recorder import ALL
from tests.sql.register import examples, profile
from tests.sql.strategies import Rest, Row

OWNERS = {"owner_id", "user_id", "owner_ids"}
CREDENTIAL = {"token_hash", "session_id"}
# Columns whose values are good for a parameter of another name.
ALSO = {"first_step": "step", "states": "state", "languages": "language"}
MARK = re.compile(r"bbbbbbbb[-0-9a-f]*")
# Whose answer may be another one without him, and why.
OTHER_WITHOUT_HIM = {
    "sessions.insert_session": "an id at random",
    "sessions.list_ended_sessions": "the hub asks which of all sessions are over",
    "tickets.insert_ticket": "a time of the clock",
}
_OWNED = """
WITH RECURSIVE owned AS (
    SELECT 'users'::regclass::oid AS id
     UNION
    SELECT conrelid FROM pg_constraint JOIN owned ON confrelid = owned.id WHERE contype = 'f'
)
SELECT id::regclass::text AS name FROM owned
"""


def is_asked_for_somebody(query: Query) -> bool:
    return bool(OWNERS & {*query.params}) or {*query.params} >= CREDENTIAL


ASKED = sorted(name for name, query in ALL.items() if is_asked_for_somebody(query))


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with one of everything; ids begin with their letter, eight times."""

    letter: str
    id: UUID
    session_id: UUID
    token_hash: bytes

    @classmethod
    def called(cls, letter: str) -> "Person":
        return cls(
            letter=letter,
            id=numbered(letter, 0),
            session_id=numbered(letter, 1),
            token_hash=hashed(letter),
        )


@dataclass(frozen=True, kw_only=True)
class World:
    """`values` are those of all columns, by name and type; `types` those of all parameters."""

    sql: Sql
    amal: Person
    badr: Person
    tables: list[str]
    values: dict[tuple[str, str], list[Any]]
    types: dict[str, dict[str, str]]

    def rows_of_badr(self, db: Session) -> set[tuple[str, str, str]]:
        rows = " UNION ALL ".join(
            f"SELECT '{name}' AS name, t::text AS row, to_jsonb(t) ->> 'user_id' AS owner"
            f"  FROM {name} t"
            for name in self.tables
        )
        statement = SQL(
            cast("LiteralString", f"SELECT * FROM ({rows}) t WHERE strpos(row, 'bbbbbbbb') > 0")
        )
        return {
            (row["name"], row["row"], row["owner"]) for row in self.sql.fetch(db.conn, statement)
        }

    def forget_badr(self, db: Session) -> None:
        """As if he had never been: without triggers and checks of references."""
        role = "SET LOCAL session_replication_role = "
        gone = [
            f"DELETE FROM {table} t WHERE strpos(t::text, 'bbbbbbbb') > 0" for table in self.tables
        ]
        db.execute_all(f"{role}replica", *gone, f"{role}origin")


def numbered(letter: str, n: int) -> UUID:
    return UUID(f"{letter * 8}-0000-4000-8000-{n:012}")


def hashed(letter: str, n: int = 0) -> bytes:
    return bytes.fromhex(letter * 8) + bytes([n]) * 28


def populate(db: Session, person: Person) -> None:
    """A picture in each state, also in the trash and gone, and a row in every table of theirs."""
    letter, own = person.letter, {"user_id": person.id}
    mark = letter * 8
    db.add(
        "users",
        {"id": person.id, "google_id": mark, "email": f"{mark}@madar.test", "display_name": mark},
    )
    for n in (0, 1):
        later = timedelta(days=1)
        db.add(
            "user_sessions",
            own
            | {"id": numbered(letter, 1 + n), "session_token": hashed(letter, n)}
            | {"expires_at": later, "ends_at": later, "user_agent": mark},
        )
        upload = {"id": numbered(letter, 3 + n), "file_size": 1, "width": 1, "height": 1}
        keys = {"object_key": f"{mark}-{n}", "thumbnail_key": f"{mark}-{n}-small"}
        db.add("uploads", own | upload | keys)
    db.add(
        "live_tickets",
        {"token_hash": hashed(letter, 9), "session_id": person.session_id, "language": "en"}
        | {"expires_at": timedelta(days=1)},
    )
    db.add(
        "idempotency_keys",
        own
        | {"route": "/api/generations", "key": mark, "body_hash": hashed(letter), "response": {}},
    )
    usage = {"endpoint": mark, "method": "GET", "status_code": 200}
    db.add("api_usage", own | usage | {"created_at": timedelta(days=-40)})
    db.add("fal_turns", own | {"last_at": timedelta()})
    gone = {"id": numbered(letter, 5), "version": 1, "deleted_at": timedelta()}
    db.add("deleted_generations", own | gone)
    for n, row in enumerate(_pictures(), 10):
        _add_picture(db, person, n, row)


def _pictures() -> list[Row]:
    """What is said of each picture: its state, and whether it is deleted."""
    deleted = {"state": "completed", "deleted_at": timedelta(hours=-1)}
    return [
        *({"state": state} for state in strategies.STATES),
        {"state": "failed", "error_code": "cancelled"},
        deleted | {"gone_at": timedelta(days=1)},
        deleted | {"gone_at": timedelta(days=-1)},
        deleted | {"gone_at": None},
    ]


def _add_picture(db: Session, person: Person, n: int, row: Row) -> None:
    mark = f"{person.letter * 8}-{n}"
    picture = strategies.generation(numbered(person.letter, n), Rest(0), state=row["state"])
    keys = {"master_key": mark, "result_image_key": mark, "thumbnail_key": mark}
    due = {"next_action_at": timedelta()} if strategies.is_unfinished(picture) else {}
    source = {"source_upload_id": numbered(person.letter, 3), "prompt": f"a rocket {mark}"}
    db.add("generations", picture | {"user_id": person.id} | row | keys | due | source)
    state = "accepted" if due else "succeeded"
    db.add(
        "attempts",
        {"id": numbered(person.letter, 100 + n), "generation_id": picture["id"], "n": 1}
        | {"step": "draw", "state": state, "seed": 1, "request_id": f"{mark}-request"}
        | {"endpoint": "fal-ai/flux-lora", "arguments": {}, "sent_at": timedelta(minutes=-1)},
    )
    link = {"kind": "view", "link_hash": hashed(person.letter, n)}
    db.add("file_servings", {"generation_id": picture["id"], **link})


@pytest.fixture(scope="module")
def world(postgres_server: postgres.Server) -> Generator[World]:
    dsn = postgres_server.create_database("isolation", template="template_madar")
    with psycopg.connect(dsn, autocommit=True) as conn:
        types = {name: one.params for name, one in describe(conn).items()}
    amal, badr = Person.called("a"), Person.called("b")
    with opened(dsn) as sql:
        db = sql.open()
        for person in (amal, badr):
            populate(db, person)
        db.commit()
        tables = [row["name"] for row in sql.fetch(db.conn, SQL(_OWNED))]
        values: dict[tuple[str, str], list[Any]] = {}
        for table in tables:
            for row in db.rows(table):
                for name, value in row.items():
                    known = values.setdefault((name, sql.columns[table][name]), [])
                    if value is not None and value not in known:
                        known.append(value)
        sql.close(db)
        yield World(sql=sql, amal=amal, badr=badr, tables=tables, values=values, types=types)


def arguments(world: World, name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Amal's own where it is asked whose, anything else where it is not; best of all Badr's."""
    query = ALL[name]
    fixed: dict[str, st.SearchStrategy[Any]] = {
        "owner_id": st.just(world.amal.id),
        "user_id": st.just(world.amal.id),
        "owner_ids": st.lists(st.just(world.amal.id), min_size=1, max_size=3),
    }
    credentials: list[dict[str, Any]] = [{}]
    if not OWNERS & {*query.params}:
        credentials = [
            {"token_hash": world.amal.token_hash, "session_id": None},
            {"token_hash": None, "session_id": world.amal.session_id},
        ]
    others = st.fixed_dictionaries(
        {
            param: fixed[param] if param in fixed else _values(world, param, type_name)
            for param, type_name in world.types[name].items()
        }
    )
    return st.tuples(others, st.sampled_from(credentials)).map(lambda one: one[0] | one[1])


def _values(world: World, param: str, type_name: str) -> st.SearchStrategy[Any]:
    if type_name.startswith("_"):
        one = _values(world, param.removesuffix("s"), type_name[1:])
        return st.lists(one, max_size=4)
    column = ALSO.get(param, param)
    aliases = {"text": ("text", "varchar"), "int4": ("int4", "int8"), "int8": ("int4", "int8")}
    known = [
        value
        for known_type in aliases.get(type_name, (type_name,))
        for value in world.values.get((column, known_type), [])
    ]
    if type_name in {"json", "jsonb"}:
        known = []
    if type_name == "uuid":
        known += world.values["id", "uuid"]
    return st.sampled_from(known) | PLAIN[type_name] if known else PLAIN[type_name]


PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "bytea": st.just(b"\0"),
    "float4": st.sampled_from((0, 1, 10**6)),
    "float8": st.sampled_from((0, 1, 10**6)),
    "int4": st.sampled_from((0, 1, 50)),
    "int8": st.sampled_from((0, 1, 50)),
    "interval": st.just(timedelta(days=1)),
    "json": st.just("{}"),
    "jsonb": st.just("{}"),
    "text": st.sampled_from(("", "x", "rocket", "en")),
    "timestamptz": st.sampled_from(("-infinity", "infinity", "2026-01-01T00:00:00Z")),
    "uuid": st.just(UUID(int=7)),
    "varchar": st.sampled_from(("", "x")),
}


@pytest.mark.parametrize("name", ASKED)
def test_who_asks_gets_and_changes_only_their_own(world: World, name: str) -> None:
    answered = 0

    @settings(profile(), max_examples=examples())
    @given(arguments(world, name))
    def hold(given: dict[str, Any]) -> None:
        nonlocal answered
        with world.sql.example() as db:
            before = world.rows_of_badr(db)
            try:
                with db.savepoint():
                    told = db.ask(name, **given)
                    after = world.rows_of_badr(db)
            except (psycopg.IntegrityError, psycopg.DataError):
                return  # of no use as a question
            answered += 1
            if name not in OTHER_WITHOUT_HIM:
                world.forget_badr(db)
                assert db.ask(name, **given) == told, "not the same without him"

            assert before <= after, f"changed: {before - after}"
            new = {row for _, row, owner in after - before if owner == str(world.badr.id)}
            assert not new, f"made for him: {new}"
            own = set(MARK.findall(f"{given} {hashed('b').hex()}"))
            assert set(MARK.findall(told)) <= own, f"told: {told}"

    hold()
    assert answered, "each question was refused for another reason"
