"""Named queries from sql/queries: load them once, run them by name.

A file holds queries, each under a header:

    -- name: list_images(owner_id, n) many
    -- Newest first.
    SELECT … WHERE owner_id = $1 LIMIT $2;

The kinds are `one`, `maybe` and `many` (typed rows), `value` (the first column of the first
row, or None), `json` (the same as the server's bytes, for JSON built in SQL) and `exec` (how
many rows changed). The text goes to the server unchanged: paste it into psql, or PREPARE it.

A query whose best plan depends on what it is given says `-- plan: each time` in its comment. It is
never prepared, so a filter that is null costs nothing and a rare word is known to be rare.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

from psycopg import AsyncConnection, AsyncRawCursor, OperationalError
from psycopg.rows import AsyncRowFactory, class_row, tuple_row

from madar.settings import ROOT

QUERIES = ROOT / "sql" / "queries"
# The server ends a statement after 5 s (pool.py). A server that says nothing at all is not there.
ANSWER_WITHIN_S = 10
KINDS = ("one", "maybe", "many", "value", "json", "exec")

Connection = AsyncConnection[Any]
Row = TypeVar("Row")

_HEADER = re.compile(r"^-- name: (\w+)\(([\w, ]*)\) (\w+)\n", re.MULTILINE)
_EACH_TIME = re.compile(r"^-- plan: each time$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\$(\d+)")


@dataclass(frozen=True, kw_only=True)
class Query:
    """One named query; `params` stand in the order of its placeholders."""

    name: str
    params: tuple[str, ...]
    kind: str
    sql: bytes
    is_planned_each_time: bool

    def arguments(self, given: dict[str, Any]) -> list[Any]:
        """Raises TypeError when a parameter is missing or unknown."""
        if given.keys() != set(self.params):
            raise TypeError(f"{self.name} takes {self.params}, not {tuple(given)}")
        return [given[name] for name in self.params]


class Sharing(Protocol):
    """A connection that many may ask at once (pipeline.py)."""

    async def maybe(self, query: Query, row: type[Row], arguments: list[Any]) -> Row | None: ...


Source = Connection | Sharing


class Queries:
    """The queries of one file, called by name with their parameters as keywords."""

    def __init__(self, aggregate: str) -> None:
        self._queries = load(QUERIES / f"{aggregate}.sql")

    async def one(self, conn: Source, name: str, row: type[Row], **given: Any) -> Row:
        """The row that is certainly there."""
        found = await self.maybe(conn, name, row, **given)
        assert found is not None, f"{name} found no row"
        return found

    async def maybe(self, conn: Source, name: str, row: type[Row], **given: Any) -> Row | None:
        if not isinstance(conn, AsyncConnection):
            query = self._queries[name]
            return await conn.maybe(query, row, query.arguments(given))
        cursor = await self._execute(conn, name, class_row(row), given)
        return await cursor.fetchone()

    async def many(self, conn: Connection, name: str, row: type[Row], **given: Any) -> list[Row]:
        cursor = await self._execute(conn, name, class_row(row), given)
        return await cursor.fetchall()

    async def value(self, conn: Connection, name: str, **given: Any) -> Any:
        cursor = await self._execute(conn, name, tuple_row, given)
        found = await cursor.fetchone()
        return found[0] if found else None

    async def json(self, conn: Connection, name: str, **given: Any) -> bytes | None:
        """The text of the first column as the server sent it; None for no row and for NULL."""
        cursor = await self._execute(conn, name, tuple_row, given)
        result = cursor.pgresult
        assert result is not None
        return result.get_value(0, 0) if result.ntuples else None

    async def exec(self, conn: Connection, name: str, **given: Any) -> int:
        cursor = await self._execute(conn, name, tuple_row, given)
        return cursor.rowcount

    async def _execute(
        self, conn: Connection, name: str, row_factory: AsyncRowFactory[Row], given: dict[str, Any]
    ) -> AsyncRawCursor[Row]:
        query = self._queries[name]
        cursor = AsyncRawCursor(conn, row_factory=row_factory)
        prepare = False if query.is_planned_each_time else None
        arguments = query.arguments(given)
        limit = asyncio.timeout(ANSWER_WITHIN_S)
        try:
            async with limit:
                await cursor.execute(query.sql, arguments, prepare=prepare)
        except TimeoutError:
            if not limit.expired():
                raise
            raise OperationalError(f"{name}: no answer within {ANSWER_WITHIN_S} s") from None
        return cursor


def array_of(values: Iterable[UUID | int]) -> str:
    """As PostgreSQL reads it. For thousands: psycopg would take five times as long over a list."""
    written = [one.hex if isinstance(one, UUID) else str(one) for one in values]
    return "{" + ",".join(written) + "}"


@cache
def load(path: Path) -> dict[str, Query]:
    """Parse a query file; a malformed one is a bug and stops the start."""
    text = path.read_text(encoding="utf-8")
    headers = list(_HEADER.finditer(text))
    ends = [header.start() for header in headers[1:]] + [len(text)]
    queries: dict[str, Query] = {}
    for header, end in zip(headers, ends, strict=True):
        name, params, kind = header.groups()
        sql = text[header.end() : end].strip().removesuffix(";")
        assert kind in KINDS, f"{path.name}: {name} has no kind"
        assert name not in queries, f"{path.name}: {name} stands twice"
        names = tuple(params.replace(",", " ").split())
        used = {int(number) for number in _PLACEHOLDER.findall(sql)}
        assert used == set(range(1, len(names) + 1)), f"{path.name}: {name} misses a placeholder"
        queries[name] = Query(
            name=name,
            params=names,
            kind=kind,
            sql=sql.encode(),
            is_planned_each_time=_EACH_TIME.search(sql) is not None,
        )
    return queries
