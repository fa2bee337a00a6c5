"""A failing example as a script for psql: the rows it began with, then each call, in order."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.sql import Literal
from psycopg.types.json import Json, Jsonb

from tests.sql.recorder import ALL, Call

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")


@dataclass(frozen=True, kw_only=True)
class Insert:
    table: str
    row: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Statement:
    text: str


Step = Call | Insert | Statement


def script_of(steps: Sequence[Step], *, now: datetime) -> str:
    """Times are told from `now()`, so that it fails again whenever it is run."""
    sessions = list(dict.fromkeys(step.session for step in steps if isinstance(step, Call)))
    is_one = len(sessions) <= 1
    lines = ["-- psql -f this.sql, on a migrated database; nothing of it stays.", "BEGIN;"]
    if not is_one:
        lines = [f"-- {len(sessions)} sessions that commit, each in a psql of its own."]
    prepared: set[str] = set()
    for step in steps:
        match step:
            case Insert():
                lines.append(_insert(step, now))
            case Statement():
                lines.append(f"{step.text};")
            case Call():
                if step.name not in prepared:
                    lines.append(f'PREPARE "{step.name}" AS\n{ALL[step.name].sql.decode()};')
                    prepared.add(step.name)
                where = "" if is_one else f"session {sessions.index(step.session) + 1}, "
                lines.append(f"{_execute(step, now)}  -- {where}{step.came_of_it}")
    return "\n".join([*lines, "ROLLBACK;"] if is_one else lines)


def _insert(step: Insert, now: datetime) -> str:
    columns = ", ".join(step.row)
    values = ", ".join(literal(value, now) for value in step.row.values())
    return f"INSERT INTO {step.table} ({columns}) VALUES ({values});"


def _execute(call: Call, now: datetime) -> str:
    values = ", ".join(literal(value, now) for value in call.arguments)
    return f'EXECUTE "{call.name}"' + (f" ({values});" if values else ";")


def literal(value: Any, now: datetime) -> str:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return f"({literal(datetime.fromisoformat(value), now)})::text"
    if isinstance(value, datetime):
        seconds = (value - now).total_seconds()
        exact = f"{seconds:.6f}".rstrip("0").rstrip(".")
        return f"now() + interval '{exact} s'" if seconds else "now()"
    if isinstance(value, bytes):
        return rf"'\x{value.hex()}'::bytea"
    if isinstance(value, Json | Jsonb):
        return Literal(json.dumps(value.obj, ensure_ascii=False)).as_string() + "::jsonb"
    return Literal(value).as_string()
