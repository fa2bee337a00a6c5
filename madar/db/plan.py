"""What the pending migrations would do here: which locks on what is there, and about how long.

As in migrate.py, the few statements stand here: there may be no schema yet.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import LiteralString

from madar.db.migrate import Connection, Migration
from madar.db.statements import (
    Effect,
    Kind,
    Lock,
    Mode,
    Work,
    effect_of,
    statements_of,
    strength,
)

# Cautious guesses for a small machine with its disk on the network; they tell seconds from hours.
BYTES_PER_S: dict[Work, float] = {"scan": 200e6, "index": 50e6, "rewrite": 25e6}
ROWS_PER_S = 20_000  # changed
_ALSO_LOCKED: dict[Kind, LiteralString] = {
    "index": "SELECT indrelid::regclass::text FROM pg_index WHERE indexrelid = to_regclass(%s)",
    "dropped": "SELECT confrelid::regclass::text FROM pg_constraint"
    " WHERE contype = 'f' AND conrelid = to_regclass(%s)",
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """As the statistics have it; rows are None where nobody has counted them yet."""

    name: str
    bytes: int
    rows: int | None


@dataclass(frozen=True, kw_only=True)
class Held:
    mode: Mode
    table: Table


@dataclass(frozen=True, kw_only=True)
class Cost:
    work: Work
    table: Table

    @property
    def seconds(self) -> float:
        if self.work == "rows":
            return (self.table.rows or 0) / ROWS_PER_S
        return self.table.bytes / BYTES_PER_S[self.work]


@dataclass(frozen=True, kw_only=True)
class PlannedStatement:
    """Locks and costs are of what is there already; not `is_known`: look for yourself."""

    sql: str
    locks: tuple[Held, ...]
    costs: tuple[Cost, ...]
    is_known: bool

    @property
    def seconds(self) -> float:
        return sum(cost.seconds for cost in self.costs)


@dataclass(frozen=True, kw_only=True)
class PlannedMigration:
    migration: Migration
    statements: tuple[PlannedStatement, ...]

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.statements)

    @property
    def held(self) -> list[tuple[Held, float]]:
        """The strongest lock on each table, and for how long: in a transaction, to its end."""
        taken = [
            (lock, self._seconds_from(number))
            for number, one in enumerate(self.statements)
            for lock in one.locks
        ]
        # The strongest come last, and of these the longest.
        taken.sort(key=lambda one: (strength(one[0].mode), one[1]))
        return list({lock.table.name: (lock, seconds) for lock, seconds in taken}.values())

    def _seconds_from(self, number: int) -> float:
        """How long what this statement takes is held."""
        is_whole = self.migration.in_transaction
        lasting = self.statements[number:] if is_whole else self.statements[number : number + 1]
        return sum(one.seconds for one in lasting)


def plan(conn: Connection, migrations: Iterable[Migration]) -> list[PlannedMigration]:
    """Reads the catalogue and changes nothing."""
    made: dict[str, str] = {}
    planned: list[PlannedMigration] = []
    for migration in migrations:
        statements: list[PlannedStatement] = []
        for sql in statements_of(migration.sql):
            effect = effect_of(sql)
            if effect.makes:
                made.setdefault(*effect.makes)
            statements.append(_planned(conn, sql, effect, made))
        planned.append(PlannedMigration(migration=migration, statements=tuple(statements)))
    return planned


def _planned(conn: Connection, sql: str, effect: Effect, made: dict[str, str]) -> PlannedStatement:
    locks: dict[str, Held] = {}
    for lock in effect.locks:
        for name in _tables_of(conn, lock, made):
            table = _table(conn, name)
            if table and (
                table.name not in locks or strength(locks[table.name].mode) < strength(lock.mode)
            ):
                locks[table.name] = Held(mode=lock.mode, table=table)
    costs = [
        Cost(work=reading.work, table=table)
        for reading in effect.readings
        if (table := _table(conn, reading.of))
    ]
    return PlannedStatement(
        sql=sql, locks=tuple(locks.values()), costs=tuple(costs), is_known=effect.is_known
    )


def _tables_of(conn: Connection, lock: Lock, made: dict[str, str]) -> list[str]:
    """An index is locked with its table, a dropped table with those that it refers to."""
    query = _ALSO_LOCKED.get(lock.kind)
    found = [name for (name,) in conn.execute(query, [lock.of])] if query else []
    if lock.kind == "index":
        return found or ([made[lock.of]] if lock.of in made else [])
    return [lock.of, *found]


def _table(conn: Connection, name: str) -> Table | None:
    """None: it is not there yet, so nobody can be in its way."""
    row = conn.execute(
        "SELECT c.oid::regclass::text, pg_total_relation_size(c.oid), c.reltuples::bigint"
        "  FROM pg_class c WHERE c.oid = to_regclass(%s)",
        [name],
    ).fetchone()
    if row is None:
        return None
    found, size, rows = row
    return Table(name=found, bytes=size, rows=None if rows < 0 else rows)
