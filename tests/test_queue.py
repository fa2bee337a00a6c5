"""Jobs are inserted by SQL; what stands there must be what the worker has."""

import inspect
import re
from typing import Any

from jobs.serving import App
from madar import queue
from madar.db.sql import QUERIES
from madar.db.system import GENERATIONS_CHANNEL
from madar.liveness import Liveness

_INSERT = re.compile(
    r"INSERT INTO procrastinate_jobs \(queue_name, task_name, args, queueing_lock\)\s+"
    r"SELECT '([\w.]+)', '([\w.]+)',\s+jsonb_build_object\('(\w+)', id\), id::text"
)


def registered() -> dict[str, Any]:
    """Our tasks by name, as the worker has them."""
    app = App("", Liveness(), concurrency=1)
    tasks: dict[str, Any] = vars(app)["tasks"]
    return {name: task for name, task in tasks.items() if "procrastinate" not in name}


def test_the_names_in_sql_are_those_of_registered_tasks() -> None:
    tasks = registered()
    text = "".join(path.read_text(encoding="utf-8") for path in QUERIES.glob("*.sql"))

    found = _INSERT.findall(text)

    assert len(found) == text.count("INSERT INTO procrastinate_jobs") > 0
    for queue_name, task_name, argument in found:
        task = tasks[task_name]
        assert (task.queue, task_name) == (queue_name, queue.ADVANCE)
        assert argument in inspect.signature(task.func).parameters


def test_every_task_is_in_the_one_queue_the_worker_reads() -> None:
    ours = registered()

    assert ours.keys() == {queue.ADVANCE, "maintenance.sweep"}
    assert {task.queue for task in ours.values()} == {queue.GENERATIONS_QUEUE}


def test_the_bells_ring_where_somebody_listens() -> None:
    text = (QUERIES / "system.sql").read_text(encoding="utf-8")

    assert f"pg_notify('{GENERATIONS_CHANNEL}'" in text
    assert f"pg_notify('procrastinate_queue_v1#{queue.GENERATIONS_QUEUE}'" in text
