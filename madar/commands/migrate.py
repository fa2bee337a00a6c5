"""`madar migrate`: what would change in the database, changing it, and what has changed."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from typing import TYPE_CHECKING, Any

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import json_option, talk
from madar.commands.words import age
from madar.local.state import State, as_text

if TYPE_CHECKING:
    from madar.db.plan import Cost, Held, PlannedMigration, PlannedStatement, Table

# What waits for whom.
WAITING = {
    "ROW EXCLUSIVE": "only the rows it changes wait",
    "SHARE UPDATE EXCLUSIVE": "reads and writes go on",
    "SHARE": "reads go on, writes wait",
    "SHARE ROW EXCLUSIVE": "reads go on, writes wait",
    "ACCESS EXCLUSIVE": "reads and writes wait",
}
WORKS = {
    "scan": "reads all of it",
    "index": "makes an index",
    "rewrite": "writes all of it anew, with its indexes",
    "rows": "may change all of its rows",
}


@click.group(epilog="Example: madar migrate plan")
def migrate() -> None:
    """Plan, apply and list database migrations.

    They go to DATABASE_DIRECT_URL or DATABASE_URL, or to the local database of madar dev.
    """


@migrate.command(epilog="Example: madar migrate plan > changes.sql")
@json_option
@state_option
def plan(*, as_json: bool, state: State) -> None:
    """Print what is pending: SQL, locks and about how long; change nothing.

    Locks and times are of the tables that are there; what a migration makes itself is in nobody's
    way. A time is a guess from the size of the tables. Besides it, a lock waits for who has the
    table in use, at most 5 s: then the migration stops, and nothing of it is applied.
    """
    import psycopg

    from madar.commands.here import open_database
    from madar.db.migrate import pending
    from madar.db.plan import plan

    with open_database(state) as url, psycopg.connect(url, connect_timeout=5) as conn:
        planned = plan(conn, pending(conn))
    if as_json:
        click.echo(json.dumps([_document(one) for one in planned]))
        return
    for one in planned:
        click.echo(_described(one))
    n = len(planned)
    talk(f"{n} pending. Apply with: madar migrate up" if n else "Nothing is pending.")


@migrate.command(epilog="Example: madar migrate up")
@state_option
def up(*, state: State) -> None:
    """Apply all that is pending; each migration wholly or not at all.

    Where DATABASE_URL is a pooler's, the role is given the limits that sessions have elsewhere.
    """
    from madar.commands.here import look_around, open_database
    from madar.db.migrate import up as apply

    with open_database(state) as url:
        done = apply(url, is_pooled=look_around(state).settings.is_pooled)
    for migration in done:
        click.echo(f"{migration.version} {migration.name}")
    talk(f"{len(done)} applied." if done else "Nothing was pending.")


@migrate.command(epilog="Example: madar migrate status --json")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@state_option
def status(*, as_json: bool, state: State) -> None:
    """List every migration, and when it was applied."""
    import psycopg

    from madar.commands.here import open_database
    from madar.db.migrate import applied, read_migrations

    with open_database(state) as url, psycopg.connect(url, connect_timeout=5) as conn:
        done = applied(conn)
    rows: list[dict[str, Any]] = [
        {
            "version": migration.version,
            "name": migration.name,
            "appliedAt": row.applied_at.isoformat(timespec="seconds") if row else None,
            "ms": row.ms if row else None,
        }
        for migration in read_migrations()
        for row in (done.get(migration.version),)
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        when = f"{row['appliedAt']}  {row['ms']} ms" if row["appliedAt"] else "pending"
        click.echo(f"{row['version']}  {row['name']:24}  {when}")


def _described(planned: "PlannedMigration") -> str:
    """SQL that could be run as it stands; all else is comment."""
    migration = planned.migration
    lines = [f"-- {migration.version} {migration.name}: {_time(planned.seconds)}"]
    if not migration.in_transaction:
        lines.append("-- statement by statement: what is done before one fails stays done")
    held = [f"-- locks {_lock(lock)}, for {_time(seconds)}" for lock, seconds in planned.held]
    lines += held or ["-- locks nothing that is there"]
    unknown = sum(not one.is_known for one in planned.statements)
    if unknown:
        lines.append(f"-- NOT KNOWN: what {unknown} of its statements do; see there")
    return "\n".join([*lines, "", *map(_statement, planned.statements)])


def _statement(one: "PlannedStatement") -> str:
    notes = [f"-- + {_lock(lock)}" for lock in one.locks]
    notes += [
        f"-- + {WORKS[cost.work]}: {_size(cost.table)}, {_time(cost.seconds)}" for cost in one.costs
    ]
    if not one.is_known:
        notes.append("-- + NOT KNOWN: its words do not tell what it locks or how long it takes")
    return "\n".join([*notes, f"{one.sql};", ""])


def _lock(lock: "Held") -> str:
    return f"{lock.table.name} {lock.mode}: {WAITING[lock.mode]}"


def _size(table: "Table") -> str:
    rows = "rows not counted yet" if table.rows is None else f"about {table.rows:,} rows"
    return f"{table.name}, {rows}, {as_text(table.bytes)}"


def _time(seconds: float) -> str:
    return f"about {age(seconds)}" if seconds > 1 else "about a second at most"


def _document(planned: "PlannedMigration") -> dict[str, Any]:
    return {
        "version": planned.migration.version,
        "name": planned.migration.name,
        "inTransaction": planned.migration.in_transaction,
        "seconds": round(planned.seconds, 1),
        "locks": [
            {"table": lock.table.name, "mode": lock.mode, "seconds": round(seconds, 1)}
            for lock, seconds in planned.held
        ],
        "statements": [
            {
                "sql": one.sql,
                "isKnown": one.is_known,
                "locks": [{"table": lock.table.name, "mode": lock.mode} for lock in one.locks],
                "costs": [_cost(cost) for cost in one.costs],
            }
            for one in planned.statements
        ],
    }


def _cost(cost: "Cost") -> dict[str, Any]:
    table = cost.table
    return {
        "work": cost.work,
        "table": table.name,
        "rows": table.rows,
        "bytes": table.bytes,
        "seconds": round(cost.seconds, 1),
    }
