"""What a query touches, as EXPLAIN tells it: with a plan of its own, or one for any values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, LiteralString, cast

import psycopg
from psycopg.sql import SQL
from psycopg.sql import Literal as Quoted

from tests.sql.asked import Case

Conn = psycopg.Connection[Any]
# Psycopg prepares what it has sent five times, and five uses later the server may go by a plan that
# is good for any values; so both have to be.
Planning = Literal["custom", "generic"]
PLANNINGS: tuple[Planning, ...] = ("custom", "generic")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Pages of 8 KiB that were looked at, in memory or not, and what else the plan tells.

    What triggers and the checks of foreign keys touch is not in it.
    """

    buffers: int
    ms: float
    rows: int
    read_through: frozenset[str]  # tables that were read from end to end


def cost_of(conn: Conn, case: Case, planning: Planning) -> Cost:
    """The lesser of two runs, as the first one of a session reads catalogues too; both undone."""
    plans = [_explained(conn, case, planning) for _ in range(2)]
    best = min(plans, key=lambda plan: _buffers(plan["Plan"]))
    return Cost(
        buffers=_buffers(best["Plan"]),
        ms=min(plan["Execution Time"] for plan in plans),
        rows=round(best["Plan"]["Actual Rows"]),
        read_through=frozenset(_read_through(best["Plan"])),
    )


def plannings_of(case: Case) -> tuple[Planning, ...]:
    return ("custom",) if case.query.is_planned_each_time else PLANNINGS


def _explained(conn: Conn, case: Case, planning: Planning) -> dict[str, Any]:
    given = SQL(", ").join(Quoted(text) for text in case.arguments)
    words = SQL("({})").format(given) if case.arguments else SQL("")
    conn.execute("DEALLOCATE ALL")
    with conn.transaction(force_rollback=True):
        conn.execute(f"SET LOCAL plan_cache_mode = force_{planning}_plan")
        conn.execute(cast("LiteralString", f"PREPARE asked AS {_bare(case)}"))
        asked = SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked") + words
        row = conn.execute(asked).fetchone()
        assert row
        return row[0][0]


def _bare(case: Case) -> str:
    return re.sub(r"^--.*$", "", case.query.sql.decode(), flags=re.MULTILINE).strip().rstrip(";")


def _buffers(node: dict[str, Any]) -> int:
    return sum(node.get(f"Shared {kind} Blocks", 0) for kind in ("Hit", "Read"))


def _read_through(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] in {"Seq Scan", "Sample Scan"} and node["Actual Loops"]:
        yield node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from _read_through(below)
