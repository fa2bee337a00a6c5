"""`madar migrate plan`: the locks it tells are those that PostgreSQL takes."""

from collections.abc import Generator
from typing import Any

import psycopg
import pytest

from madar.db.migrate import Migration, read_migrations
from madar.db.plan import PlannedMigration, PlannedStatement, plan
from madar.db.statements import MODES, Mode, bare, effect_of, statements_of, strength
from madar.local import postgres

Conn = psycopg.Connection[Any]

# As pg_locks names them; what is weaker is not told.
MODE_OF: dict[str, Mode] = {"".join(mode.title().split()) + "Lock": mode for mode in MODES}
TAKEN = """
    SELECT relation::bigint, mode
      FROM pg_locks
     WHERE pid = pg_backend_pid()
       AND locktype = 'relation'
"""
THERE = """
    SELECT oid::bigint, oid::regclass::text
      FROM pg_class
     WHERE relkind IN ('r', 'v', 'm')
       AND relnamespace = 'public'::regnamespace
"""
MADE_UP = """
CREATE TABLE cups (id int PRIMARY KEY, color text, made_at timestamptz);
CREATE TABLE shelves (id int PRIMARY KEY, cup_id int REFERENCES cups);
CREATE INDEX shelves_by_cup ON shelves (cup_id);
CREATE VIEW red_cups AS SELECT id FROM cups WHERE color = 'red';
INSERT INTO cups SELECT n, 'red', now() FROM generate_series(1, 5000) n;
ANALYZE cups;
"""


@pytest.fixture
def empty(postgres_server: postgres.Server) -> Generator[Conn]:
    with psycopg.connect(postgres_server.create_database("plan_empty"), autocommit=True) as conn:
        yield conn


@pytest.fixture(scope="module")
def cupboard(postgres_server: postgres.Server) -> Generator[Conn]:
    with psycopg.connect(postgres_server.create_database("plan_cups"), autocommit=True) as conn:
        conn.execute(MADE_UP)
        yield conn


@pytest.fixture
def cups(cupboard: Conn) -> Generator[Conn]:
    """Whatever is done to them is undone."""
    with cupboard.transaction(force_rollback=True):
        yield cupboard


def migration(sql: str, *, in_transaction: bool = True) -> Migration:
    return Migration(
        version="0001", name="made-up", sql=sql, sha256="", in_transaction=in_transaction
    )


def planned(conn: Conn, sql: str, **given: Any) -> PlannedMigration:
    [one] = plan(conn, [migration(sql, **given)])
    return one


def told(one: PlannedStatement) -> dict[str, Mode]:
    return {lock.table.name: lock.mode for lock in one.locks}


def taken(conn: Conn, sql: str) -> dict[str, Mode]:
    """The strongest lock on each table and view that was there before, while it is done."""
    there: dict[int, str] = dict(conn.execute(THERE).fetchall())
    with conn.transaction():
        conn.execute(sql.encode())
        found = conn.execute(TAKEN).fetchall()
    locks: dict[str, Mode] = {}
    for relation, mode in found:
        if relation in there and (known := MODE_OF.get(mode)):
            name = there[relation]
            locks[name] = max(locks.get(name, known), known, key=strength)
    return locks


def test_of_our_own_migrations_each_lock_is_told_as_it_is_taken(empty: Conn) -> None:
    """Statement by statement on what the ones before have made. A DO block tells nothing."""
    statements = 0
    for real in read_migrations():
        for sql in statements_of(real.sql):
            [one] = planned(empty, sql).statements
            if bare(sql).startswith("DO "):
                assert not one.is_known
                empty.execute(sql.encode())
                continue
            assert one.is_known, sql
            assert told(one) == taken(empty, sql), sql
            statements += 1

    assert statements > 150


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE cups ADD COLUMN weight int NOT NULL DEFAULT 3",
        "ALTER TABLE cups ADD COLUMN code uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE cups ADD CONSTRAINT cups_red CHECK (color <> '') NOT VALID",
        "ALTER TABLE IF EXISTS ONLY cups ALTER COLUMN made_at TYPE date, ALTER color SET NOT NULL",
        "ALTER TABLE cups ALTER color SET STATISTICS 500",
        "ALTER TABLE cups SET (fillfactor = 70)",
        "ALTER TABLE cups RENAME color TO colour",
        'ALTER TABLE "cups" DISABLE TRIGGER ALL',
        "ALTER TABLE shelves ADD FOREIGN KEY (id) REFERENCES cups NOT VALID",
        "CREATE TABLE plates (cup_id int REFERENCES cups (id), note text DEFAULT ';')",
        "CREATE UNIQUE INDEX IF NOT EXISTS cups_by_time ON public.cups (made_at, id)",
        "CREATE INDEX ON cups (color)",
        "DROP INDEX shelves_by_cup",
        "DROP TABLE shelves",
        "DROP VIEW IF EXISTS red_cups CASCADE",
        "CREATE OR REPLACE VIEW red_cups AS SELECT id FROM cups",
        "COMMENT ON COLUMN cups.color IS 'ALTER TABLE shelves; -- no'",
        "COMMENT ON VIEW red_cups IS 'red'",
        "TRUNCATE shelves",
        "UPDATE cups SET color = 'blue' WHERE id < 10",
        "WITH gone AS (DELETE FROM shelves RETURNING cup_id) INSERT INTO cups SELECT 0, 'x', now()",
        "INSERT INTO cups VALUES (1, 'red') ON CONFLICT (id) DO UPDATE SET color = 'red'",
        "CREATE FUNCTION two() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 2 END; END",
        "CREATE TYPE size AS ENUM ('small; really')",
    ],
)
def test_of_others_too(cups: Conn, sql: str) -> None:
    [statement] = statements_of(f"-- A comment; with a semicolon.\n{sql};\n")
    [one] = planned(cups, sql).statements

    assert one.is_known
    assert statement.endswith(sql)
    assert told(one) == taken(cups, sql)


def test_what_words_do_not_tell_is_told_as_unknown() -> None:
    for sql in ("DO $$ BEGIN DROP TABLE cups; END $$", "CALL tidy()", "MERGE INTO cups USING x"):
        assert not effect_of(sql).is_known


def test_a_time_is_guessed_from_size_and_rows(cups: Conn) -> None:
    one = planned(
        cups,
        "ALTER TABLE cups ALTER COLUMN made_at TYPE date;\n"
        "CREATE INDEX cups_by_color ON cups (color);\n"
        "UPDATE cups SET color = 'blue';\n"
        "ALTER TABLE cups ADD COLUMN note text;",
    )

    works = [[cost.work for cost in statement.costs] for statement in one.statements]
    assert works == [["rewrite"], ["index"], ["rows"], []]
    assert one.statements[2].costs[0].table.rows == 5000
    assert one.statements[2].seconds == 0.25
    assert one.seconds > one.statements[0].seconds > one.statements[1].seconds > 0


def test_a_lock_is_held_to_the_end_of_the_transaction(cups: Conn) -> None:
    sql = (
        "UPDATE shelves SET id = id; TRUNCATE shelves; UPDATE cups SET id = id;"
        " COMMENT ON TABLE shelves IS 'empty';"
    )

    def held(*, in_transaction: bool) -> dict[str, tuple[str, float]]:
        one = planned(cups, sql, in_transaction=in_transaction)
        return {lock.table.name: (lock.mode, seconds) for lock, seconds in one.held}

    together, apart = held(in_transaction=True), held(in_transaction=False)
    assert together["shelves"] == ("ACCESS EXCLUSIVE", 0.25)
    assert apart["shelves"] == ("ACCESS EXCLUSIVE", 0)
    assert together["cups"] == apart["cups"] == ("ROW EXCLUSIVE", 0.25)


def test_what_a_plan_makes_itself_is_in_nobodys_way(cups: Conn) -> None:
    one = planned(cups, "CREATE TABLE plates (id int);\nCREATE INDEX plates_by_id ON plates (id);")

    assert one.held == []
    assert one.seconds == 0


def test_an_index_that_an_earlier_migration_of_the_plan_makes_has_its_table(cups: Conn) -> None:
    first = migration("CREATE INDEX cups_by_color ON cups (color);")

    _, second = plan(cups, [first, migration("DROP INDEX cups_by_color;")])

    assert told(second.statements[0]) == {"cups": "ACCESS EXCLUSIVE"}
