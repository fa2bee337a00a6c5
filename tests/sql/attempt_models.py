"""What each statement of sql/queries/attempts.sql does, said in Python under the same name."""

from typing import Any
from uuid import UUID

from tests.sql.harness import Row
from tests.sql.pictures import LIVE
from tests.sql.scenes import ANY, CLOCK, NOW, World, greatest, least, put, s


def held(world: World, id: UUID, epoch: int) -> Row | None:
    """The generation, while a worker with this epoch may change it."""
    row = world["generations"].get(id)
    return row if row and row["lease_epoch"] == epoch and is_alive(row) else None


def own_attempt(world: World, id: UUID, generation_id: UUID) -> Row | None:
    row = world["attempts"].get(id)
    return row if row and row["generation_id"] == generation_id else None


def generation_of(world: World, attempt: Row) -> Row:
    return world["generations"][attempt["generation_id"]]


def is_anothers(world: World, request_id: str, id: UUID) -> bool:
    return any(
        row["request_id"] == request_id for row in world["attempts"].values() if row["id"] != id
    )


def wake(world: World, generation_id: UUID) -> None:
    if (str(generation_id), "todo") not in world["procrastinate_jobs"]:
        put(
            world,
            "procrastinate_jobs",
            id=ANY,
            queue_name="generations",
            task_name="generations.advance",
            priority=0,
            queueing_lock=str(generation_id),
            args={"generation_id": str(generation_id)},
            status="todo",
            attempts=0,
            abort_requested=False,
        )


def count(world: World, name: str) -> None:
    row = world["counters"].get(name) or put(world, "counters", name=name, value=0)
    row["value"] += 1


def reopen(world: World) -> None:
    """Fal takes requests again."""
    gate = world["fal_gate"][True]
    if gate["failing_since"] is not None:
        is_paused = gate["paused_at"] is not None
        gate |= {
            "failing_since": None,
            "reason": None,
            "closed_until": gate["closed_until"] if is_paused else None,
            "steady_at": s(60),
        }


def move_on(row: Row, next_at: Any, **changed: Any) -> dict[str, bool]:
    """The lease is given back, and whoever looks on is told of a newer version."""
    row |= {"version": row["version"] + 1, "updated_at": NOW} | changed
    return give_back(row, next_at)


def give_back(row: Row, next_at: Any) -> dict[str, bool]:
    row |= {"lease_until": None, "next_action_at": next_at}
    return {"is_due": next_at is not None and next_at <= NOW}


def in_time(row: Row, next_s: float) -> Any:
    """After so many seconds, but not past the deadline, which is a second away at least."""
    return least(s(next_s), greatest(row["deadline_at"], s(1)))


def is_alive(row: Row) -> bool:
    return row["next_action_at"] is not None and row["deleted_at"] is None


def mark_attempt_sent(
    world: World, *, id: UUID, generation_id: UUID, epoch: int, endpoint: str, arguments: Row
) -> int:
    attempt = own_attempt(world, id, generation_id)
    if not attempt or not held(world, generation_id, epoch):
        return 0
    if attempt["state"] != "prepared" or attempt["granted_at"] is None:
        return 0
    attempt |= {"state": "sent", "sent_at": NOW, "endpoint": endpoint, "arguments": arguments}
    return 1


def mark_attempt_accepted(
    world: World, *, id: UUID, generation_id: UUID, epoch: int, request_id: str, next_s: float
) -> Row | None:
    reopen(world)
    attempt = own_attempt(world, id, generation_id)
    if not attempt or is_anothers(world, request_id, id):
        return None
    is_repeated = attempt["state"] == "accepted" and attempt["request_id"] == request_id
    if attempt["state"] not in {"sent", "unknown"} and not is_repeated:
        return None
    attempt |= {
        "state": "accepted",
        "request_id": request_id,
        "polls": 0,
        "accepted_at": NOW if attempt["accepted_at"] is None else attempt["accepted_at"],
    }
    row = held(world, generation_id, epoch)
    if not row:
        return None
    next_at = NOW if attempt["announced_at"] is not None else in_time(row, next_s)
    return move_on(row, next_at, fal_job_id=request_id, fal_status="IN_QUEUE")


def mark_attempt_found(
    world: World,
    *,
    id: UUID,
    generation_id: UUID,
    epoch: int,
    endpoint: str,
    arguments: Row,
    request_id: str,
) -> Row | None:
    attempt = own_attempt(world, id, generation_id)
    row = held(world, generation_id, epoch)
    is_bound = any(one["request_id"] == request_id for one in world["attempts"].values())
    if not attempt or not row or attempt["state"] != "prepared" or is_bound:
        return None
    attempt |= {
        "state": "accepted",
        "endpoint": endpoint,
        "arguments": arguments,
        "request_id": request_id,
        "polls": 0,
        "sent_at": world["installation"][True]["restored_from"],
        "accepted_at": NOW,
        "granted_at": NOW if attempt["granted_at"] is None else attempt["granted_at"],
    }
    return move_on(row, NOW, fal_job_id=request_id, fal_status="IN_QUEUE", queue_position=None)


def put_attempt_back(
    world: World, *, id: UUID, generation_id: UUID, epoch: int, claimed_at: Any
) -> Row | None:
    row = held(world, generation_id, epoch)
    if not row:
        return None
    attempt = own_attempt(world, id, generation_id)
    if attempt and attempt["state"] == "sent":
        attempt |= {
            "state": "prepared",
            "sent_at": None,
            "granted_at": None,
            "waiting_since": (
                NOW if attempt["waiting_since"] is None else attempt["waiting_since"]
            ),
            "polls": attempt["polls"] + 1,
        }
    is_announced = row["next_action_at"] > claimed_at
    return give_back(row, NOW if is_announced else greatest(row["deadline_at"], s(1)))


def forget_sending(world: World, *, id: UUID) -> int:
    attempt = world["attempts"][id]
    if attempt["state"] not in {"sent", "abandoned"} or is_alive(generation_of(world, attempt)):
        return 0
    attempt |= {"state": "failed", "error_type": "never_left", "sent_at": None}
    return 0 if world["fal_purges"].pop((id, None), None) is None else 1


def mark_attempt_unknown(
    world: World, *, id: UUID, generation_id: UUID, epoch: int, next_s: float
) -> Row | None:
    attempt = own_attempt(world, id, generation_id)
    row = held(world, generation_id, epoch)
    if not attempt or not row:
        return None
    if attempt["state"] == "sent":
        attempt["state"] = "unknown"
    return give_back(row, in_time(row, next_s) if attempt["state"] == "unknown" else NOW)


def count_poll(world: World, *, id: UUID, generation_id: UUID, epoch: int) -> int:
    attempt = own_attempt(world, id, generation_id)
    if not attempt or generation_of(world, attempt)["lease_epoch"] != epoch:
        return 0
    attempt["polls"] += 1
    return 1


def renew_result(world: World, *, id: UUID, generation_id: UUID, epoch: int, result: Row) -> int:
    attempt = own_attempt(world, id, generation_id)
    if not attempt or generation_of(world, attempt)["lease_epoch"] != epoch:
        return 0
    attempt["result"] = result
    return 1


def finish_step(
    world: World,
    *,
    id: UUID,
    generation_id: UUID,
    epoch: int,
    seen_state: str,
    result: Row | None,
    next_step: str,
    progress: int,
    prompt_english: str | None,
) -> Row | None:
    attempt = own_attempt(world, id, generation_id)
    row = held(world, generation_id, epoch)
    if not attempt or not row or attempt["state"] != seen_state:
        return None
    end_state = "failed" if result is None else "succeeded"
    attempt |= {"state": end_state, "result": result, "polls": 0, "resolved_at": NOW}
    is_last = next_step == "finalize"
    translated = "failed" if prompt_english is None else "done"
    going_on = "finalizing" if is_last else "processing"
    return move_on(
        row,
        NOW,
        state="reviving" if row["state"] == "reviving" else going_on,
        step=next_step,
        started_at=NOW if row["started_at"] is None else row["started_at"],
        fal_progress=max(row["fal_progress"], progress),
        queue_position=None,
        prompt_english=row["prompt_english"] if prompt_english is None else prompt_english,
        translation=translated if row["step"] == "translate" else row["translation"],
        deadline_at=s(86400) if is_last else greatest(row["deadline_at"], s(300)),
    )


def retry_step(
    world: World,
    *,
    id: UUID,
    generation_id: UUID,
    epoch: int,
    seen_state: str,
    end_state: str,
    error_type: str,
    next_s: float,
) -> Row | None:
    attempt = own_attempt(world, id, generation_id)
    row = held(world, generation_id, epoch)
    if not attempt or not row or attempt["state"] != seen_state:
        return None
    attempt |= {"state": end_state, "error_type": error_type, "resolved_at": NOW}
    move_on(row, in_time(row, next_s), fal_error=error_type)
    return {"is_due": False}


def fail_generation(
    world: World,
    *,
    id: UUID,
    epoch: int,
    attempt_id: UUID,
    seen_state: str,
    end_state: str,
    error_code: str,
    fal_error: str | None,
) -> Row | None:
    attempt = own_attempt(world, attempt_id, id)
    row = held(world, id, epoch)
    if not attempt or not row or attempt["state"] != seen_state:
        return None
    attempt |= {
        "state": "succeeded" if attempt["state"] == "succeeded" else end_state,
        "error_type": fal_error,
        "resolved_at": NOW if attempt["resolved_at"] is None else attempt["resolved_at"],
    }
    return move_on(
        row,
        None,
        state="failed",
        translation="failed" if row["translation"] == "pending" else row["translation"],
        error_code=error_code if row["error_code"] is None else row["error_code"],
        fal_error=fal_error,
        queue_position=None,
    )


def repeat_cutout(world: World, *, generation_id: UUID, epoch: int) -> Row | None:
    row = held(world, generation_id, epoch)
    if not row or row["step"] != "finalize":
        return None
    state = "reviving" if row["state"] == "reviving" else "processing"
    return move_on(row, NOW, state=state, step="cutout")


def insert_attempt(world: World, *, id: UUID, generation_id: UUID, step: str) -> int:
    row = world["generations"].get(generation_id)
    if not row:
        return 0
    numbers = [one["n"] for one in attempts_of(world, generation_id)]
    put(
        world,
        "attempts",
        id=id,
        generation_id=generation_id,
        n=max(numbers) + 1,
        step=step,
        state="prepared",
        seed=row["seed"],
        polls=0,
        created_at=NOW,
    )
    return 1


def announce_result(world: World, *, attempt_id: UUID, request_id: str) -> UUID | None:
    attempt = world["attempts"][attempt_id]
    row = generation_of(world, attempt)
    if not is_alive(row) or attempt["state"] not in LIVE or attempt["endpoint"] is None:
        return None
    if attempt["announced_at"] is not None or attempt["request_id"] not in {None, request_id}:
        return None
    if is_anothers(world, request_id, attempt_id):
        return None
    attempt |= {
        "state": "accepted",
        "request_id": request_id,
        "accepted_at": NOW if attempt["accepted_at"] is None else attempt["accepted_at"],
        "announced_at": NOW,
    }
    row |= {"next_action_at": CLOCK, "deadline_at": greatest(row["deadline_at"], s(3600))}
    wake(world, row["id"])
    return row["id"]


def lock_delivered_generation(world: World, *, attempt_id: UUID) -> UUID:
    return world["attempts"][attempt_id]["generation_id"]


def get_delivered_attempt(world: World, *, attempt_id: UUID, request_id: str) -> Row:
    attempt = world["attempts"][attempt_id]
    row = generation_of(world, attempt)
    others = [one for one in attempts_of(world, row["id"]) if one is not attempt]
    return {
        "state": attempt["state"],
        "request_id": attempt["request_id"],
        "error_type": attempt["error_type"],
        "generation_id": row["id"],
        "generation_state": row["state"],
        "error_code": row["error_code"],
        "is_deleted": row["deleted_at"] is not None and row["gone_at"] is None,
        "is_at_its_step": row["step"] == attempt["step"],
        "is_anothers": is_anothers(world, request_id, attempt_id),
        "is_beaten": any(
            one["step"] == attempt["step"]
            and one["state"] == "accepted"
            and one["announced_at"] is not None
            for one in others
        ),
    }


def end_rivals(world: World, *, generation_id: UUID, attempt_id: UUID) -> list[Row]:
    paid: list[Row] = []
    for one in attempts_of(world, generation_id):
        if one["id"] != attempt_id and one["state"] in LIVE:
            was_sent = one["sent_at"] is not None
            error_type = "duplicate" if was_sent else "superseded"
            one |= {"state": "failed", "error_type": error_type, "resolved_at": NOW}
            if was_sent:
                count(world, "duplicate_paid")
                paid.append({"id": one["id"]})
    return paid


def adopt_attempt(world: World, *, attempt_id: UUID, request_id: str) -> int:
    attempt = world["attempts"][attempt_id]
    if attempt["state"] != "abandoned" or is_anothers(world, request_id, attempt_id):
        return 0
    attempt |= {
        "state": "accepted",
        "request_id": request_id,
        "polls": 0,
        "error_type": None,
        "accepted_at": NOW if attempt["accepted_at"] is None else attempt["accepted_at"],
        "announced_at": NOW,
        "resolved_at": None,
    }
    row = generation_of(world, attempt)
    if row["state"] == "completed" or row["deleted_at"] is not None:
        return 0
    row |= {
        "state": "reviving" if row["state"] == "failed" else row["state"],
        "deadline_at": greatest(row["deadline_at"], s(3600)),
        "next_action_at": CLOCK,
        "crashes": 0,
        "stumbles": 0,
    }
    wake(world, row["id"])
    count(world, "late_successes")
    return 1


def settle_duplicate(world: World, *, attempt_id: UUID, request_id: str) -> int:
    attempt = world["attempts"][attempt_id]
    if attempt["state"] != "abandoned":
        return 0
    attempt |= {"state": "failed", "error_type": "duplicate"}
    if not is_anothers(world, request_id, attempt_id):
        attempt["request_id"] = request_id
    count(world, "duplicate_paid")
    return 1


def get_unwanted(world: World, *, attempt_id: UUID) -> Row | None:
    attempt = world["attempts"][attempt_id]
    row = generation_of(world, attempt)
    if attempt["state"] not in {"failed", "abandoned"} and row["deleted_at"] is None:
        return None
    return {"keeps_payload": row["deleted_at"] is None or row["gone_at"] is not None}


def get_attempt_to_advance(world: World, *, generation_id: UUID) -> Row:
    def newest_last(one: Row) -> tuple[Any, ...]:
        """Nulls count as the latest, as PostgreSQL has it."""
        resolved_at = s(1e9) if one["resolved_at"] is None else one["resolved_at"]
        return one["state"] in LIVE, one["state"] == "succeeded", resolved_at, one["n"]

    of_it = attempts_of(world, generation_id)
    chosen = max(of_it, key=newest_last)
    same = [one["state"] for one in of_it if one["step"] == chosen["step"]]
    names = [
        "id",
        "n",
        "step",
        "state",
        "seed",
        "endpoint",
        "arguments",
        "request_id",
        "polls",
        "result",
        "sent_at",
    ]
    restored = world["installation"][True]
    restored_at = restored["restored_at"]
    is_older = restored_at is not None and generation_of(world, chosen)["created_at"] <= restored_at
    return {name: chosen[name] for name in names} | {
        "is_announced": chosen["announced_at"] is not None,
        "sent_age_s": _age(chosen["sent_at"]),
        "accepted_age_s": _age(chosen["accepted_at"]),
        "is_granted": chosen["granted_at"] is not None,
        "tries": len(same),
        "successes": same.count("succeeded"),
        "restored_from": restored["restored_from"] if is_older else None,
        "restored_at": restored_at if is_older else None,
        "restored_age_s": _age(restored_at) if is_older else None,
    }


def list_bound_requests(world: World, *, request_ids: list[str], attempt_id: UUID) -> list[Row]:
    return [
        {"request_id": one["request_id"]}
        for one in world["attempts"].values()
        if one["request_id"] in request_ids and one["id"] != attempt_id
    ]


def _age(moment: Any) -> float | None:
    return None if moment is None else -moment.total_seconds()


def attempts_of(world: World, generation_id: UUID) -> list[Row]:
    return [one for one in world["attempts"].values() if one["generation_id"] == generation_id]
