"""Two releases at once: a job of the newer one waits for a worker that knows it."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg
import pytest

from jobs import generations
from jobs.serving import MAX_PUT_BACKS
from madar import queue
from tests.product import Product
from tests.simulator.harness import eventually

INSERT = (
    "INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock)"
    " VALUES ('generations', %s, %s, %s) RETURNING id"
)
# While the first one is in a worker's hands, somebody asks for the same again.
TWIN = """
    CREATE FUNCTION twin() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock)
        VALUES (NEW.queue_name, NEW.task_name, NEW.queueing_lock);
        RETURN NULL;
    END $$;
    CREATE TRIGGER twin AFTER UPDATE ON procrastinate_jobs FOR EACH ROW
    WHEN (NEW.status = 'doing' AND NEW.args ? 'is_first') EXECUTE FUNCTION twin();
"""
Conn = psycopg.Connection[Any]


def insert(conn: Conn, task: str, lock: str | None = None, **arguments: object) -> int:
    row = conn.execute(INSERT, [task, orjson.dumps(arguments).decode(), lock]).fetchone()
    assert row
    return row[0]


def put_back(conn: Conn, job_id: int) -> bool | None:
    query = (
        "SELECT 1 FROM procrastinate_jobs"
        " WHERE id = %s AND status = 'todo' AND attempts > 0 AND scheduled_at > now()"
    )
    return bool(conn.execute(query, [job_id]).fetchone()) or None


def gone(conn: Conn, job_id: int) -> bool | None:
    query = "SELECT 1 FROM procrastinate_jobs WHERE id = %s"
    return not conn.execute(query, [job_id]).fetchone() or None


@contextmanager
def newer_release(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Its worker knows one task more, and one argument more of the task that both know."""
    ours = generations.register

    def register(app: Any) -> None:
        ours(app)
        del app.tasks[queue.ADVANCE]

        @app.task(name=queue.ADVANCE, queue=queue.GENERATIONS_QUEUE)
        async def advance(  # pyright: ignore[reportUnusedFunction]
            *, generation_id: str, reason: str
        ) -> None:
            ran.append(f"{generation_id} {reason}")

        @app.task(name="generations.frame", queue=queue.GENERATIONS_QUEUE)
        async def frame() -> None:  # pyright: ignore[reportUnusedFunction]
            ran.append("framed")

    with monkeypatch.context() as patched:
        patched.setattr(generations, "register", register)
        yield


def test_jobs_of_a_newer_release_wait_for_its_worker(
    product: Product, conn: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = insert(conn, "generations.frame")
    argument = insert(conn, queue.ADVANCE, generation_id="x", reason="of a later time")
    amal, ran = product.sign_in(), list[str]()

    with product.working():
        eventually(lambda: put_back(conn, task) and put_back(conn, argument))
        assert amal.finished(amal.create()["id"])["status"] == "completed"
    conn.execute("UPDATE procrastinate_jobs SET scheduled_at = now()")
    with newer_release(ran, monkeypatch), product.working():
        eventually(lambda: gone(conn, task) and gone(conn, argument))

    assert sorted(ran) == ["framed", "x of a later time"]


def test_one_that_another_replaced_meanwhile_is_not_put_back(product: Product, conn: Conn) -> None:
    conn.execute(TWIN)
    first = insert(conn, "generations.frame", "same", is_first=True)

    with product.working():
        eventually(lambda: gone(conn, first))
        twin = conn.execute("SELECT id FROM procrastinate_jobs WHERE args = '{}'").fetchone()
        assert twin
        eventually(lambda: put_back(conn, twin[0]))


def test_a_job_that_nobody_ever_knows_is_given_up(product: Product, conn: Conn) -> None:
    job_id = insert(conn, "generations.frame")
    conn.execute("UPDATE procrastinate_jobs SET attempts = %s", [MAX_PUT_BACKS])

    with product.working():
        # It has failed, and then the sweep may have taken its row already.
        eventually(
            lambda: conn.execute(
                "SELECT 1 WHERE NOT EXISTS (SELECT FROM procrastinate_jobs"
                " WHERE id = %s AND status <> 'failed')",
                [job_id],
            ).fetchone()
        )
