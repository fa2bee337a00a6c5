"""sql/queries/jobs.sql and maintenance.sql: what an operator sees of the work, and may hurry."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given

from madar.db import jobs, maintenance
from tests.sql import pictures
from tests.sql.attempt_models import attempts_of, is_alive
from tests.sql.dice import Dice, dices
from tests.sql.harness import Row, Sql
from tests.sql.pictures import LIVE
from tests.sql.register import holds
from tests.sql.scenes import CLOCK, NOW, World, in_order, s, scene

Rows = dict[str, list[Row]]

STATUSES = ("todo", "doing", "succeeded", "failed", "cancelled", "aborted")


# The models.


def list_queues(world: World) -> list[Row]:
    listed = [row for row in world["procrastinate_jobs"].values() if row["status"] != "succeeded"]
    names = {(row["queue_name"], row["task_name"]) for row in listed}
    return [
        {"queue_name": queue, "task_name": task}
        | _counted(
            world, [it for it in listed if (it["queue_name"], it["task_name"]) == (queue, task)]
        )
        for queue, task in sorted(names)
    ]


def _counted(world: World, rows: list[Row]) -> Row:
    todo = [row for row in rows if row["status"] == "todo"]
    later = [row for row in todo if row["scheduled_at"] is not None and row["scheduled_at"] > NOW]
    over = [row for row in rows if row["status"] in {"failed", "aborted", "cancelled"}]
    begun = [
        event["at"]
        for event in world["procrastinate_events"].values()
        if event["type"] == "deferred" and event["job_id"] in {row["id"] for row in rows}
    ]
    return {
        "queued": len(todo) - len(later),
        "running": sum(row["status"] == "doing" for row in rows),
        "waiting": len(later),
        "stumbled": len(over) + sum(row["attempts"] > 0 for row in todo),
        "oldest_s": -min(begun).total_seconds() if begun else None,
    }


def unfinished(world: World) -> Iterator[Row]:
    for row in world["generations"].values():
        if not is_alive(row):
            continue
        live = [one["state"] for one in attempts_of(world, row["id"]) if one["state"] in LIVE]
        is_held = row["lease_until"] is not None and row["lease_until"] > NOW
        is_due = row["next_action_at"] <= NOW
        waits_for = _WAITS_FOR.get(live[0], "proof") if live else "try"
        yield {
            "id": row["id"],
            "user_id": row["user_id"],
            "style": row["style"],
            "step": row["step"],
            "state": "running" if is_held else "queued" if is_due else "waiting",
            "waits_for": None if is_held or is_due else waits_for,
            "is_stumbled": row["stumbles"] > 0 or row["crashes"] > 0,
            "age_s": -row["created_at"].total_seconds(),
            "due_s": row["next_action_at"].total_seconds(),
        }


_WAITS_FOR = {"prepared": "turn", "accepted": "fal"}


def list_unfinished(world: World, *, of_state: str | None, n: int) -> list[Row]:
    fit = [
        (-row["age_s"], row["id"], row)
        for row in unfinished(world)
        if of_state in {None, row["state"]} or (of_state == "stumbled" and row["is_stumbled"])
    ]
    return [row for _, _, row in sorted(fit, key=lambda it: it[:2])][:n]


def count_unfinished(world: World) -> list[Row]:
    rows = [*unfinished(world)]
    groups = in_order({(row["state"], row["waits_for"]) for row in rows})
    return [
        {
            "state": state,
            "waits_for": waits_for,
            "count": len(of_it),
            "stumbled": sum(row["is_stumbled"] for row in of_it),
            "oldest_s": max(row["age_s"] for row in of_it),
        }
        for state, waits_for in groups
        if (of_it := [it for it in rows if (it["state"], it["waits_for"]) == (state, waits_for)])
    ]


def get_picture(world: World, *, id: Any) -> Row | None:
    row = world["generations"].get(id)
    if row is None:
        return None
    names = (
        "id user_id style state step error_code fal_error stumbles crashes lease_owner"
        " next_action_at deadline_at created_at started_at completed_at deleted_at"
    )
    children = [
        (one["created_at"], one["id"])
        for one in world["generations"].values()
        if one["parent_id"] == id
    ]
    return {name: row[name] for name in names.split()} | {
        "is_held": row["lease_until"] is not None and row["lease_until"] > NOW,
        "asked_again_as": max(children)[1] if children else None,
    }


def list_attempts_of(world: World, *, generation_id: Any) -> list[Row]:
    names = (
        "n step state request_id error_type polls created_at waiting_since granted_at sent_at"
        " accepted_at announced_at resolved_at"
    )
    of_it = sorted(attempts_of(world, generation_id), key=lambda row: row["n"])
    return [{name: row[name] for name in names.split()} for row in of_it]


def get_job(world: World, *, id: int) -> Row | None:
    [row] = [it for it in world["procrastinate_jobs"].values() if it["id"] == id] or [None]
    if row is None:
        return None
    begun = [
        event["at"]
        for event in world["procrastinate_events"].values()
        if event["job_id"] == id and event["type"] == "deferred"
    ]
    names = ("id", "queue_name", "task_name", "status", "attempts", "scheduled_at", "args")
    return {name: row[name] for name in names} | {"queued_at": begun[0] if begun else None}


def hurry_generation(world: World, *, id: Any) -> int:
    row = world["generations"].get(id)
    if not row or not is_alive(row):
        return 0
    if row["lease_until"] is not None and row["lease_until"] > NOW:
        return 0
    row |= {"next_action_at": CLOCK, "stumbles": 0, "crashes": 0}
    return 1


def hurry_job(world: World, *, id: int) -> int:
    for row in world["procrastinate_jobs"].values():
        if row["id"] == id and row["status"] == "todo":
            row["scheduled_at"] = None
            return 1
    return 0


def delete_dead_jobs(world: World) -> int:
    dead = [key for key, row in world["procrastinate_jobs"].items() if _is_dead(world, row)]
    for key in dead:
        gone = world["procrastinate_jobs"].pop(key)["id"]
        for event in [*world["procrastinate_events"].values()]:
            if event["job_id"] == gone:
                del world["procrastinate_events"][event["id"]]
    return len(dead)


def _is_dead(world: World, job: Row) -> bool:
    worker = world["procrastinate_workers"].get(job["worker_id"])
    is_alone = worker is None or worker["last_heartbeat"] <= s(-120)
    is_over = job["status"] in {"failed", "cancelled", "aborted"}
    return is_over or (job["status"] == "doing" and is_alone)


# The properties.


def queues(dice: Dice) -> Rows:
    """Jobs in every state, of workers that live, were silent for just too long, or are gone."""
    workers = [
        {"id": n, "last_heartbeat": at} for n, at in enumerate((s(-121), s(-120), s(-119), NOW), 1)
    ]
    listed: list[Row] = []
    for number in dice.shuffled(range(1, dice.number(1, 12) + 1)):
        status = dice.one(*STATUSES, "todo", "todo")
        listed.append(
            pictures.job(
                number,
                queue_name=dice.one("generations", "upkeep"),
                task_name=dice.one("generations.advance", "upkeep.sweep"),
                status=status,
                scheduled_at=dice.one(None, s(-1), NOW, s(1)),
                attempts=dice.one(0, 0, 1),
                worker_id=dice.one(None, 1, 2, 3, 4),
                args={"n": number},
            )
        )
    return {"procrastinate_workers": workers, "procrastinate_jobs": listed}


def events(dice: Dice, listed: list[Row]) -> list[Row]:
    """When each job came, where that is known, and that it began."""
    drawn = [(row["id"], dice.one(None, s(-3), s(-2), NOW)) for row in listed]
    came = [
        {"id": 2 * n, "job_id": n, "type": "deferred", "at": at}
        for n, at in drawn
        if at is not None
    ]
    began = [
        {"id": 2 * n + 1, "job_id": n, "type": "started", "at": s(-dice.number(0, 9))}
        for n, _ in drawn
    ]
    return came + began


@holds("jobs.list_queues", "jobs.get_job", "maintenance.delete_dead_jobs", share=3)
@given(dices())
def test_jobs_are_counted_and_the_dead_ones_swept_away(sql: Sql, dice: Dice) -> None:
    rows = queues(dice)
    with scene(sql, **rows, procrastinate_events=[]) as played:
        # The queue's own trigger has noted when each job came.
        played.session.execute("DELETE FROM procrastinate_events")
        played.add("procrastinate_events", events(dice, rows["procrastinate_jobs"]))
        played.play(jobs.list_queues, list_queues)
        for row in rows["procrastinate_jobs"]:
            played.play(jobs.get_job, get_job, id=row["id"])
        played.play(maintenance.delete_dead_jobs, delete_dead_jobs)
        assert played.ask(jobs.get_job, id=0) is None


@holds("jobs.hurry_job", share=2)
@given(dices())
def test_a_job_that_waits_for_its_time_need_not(sql: Sql, dice: Dice) -> None:
    rows = queues(dice)
    with scene(sql, **rows) as played:
        for row in rows["procrastinate_jobs"][::2]:
            played.play(jobs.hurry_job, hurry_job, id=row["id"])


def workshops(dice: Dice) -> Rows:
    """Pictures, some of which were asked for again, once or twice."""
    rows = pictures.pictures(dice, attempts=2)
    ids = [row["id"] for row in rows["generations"]]
    for n, row in enumerate(rows["generations"]):
        row["parent_id"] = dice.one(None, *ids[:n])
        row["created_at"] = dice.one(s(-60), s(-1), NOW)
        if row["next_action_at"] is not None:
            row["next_action_at"] = dice.one(s(-1), NOW, s(60))
    return rows


@holds("jobs.list_unfinished", "jobs.count_unfinished", share=2)
@given(dices())
def test_what_is_unfinished_is_listed_the_oldest_first(sql: Sql, dice: Dice) -> None:
    rows = workshops(dice)
    with scene(sql, **rows) as played:
        for of_state in (None, "queued", "running", "waiting", "stumbled"):
            n = dice.one(1, 2, 99, 99)
            played.play(jobs.list_unfinished, list_unfinished, of_state=of_state, n=n)
        played.play(jobs.count_unfinished, count_unfinished)


@holds("jobs.get_picture", "jobs.list_attempts_of", "jobs.hurry_generation", share=2)
@given(dices())
def test_a_picture_is_shown_and_hurried_while_nobody_has_it(sql: Sql, dice: Dice) -> None:
    rows = workshops(dice)
    with scene(sql, **rows) as played:
        for row in rows["generations"]:
            played.play(jobs.get_picture, get_picture, id=row["id"])
            played.play(jobs.list_attempts_of, list_attempts_of, generation_id=row["id"])
        for row in rows["generations"]:
            if dice.one(False, True):
                played.play(jobs.hurry_generation, hurry_generation, id=row["id"])
        assert played.ask(jobs.get_picture, id=pictures.AMAL) is None
