"""sql/schema.sql, which people read, and the migrations, which make it."""

import importlib.resources
import re
from typing import Any, get_args

import psycopg

from madar.domain.generations import AspectRatio, AttemptState, InputType, State, Step
from madar.local import postgres
from madar.local.schema import SCHEMA, dump_schema

_PART = re.compile(r"^--\n-- Name: (?P<name>.*?); Type: .*\n--\n", re.MULTILINE)


def parts_of(dump: str) -> dict[str, str]:
    """Each object's statements, under its heading."""
    dump = dump.partition("--\n-- PostgreSQL database dump complete")[0]
    found = list(_PART.finditer(dump))
    ends = [match.start() for match in found[1:]] + [len(dump)]
    return {
        match[0]: dump[match.end() : end].strip() for match, end in zip(found, ends, strict=True)
    }


def test_the_schema_file_is_what_the_migrations_make(dsn: str) -> None:
    written = SCHEMA.read_text(encoding="utf-8")

    assert dump_schema(dsn) == written, "run: python -m madar.local.schema"


def test_the_queues_part_is_the_librarys_own_but_for_one_trigger(
    postgres_server: postgres.Server, dsn: str
) -> None:
    bare = postgres_server.create_database("bare_procrastinate")
    library = importlib.resources.files("procrastinate") / "sql" / "schema.sql"
    with psycopg.connect(bare, autocommit=True) as conn:
        conn.execute(library.read_text(encoding="utf-8").encode())
    theirs = parts_of(dump_schema(bare))

    ours = {head: body for head, body in parts_of(dump_schema(dsn)).items() if head in theirs}

    trigger = "procrastinate_jobs_notify_queue_job_inserted_v1"
    differing = [head for head, body in theirs.items() if ours[head] != body]
    assert len(differing) == 1
    assert trigger in differing[0]
    assert ours[differing[0]] == (
        f"{theirs[differing[0]]}\n\n"
        f"ALTER TABLE public.procrastinate_jobs DISABLE TRIGGER {trigger};"
    )


def test_states_in_the_database_are_those_of_the_code(conn: psycopg.Connection[Any]) -> None:
    known: dict[str, Any] = {
        "generations_state_known": State,
        "generations_step_known": Step,
        "generations_input_known": InputType,
        "generations_ratio_known": AspectRatio,
        "attempts_state_known": AttemptState,
    }
    rows = conn.execute("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint").fetchall()
    constraints: dict[str, str] = dict(rows)

    for name, words in known.items():
        assert set(re.findall(r"'([^']+)'", constraints[name])) == set(get_args(words)), name
