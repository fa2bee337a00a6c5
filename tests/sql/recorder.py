"""What the queries were asked while a property ran, and what came back.

A property calls the typed functions of madar.db as the product does. Whatever they send passes
here, which is how the register (register.py) knows that a query was really run and found something,
how a failing example is written down (script.py), and how a NULL that a row does not announce, or
an argument of another type than the column's, is seen the first time it happens (types.py).
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, AsyncRawCursor

from madar.db.sql import QUERIES, Queries, Query, load

ALL = {
    f"{path.stem}.{name}": query
    for path in sorted(QUERIES.glob("*.sql"))
    for name, query in load(path).items()
}
_NAMES = {id(query): name for name, query in ALL.items()}

Answer = AsyncRawCursor[Any]
Watcher = Callable[[str, list[Any], Answer], None]


@dataclass(frozen=True, kw_only=True)
class Call:
    """`came_of_it`: how many rows, or the error's name. `session` is the server's process."""

    name: str
    arguments: list[Any]
    session: int
    came_of_it: str


@dataclass
class Recorder:
    """`touched` counts, by query, the rows that it found or changed during the test.

    `pages` are the scripts of the examples under way.
    """

    touched: Counter[str] = field(default_factory=Counter[str])
    asked: Counter[str] = field(default_factory=Counter[str])
    watchers: list[Watcher] = field(default_factory=list[Watcher])
    pages: list[list[Any]] = field(default_factory=list[list[Any]])

    def forget(self) -> None:
        self.touched.clear()
        self.asked.clear()

    def note(self, name: str, arguments: list[Any], conn: AsyncConnection[Any]) -> "_Noting":
        return _Noting(self, name, arguments, conn.info.backend_pid)

    def write(self, call: Call) -> None:
        for page in self.pages:
            page.append(call)


class _Noting:
    """A call that is under way; it is written down when it ends, however it ends."""

    def __init__(self, recorder: Recorder, name: str, arguments: list[Any], session: int) -> None:
        self._recorder = recorder
        self._name = name
        self._arguments = arguments
        self._session = session

    def answered(self, cursor: Answer, *, is_watched: bool = True) -> None:
        rows = max(cursor.rowcount, 0)
        self._recorder.asked[self._name] += 1
        self._recorder.touched[self._name] += rows
        self._write(f"{rows} rows")
        for watch in self._recorder.watchers if is_watched else ():
            watch(self._name, self._arguments, cursor)

    def failed(self, error: psycopg.Error) -> None:
        self._recorder.asked[self._name] += 1
        self._write(f"{type(error).__name__}: {error}".splitlines()[0])

    def _write(self, came_of_it: str) -> None:
        call = Call(
            name=self._name,
            arguments=self._arguments,
            session=self._session,
            came_of_it=came_of_it,
        )
        self._recorder.write(call)


recorder = Recorder()


@contextlib.contextmanager
def recording() -> Generator[None]:
    """Everything that runs inside is seen; nothing that runs is another for it."""
    sending = Queries._execute  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    async def execute(
        self: Queries, conn: AsyncConnection[Any], name: str, factory: Any, given: dict[str, Any]
    ) -> Answer:
        query = _query_of(self, name)
        noting = recorder.note(_NAMES[id(query)], query.arguments(given), conn)
        try:
            cursor = await sending(self, conn, name, factory, given)
        except psycopg.Error as error:
            noting.failed(error)
            raise
        noting.answered(cursor)
        return cursor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Queries, "_execute", execute)
        yield


def _query_of(queries: Queries, name: str) -> Query:
    return queries._queries[name]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
