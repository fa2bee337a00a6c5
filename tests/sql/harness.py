"""A database for properties: rows in, typed functions called, all of it undone after each example.

    def test_…(sql: Sql, person: Row) -> None:
        with sql.example() as db:
            amal = db.add("users", person)
            found = db.call(users.get_person, id=amal["id"])

An example is one transaction that is rolled back, so `now()` is the same in all of it: `db.now`.
Rows are dicts by column; a timedelta in a column for a time is counted from `db.now`. What has to
commit, or takes more than one connection, is for `sql.committed`.
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any, Concatenate, Generic, LiteralString, ParamSpec, TypeVar, cast

import psycopg
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.pq.abc import PGresult
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier, Literal
from psycopg.types.json import Jsonb

from madar.db.copying import SEEDED
from tests.sql.recorder import ALL, recorder
from tests.sql.register import examples, profile
from tests.sql.script import Insert, Statement, Step, literal, script_of

Conn = AsyncConnection[Any]
Row = dict[str, Any]
Given = ParamSpec("Given")
Result = TypeVar("Result")

DEADLINE_S = 10
WITHOUT_INDEXES = (
    *(f"SET LOCAL enable_{scan} = off" for scan in ("indexscan", "indexonlyscan", "bitmapscan")),
    "SET LOCAL plan_cache_mode = force_custom_plan",
)
_COLUMNS = """
SELECT c.relname, a.attname, t.typname, a.atthasdef,
       coalesce(a.attnum = ANY (i.indkey), false) AS is_key
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
 WHERE c.relkind = 'r'
   AND c.relnamespace = 'public'::regnamespace
   AND c.relname NOT IN ('schema_migrations', 'procrastinate_periodic_defers')
 ORDER BY c.relname, a.attnum
"""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What became of a table's rows, by their primary key.

    `changed` has of each only the columns that are not what they were.
    """

    added: dict[Any, Row]
    gone: dict[Any, Row]
    changed: dict[Any, Row]

    @property
    def is_none(self) -> bool:
        return not (self.added or self.gone or self.changed)


@dataclass
class Session:
    """One connection of an example."""

    sql: "Sql"
    conn: Conn
    now: datetime
    steps: list[Step]

    def call(
        self,
        function: Callable[Concatenate[Conn, Given], Awaitable[Result]],
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Result:
        """A typed function of madar.db, on this connection."""
        return self.sql.run(function(self.conn, *args, **kwargs))

    def ask(self, name: str, **given: Any) -> str:
        """Any query by its name, past its typed function; answers all that came, as one text."""
        query = ALL[name]
        noting = recorder.note(name, query.arguments(given), self.conn)
        cursor = AsyncRawCursor(self.conn)
        try:
            self.sql.run(cursor.execute(query.sql, query.arguments(given)))
        except psycopg.Error as error:
            noting.failed(error)
            raise
        noting.answered(cursor, is_watched=False)
        return _text_of(cursor.pgresult)

    def start(
        self,
        function: Callable[Concatenate[Conn, Given], Coroutine[Any, Any, Result]],
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> "Pending[Result]":
        """The same without waiting for its end: it may have to wait for another session."""
        return Pending(self, self.sql.loop.create_task(function(self.conn, *args, **kwargs)))

    def add(self, table: str, *rows: Row) -> Any:
        """Insert them; answers what was given, with times in the place of timedeltas.

        One row for one, a list for several.
        """
        added = [self._add(table, row) for row in rows]
        return added[0] if len(added) == 1 else added

    def _add(self, table: str, row: Row) -> Row:
        types = self.sql.columns[table]
        row = {name: self._timed(types[name], value) for name, value in row.items()}
        said = {
            name: _stored(types[name], value)
            for name, value in row.items()
            if value is not None or (table, name) in self.sql.defaults
        }
        statement = SQL("INSERT INTO {} ({}) VALUES ({})").format(
            Identifier(table),
            SQL(", ").join(map(Identifier, said)),
            SQL(", ").join(SQL("%s") * len(said)),
        )
        self.steps.append(Insert(table=table, row=said))
        self.sql.run(self.conn.execute(statement, list(said.values())))
        return row

    def _timed(self, type_name: str, value: Any) -> Any:
        is_offset = type_name == "timestamptz" and isinstance(value, timedelta)
        return self.now + value if is_offset else value

    def rows(self, table: str, **where: Any) -> list[Row]:
        """Whole rows as they are in the table; in no order."""
        condition = SQL(" AND ").join(
            SQL("{} = {}").format(Identifier(name), Literal(value)) for name, value in where.items()
        )
        statement = SQL("SELECT * FROM {} WHERE {}").format(
            Identifier(table), condition if where else SQL("true")
        )
        return self.sql.fetch(self.conn, statement)

    def row(self, table: str, **where: Any) -> Row:
        [found] = self.rows(table, **where)
        return found

    @contextlib.contextmanager
    def changes(self, *tables: str) -> Generator[dict[str, Change]]:
        """What happens inside to the rows of each, told afterwards."""
        told: dict[str, Change] = {}
        before = {table: self._by_key(table) for table in tables}
        yield told
        told |= {table: _change(before[table], self._by_key(table)) for table in tables}

    def _by_key(self, table: str) -> dict[Any, Row]:
        key = itemgetter(*self.sql.keys[table])
        return {key(row): row for row in self.rows(table)}

    def execute(self, statement: str, *values: Any) -> list[Row]:
        """Any other statement, with $1 for the first value; it stands in the script too."""
        text = statement
        for number in range(len(values), 0, -1):
            text = text.replace(f"${number}", literal(values[number - 1], self.now))
        self.steps.append(Statement(text=text))
        return self.sql.fetch(self.conn, SQL(cast("LiteralString", text)))

    def execute_all(self, *statements: str) -> None:
        """Several of which nothing comes, at once."""
        self.steps += [Statement(text=text) for text in statements]
        _do(self.conn, "; ".join(statements))

    def without_indexes(self) -> None:
        """Until the example ends: rows come as they lie, and no order is owed to an index."""
        self.execute_all(*WITHOUT_INDEXES)

    def pass_time(self, **how_long: float) -> None:
        """Let hours or days pass by moving every time in the database back."""
        by = f"interval '{timedelta(**how_long).total_seconds():.6f} s'"
        self.execute_all(*(text.format(by=by) for text in self.sql.shifts))

    @contextlib.contextmanager
    def savepoint(self) -> Generator[None]:
        """What happens inside is undone, and an error in it leaves the example whole."""
        self._do("SAVEPOINT inside")
        try:
            yield
        finally:
            self._do("ROLLBACK TO SAVEPOINT inside")

    def begin(self) -> None:
        self._do("BEGIN")
        self.read_clock()

    def commit(self) -> None:
        self._do("COMMIT")

    def rollback(self) -> None:
        self._do("ROLLBACK")

    def read_clock(self) -> datetime:
        """`now` is that of the transaction, or of this moment where there is none."""
        [found] = self.sql.fetch(self.conn, SQL("SELECT now() AS now"))
        self.now = found["now"]
        return self.now

    def _do(self, command: str) -> None:
        self.steps.append(Statement(text=command))
        _do(self.conn, command)


def _change(before: dict[Any, Row], after: dict[Any, Row]) -> Change:
    both = before.keys() & after.keys()
    differing = {key: _differing(before[key], after[key]) for key in both}
    return Change(
        added={key: row for key, row in after.items() if key not in before},
        gone={key: row for key, row in before.items() if key not in after},
        changed={key: row for key, row in differing.items() if row},
    )


def _differing(before: Row, after: Row) -> Row:
    return {name: value for name, value in after.items() if value != before[name]}


@dataclass
class Pending(Generic[Result]):
    """A call that was started."""

    session: Session
    task: "asyncio.Task[Result]"

    def is_waiting(self) -> bool:
        """Whether it waits for a lock; else it has ended. Answers as soon as either is so."""
        return self.session.sql.run(self._waits())

    async def _waits(self) -> bool:
        pid = self.session.conn.info.backend_pid
        async with asyncio.timeout(DEADLINE_S):
            while not self.task.done():
                cursor = await self.session.sql.conn.execute(
                    "SELECT cardinality(pg_blocking_pids(%s)) > 0", [pid]
                )
                [(is_blocked,)] = await cursor.fetchall()
                if is_blocked:
                    return True
                await asyncio.wait({self.task}, timeout=0.002)
        return False

    def result(self) -> Result:
        return self.session.sql.run(asyncio.wait_for(self.task, DEADLINE_S))


@dataclass(kw_only=True)
class Sql:
    """The database of one test process."""

    dsn: str
    runner: asyncio.Runner
    conn: Conn
    columns: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    shifts: list[str] = field(default_factory=list[str])
    keys: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    defaults: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    others: list[Conn] = field(default_factory=list[Conn])

    def _repr_pretty_(self, printer: Any, _is_cycle: bool) -> None:  # noqa: FBT001
        """What hypothesis prints of it."""
        printer.text("sql")

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self.runner.get_loop()

    def run(self, awaitable: Awaitable[Result]) -> Result:
        return self.loop.run_until_complete(awaitable)

    def fetch(self, conn: Conn, statement: Any, values: Sequence[Any] = ()) -> list[Row]:
        return self.run(_fetch(conn, statement, values))

    @contextlib.contextmanager
    def example(self) -> Generator[Session]:
        """One example: a transaction that is rolled back. A failure tells its script."""
        session = self.open()
        try:
            yield session
        finally:
            self.close(session)

    def open(self) -> Session:
        """For a state machine, which has no `with`; `close` belongs into its teardown."""
        _do(self.conn, "BEGIN")
        session = self._session(self.conn, [])
        recorder.pages.append(session.steps)
        return session

    def close(self, session: Session) -> None:
        """Also on the way out of an error, which is told what led to it."""
        recorder.pages.remove(session.steps)
        _do(self.conn, "ROLLBACK")
        _explain(sys.exc_info()[1], session.steps, session.now)

    @contextlib.contextmanager
    def committed(self, sessions: int = 1) -> Generator[list[Session]]:
        """Sessions that commit; afterwards the database is as it was."""
        opened = self.open_committed(sessions)
        try:
            yield opened
        finally:
            self.close_committed(opened)

    def open_committed(self, sessions: int) -> list[Session]:
        while len(self.others) < sessions:
            self.others.append(self.run(connect(self.dsn)))
        steps: list[Step] = []
        opened = [self._session(conn, steps) for conn in self.others[:sessions]]
        recorder.pages.append(steps)
        return opened

    def close_committed(self, sessions: list[Session]) -> None:
        recorder.pages.remove(sessions[0].steps)
        for session in sessions:
            _do(session.conn, "ROLLBACK")
        self._clean()
        _explain(sys.exc_info()[1], sessions[0].steps, sessions[0].now)

    def _session(self, conn: Conn, steps: list[Step]) -> Session:
        [found] = self.fetch(conn, SQL("SELECT now() AS now"))
        return Session(self, conn, found["now"], steps)

    def check(self, machine: Callable[["Sql"], RuleBasedStateMachine], share: float = 1) -> None:
        """Run a state machine, which is made with this."""
        factory: Any = partial(machine, self)
        run_state_machine_as_test(
            factory, settings=settings(profile(), max_examples=examples(share))
        )

    def _clean(self) -> None:
        """Without triggers and checks of references: what is there is all to go."""
        emptied = [f"DELETE FROM {table}" for table in self.columns]
        filled = [f"INSERT INTO {table} SELECT * FROM pg_temp.{table}_kept" for table in SEEDED]
        role = "SET session_replication_role = "
        _do(self.conn, "; ".join([f"{role}replica", *emptied, *filled, f"{role}origin"]))


class Story(RuleBasedStateMachine):
    """A state machine whose run is one example: rules call `self.db`, a model knows better."""

    def __init__(self, sql: Sql) -> None:
        super().__init__()
        self.sql = sql
        self.db = sql.open()

    def teardown(self) -> None:
        self.sql.close(self.db)


async def connect(dsn: str) -> Conn:
    return await Conn.connect(dsn, autocommit=True, options="-c timezone=UTC -c lock_timeout=2s")


@contextlib.contextmanager
def opened(dsn: str) -> Generator[Sql]:
    with asyncio.Runner() as runner:
        conn = runner.run(connect(dsn))
        sql = Sql(dsn=dsn, runner=runner, conn=conn)
        for found in sql.fetch(conn, SQL(_COLUMNS)):
            table, column = found["relname"], found["attname"]
            sql.columns.setdefault(table, {})[column] = found["typname"]
            if found["atthasdef"]:
                sql.defaults.add((table, column))
            if found["is_key"]:
                sql.keys.setdefault(table, []).append(column)
        sql.shifts += [_shift(name, types) for name, types in sql.columns.items() if _times(types)]
        for table in SEEDED:
            _do(conn, f"CREATE TEMP TABLE {table}_kept AS TABLE public.{table}")
        yield sql
        for one in [conn, *sql.others]:
            runner.run(one.close())


def _times(types: dict[str, str]) -> list[str]:
    return [name for name, type_name in types.items() if type_name == "timestamptz"]


def _shift(table: str, types: dict[str, str]) -> str:
    moved = ", ".join(f"{name} = {name} - {{by}}" for name in _times(types))
    return f"UPDATE {table} SET {moved}"


async def _fetch(conn: Conn, statement: Any, values: Sequence[Any]) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values or None)
        return await cursor.fetchall() if cursor.description else []


def _text_of(result: PGresult | None) -> str:
    assert result
    cells = [
        result.get_value(row, column) or b""
        for row in range(result.ntuples)
        for column in range(result.nfields)
    ]
    return b" ".join(cells).decode()


def _stored(type_name: str, value: Any) -> Any:
    return Jsonb(value) if type_name in {"json", "jsonb"} and value is not None else value


def _do(conn: Conn, command: str) -> None:
    """Past psycopg, which would forget its prepared statements with each ROLLBACK."""
    result = conn.pgconn.exec_(command.encode())
    if result.error_message:
        raise psycopg.errors.error_from_result(result)


def _explain(error: BaseException | None, steps: list[Step], now: datetime) -> None:
    if isinstance(error, AssertionError | psycopg.Error | TypeError):
        error.add_note(script_of(steps, now=now))
