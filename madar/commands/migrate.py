"""`madar migrate`: what would change in the database, changing it, and what has changed."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import json
from typing import TYPE_CHECKING, Any

import click

from madar.commands.state_option import state_option
from madar.commands.terminal import talk
from madar.local.state import State

if TYPE_CHECKING:
    import psycopg

    from madar.db.migrate import Migration

BYTES_PER_S = 50_000_000  # a cautious guess at how fast a table is rewritten or indexed


@click.group(epilog="Example: madar migrate plan")
def migrate() -> None:
    """Plan, apply and list database migrations.

    They go to DATABASE_DIRECT_URL or DATABASE_URL, or to the local database of madar dev.
    """


@migrate.command(epilog="Example: madar migrate plan > changes.sql")
@state_option
def plan(*, state: State) -> None:
    """Print what is pending: SQL, locks and about how long; change nothing."""
    import psycopg

    from madar.commands.here import open_database
    from madar.db.migrate import pending

    with open_database(state) as url, psycopg.connect(url, connect_timeout=5) as conn:
        todo = pending(conn)
        for migration in todo:
            click.echo(_described(conn, migration))
    talk(f"{len(todo)} pending. Apply with: madar migrate up" if todo else "Nothing is pending.")


@migrate.command(epilog="Example: madar migrate up")
@state_option
def up(*, state: State) -> None:
    """Apply all that is pending; each migration wholly or not at all."""
    from madar.commands.here import open_database
    from madar.db.migrate import up as apply

    with open_database(state) as url:
        done = apply(url)
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


def _described(conn: "psycopg.Connection[Any]", migration: "Migration") -> str:
    from madar.db.migrate import table_bytes

    locks = migration.locks
    seconds = sum(table_bytes(conn, lock.split()[-1]) for lock in locks) / BYTES_PER_S
    guess = f"about {seconds:.0f} s" if seconds > 1 else "about a second at most"
    head = f"-- {migration.version} {migration.name}: {guess}"
    taken = "".join(f"\n-- locks: {lock}" for lock in locks) or "\n-- locks nothing"
    return f"{head}{taken}\n{migration.sql}\n"
