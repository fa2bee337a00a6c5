"""A scene: an example whose rows are in Python too, where a model foresees what becomes of them.

Inside a transaction the database's now() stands still, so every time here is a timedelta from it:
`NOW` is exactly equal, and a comparison's boundary can be stood upon. What clock_timestamp() gives
is a little later; a model writes `CLOCK` there.
"""

import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Self, cast
from uuid import UUID

from psycopg.sql import SQL, Composed, Identifier
from psycopg.types.json import Json, Jsonb

from tests.sql.harness import Row, Session, Sql
from tests.sql.recorder import ALL, Call
from tests.sql.script import Insert

World = dict[str, dict[Any, Row]]
Model = Callable[..., Any]

NOW = timedelta(0)


class Within(timedelta):
    """A moment that the database chooses: equal to every one from `least` to `most`."""

    most: timedelta

    def __new__(cls, least: timedelta, most: timedelta) -> Self:
        moment = super().__new__(cls, seconds=0, microseconds=least // timedelta(microseconds=1))
        moment.most = most
        return moment

    def __eq__(self, other: object) -> bool:
        return isinstance(other, timedelta) and self <= other <= self.most

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return 0


class _Any:
    """Equal to whatever the database chose, as a number from its sequence."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "ANY"


# Until a test that is slow as well has ended.
_SOON = timedelta(minutes=2)
CLOCK = Within(timedelta(microseconds=1), _SOON)
ANY: Any = _Any()

# What names a row. Numbers from sequences do not.
_KEYS: dict[str, tuple[str, ...]] = {
    "users": ("id",),
    "user_sessions": ("id",),
    "generation_styles": ("id",),
    "uploads": ("id",),
    "generations": ("id",),
    "attempts": ("id",),
    "counters": ("name",),
    "purges": ("object_key",),
    "fal_purges": ("attempt_id", "request_id"),
    "fal_gate": ("is_only",),
    "fal_turns": ("user_id",),
    "installation": ("is_only",),
    "translations": ("prompt_hash", "model"),
    "deleted_generations": ("id",),
    "procrastinate_workers": ("id",),
    "procrastinate_jobs": ("id",),
    "procrastinate_events": ("id",),
}
_ALONE = ("fal_gate", "installation")
# Looked at after each scene, named by it or not: nothing there may change unforeseen.
WATCHED = (
    "generations",
    "attempts",
    "counters",
    "purges",
    "fal_purges",
    "fal_gate",
    "fal_turns",
    "procrastinate_jobs",
)
# Computed by PostgreSQL.
_LEFT_OUT = ("prompt_search",)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def soon_after(moment: timedelta) -> timedelta:
    """By clock_timestamp()."""
    return Within(moment, moment + _SOON)


def least(*values: Any) -> Any:
    """As SQL has it: nulls do not count."""
    return min((value for value in values if value is not None), default=None)


def greatest(*values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)


def in_order(rows: Iterable[Any], *, nulls_first: bool = False) -> list[Any]:
    """Tuples as ORDER BY puts them: nulls come last, or first."""
    return sorted(rows, key=lambda row: [_comparable(one, nulls_first) for one in row])


def _comparable(value: Any, nulls_first: bool) -> tuple[bool, Any]:  # noqa: FBT001
    return ((value is None) != nulls_first, 0 if value is None else value)


class Scene:
    """`world` is what the models have made of the rows so far."""

    def __init__(self, session: Session, tables: Mapping[str, Iterable[Row]]) -> None:
        self.session = session
        self.now = session.now
        names = (*WATCHED, *tables)
        self._names = tuple(dict.fromkeys(names))
        for name in sorted(tables, key=list(_KEYS).index):
            self._insert(name, list(tables[name]))
        self.world = self.seen()

    def ask(self, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        """Call a typed function of madar.db; times in its answer are counted from now."""
        return self.told(self.session.call(function, *args, **kwargs))

    def play(
        self, function: Callable[..., Awaitable[Any]], model: Model, *args: Any, **kwargs: Any
    ) -> Any:
        """Call it, and let the model foresee the answer and what becomes of the rows.

        The model is given what the query was given, by the names of its parameters. Answers what
        the function answered.
        """
        raw = self.session.call(function, *args, **kwargs)
        answer = self.told(raw)
        asked = self._last_call()
        query = ALL[asked.name]
        given = dict(zip(query.params, map(self.told, asked.arguments), strict=True))
        foreseen = _as_told(model(self.world, **given), answer)
        is_silent = answer is None and query.kind == "exec"
        assert is_silent or answer == foreseen, (
            f"{asked.name}({given}) answered {answer}, not {foreseen}"
        )
        return raw

    def check(self) -> None:
        """Whether everything is as the models foresaw, and nothing else has changed."""
        differences = list(_differences(self.world, self.seen()))
        assert not differences, "\n".join(differences)

    def seen(self) -> World:
        return {table: self._rows_of(table) for table in self._names}

    def add(self, table: str, rows: list[Row]) -> None:
        """More rows, before anything is foreseen."""
        self._insert(table, rows)
        self.world = self.seen()

    def at(self, moment: timedelta) -> datetime:
        return self.now + moment

    def _last_call(self) -> Call:
        return next(step for step in reversed(self.session.steps) if isinstance(step, Call))

    def _insert(self, table: str, rows: list[Row]) -> None:
        session = self.session
        if table in _ALONE:
            session.execute(f"DELETE FROM {table}")
        if not rows:
            return
        stored = [{name: self._stored(value) for name, value in row.items()} for row in rows]
        types = session.sql.columns[table]
        for row in stored:
            session.steps.append(Insert(table=table, row=_literals(types, row)))
        written = [{name: _plain(value) for name, value in row.items()} for row in stored]
        session.sql.run(session.conn.execute(_insertion(table, rows[0]), [Jsonb(written)]))

    def _stored(self, value: Any) -> Any:
        return self.now + value if isinstance(value, timedelta) else value

    def told(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return value - self.now
        if isinstance(value, Json | Jsonb):
            return value.obj
        if isinstance(value, list | tuple):
            return [self.told(one) for one in cast("list[Any]", value)]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            return {name: self.told(getattr(value, name)) for name in names}
        return value

    def _rows_of(self, table: str) -> dict[Any, Row]:
        if table not in _columns:
            known = self.session.sql.columns[table]
            _columns[table] = tuple(name for name in known if name not in _LEFT_OUT)
            _selections[table] = _selection(table).as_string().encode()
        found = self.session.sql.fetch(self.session.conn, _selections[table])
        rows = [{name: self.told(value) for name, value in row.items()} for row in found]
        return {key_of(table, row): row for row in rows}


_columns: dict[str, tuple[str, ...]] = {}
# Composed once: they are asked twice in each example.
_selections: dict[str, bytes] = {}


@contextlib.contextmanager
def scene(sql: Sql, **tables: Iterable[Row]) -> Generator[Scene]:
    """Checked at its end, and undone."""
    with sql.example() as session:
        played = Scene(session, tables)
        yield played
        played.check()


def key_of(table: str, row: Row) -> Any:
    if table == "procrastinate_jobs" and row["queueing_lock"]:
        return row["queueing_lock"], row["status"]
    parts: tuple[Any, ...] = tuple(row[name] for name in _KEYS[table])
    return parts[0] if len(parts) == 1 else parts


def put(world: World, table: str, **row: Any) -> Row:
    """A row that a model adds, with null in every column that is not named."""
    new = dict.fromkeys(_columns[table]) | row
    world[table][key_of(table, new)] = new
    return new


def _as_told(foreseen: Any, answer: Any) -> Any:
    """In the form of the answer: functions make sets, single values and booleans of rows."""
    if isinstance(answer, bool) and isinstance(foreseen, int):
        return foreseen > 0
    if isinstance(answer, set | list) and isinstance(foreseen, list):
        found = cast("list[Any]", foreseen)
        told = list(cast("Iterable[Any]", answer))
        is_bare = not any(isinstance(one, dict) for one in told)
        bare = [_only(one) for one in found] if is_bare else found
        return set(bare) if isinstance(answer, set) else bare
    return foreseen


def _only(row: Any) -> Any:
    return next(iter(cast("Row", row).values())) if isinstance(row, dict) else row


def _differences(foreseen: World, seen: World) -> Iterable[str]:
    for table, rows in foreseen.items():
        for key in rows.keys() | seen[table].keys():
            before, after = rows.get(key), seen[table].get(key)
            if before is None or after is None:
                yield f"{table} {key}: foreseen {before}, found {after}"
            elif before != after:
                changed = {
                    name: (before[name], after[name])
                    for name in after
                    if before[name] != after[name]
                }
                yield f"{table} {key}: foreseen and found {changed}"


def _selection(table: str) -> Composed:
    listed = SQL(", ").join(map(Identifier, _columns[table]))
    return SQL("SELECT {} FROM {}").format(listed, Identifier(table))


def _insertion(table: str, row: Row) -> Composed:
    columns = SQL(", ").join(map(Identifier, row))
    return SQL(
        "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
        " SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s)"
    ).format(table=Identifier(table), columns=columns)


def _literals(types: dict[str, str], row: Row) -> Row:
    return {
        name: Jsonb(value) if types[name] == "jsonb" and value is not None else value
        for name, value in row.items()
    }


def _plain(value: Any) -> Any:
    """As it stands in JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value
