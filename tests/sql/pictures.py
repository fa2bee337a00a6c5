"""Rows of pictures at every point of their lives, and at some that only the schema allows.

Each is mostly as it would be, and wrong in one respect now and then: then that respect decides
what a query does with it.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from tests.sql.dice import Dice
from tests.sql.harness import Row
from tests.sql.scenes import NOW, s

AMAL, BADR, DANA = (UUID(int=n) for n in (0xA, 0xB, 0xD))
PEOPLE = (AMAL, BADR, DANA)
STYLE = "test-style"
WORKERS = ("worker-1", "worker-2")
LIVE = ("prepared", "sent", "unknown", "accepted")
RESOLVED = ("succeeded", "failed", "abandoned")
STEPS = ("translate", "draw", "cutout")
# Beyond whatever the sequences have come to.
NUMBERED = 10**9

# On each side of now, and of the periods that queries name, and exactly upon them.
MOMENTS = tuple(map(s, (-7200, -3600, -61, -60, -1, 0, 1, 60, 3600, 86400, 90000)))


def users(*, deleted: Sequence[UUID] = ()) -> list[Row]:
    return [
        {
            "id": person,
            "google_id": f"google-{person.int}",
            "email": f"{person.int}@example.org",
            "display_name": "Somebody",
            "language": "en",
            "is_active": True,
            "created_at": NOW,
            "updated_at": NOW,
            "is_name_chosen": False,
            "is_language_chosen": False,
            "deleted_at": NOW if person in deleted else None,
        }
        for person in PEOPLE
    ]


def style() -> Row:
    return {
        "id": STYLE,
        "title": "Style",
        "title_ar": "نمط",
        "description": "",
        "description_ar": "",
        "preview_image_url": "/style.webp",
        "default_prompt": "a cat",
        "default_prompt_ar": "قطة",
        "fal_model_params": {},
        "is_active": True,
        "sort_order": 0,
        "typical_seconds": None,
        "created_at": NOW,
        "updated_at": NOW,
        "step_seconds": {},
    }


def ids(dice: Dice, count: int) -> list[UUID]:
    """In any order: rows do not lie in that of their ids."""
    return dice.shuffled([UUID(int=n + 1) for n in range(count)])


def generation(dice: Dice, id: UUID, *, alive: bool = False) -> Row:
    """`alive`: mostly one that a worker would go on with."""
    states = ("queued", "processing", "finalizing", "reviving", "completed", "failed")
    state = dice.one(*(states[:4] * 4 + states[4:] if alive else states))
    has_ended = state in {"completed", "failed"}
    has_failed = state in {"failed", "reviving"}
    has_files = state == "completed" or dice.one(False, True)
    is_deleted = dice.mostly(False, True)
    keys = [f"o/{id.int:02}/{kind}" if has_files else None for kind in "mpt"]
    return {
        "id": id,
        "user_id": dice.one(*PEOPLE),
        "prompt": "a cat",
        "prompt_english": dice.one(None, "a cat"),
        "style": STYLE,
        "aspect_ratio": "1:1",
        "input_type": "text",
        "custom_colors": [],
        "seed": dice.number(0, 3),
        "state": state,
        "step": dice.one(*STEPS, "finalize", "finalize"),
        "version": dice.number(1, 3),
        "queue_position": dice.one(None, 1, 2),
        "error_code": dice.one("cancelled", "timeout") if has_failed else None,
        "fal_status": "pending",
        "fal_progress": 100 if state == "completed" else dice.one(0, 10, 50, 90),
        "fal_error": dice.one(None, "old"),
        "lease_owner": dice.one(None, *WORKERS),
        "lease_epoch": dice.number(1, 3),
        "lease_until": dice.maybe(*MOMENTS),
        "next_action_at": None if has_ended else dice.mostly(dice.one(*MOMENTS), None),
        "deadline_at": dice.one(*MOMENTS),
        "stumbles": dice.one(0, 0, 2),
        "crashes": dice.one(0, 0, 2),
        "master_key": keys[0],
        "result_image_key": keys[1],
        "thumbnail_key": keys[2],
        "file_size_bytes": dice.number(1, 9) if has_files else None,
        "is_liked": False,
        "download_count": 0,
        "view_count": 0,
        "started_at": dice.one(None, s(-60)),
        "completed_at": dice.one(*MOMENTS) if state == "completed" else None,
        "created_at": dice.one(*MOMENTS),
        "updated_at": dice.one(*MOMENTS),
        "deleted_at": dice.one(*MOMENTS) if is_deleted else None,
        "gone_at": dice.maybe(*MOMENTS) if is_deleted else None,
        "translation": dice.one(None, "pending", "done", "failed"),
        "parent_id": None,
        "promised_at": None,
        "expected_at": dice.maybe(*MOMENTS),
    }


def attempt(
    dice: Dice, generation: Row, n: int, states: Sequence[str], *, step: str | None = None
) -> Row:
    own_id = UUID(int=generation["id"].int * 256 + dice.one(n, 100 - n))
    state = dice.one(*states)
    has_left = state != "prepared" and dice.mostly(True, False)
    is_known = state == "accepted" or (has_left and dice.one(False, True))
    is_named = state != "prepared" or dice.one(False, True)
    return {
        "id": own_id,
        "generation_id": generation["id"],
        "n": n,
        "step": step or dice.one(*STEPS),
        "state": state,
        "seed": dice.number(0, 3),
        "endpoint": dice.one("fal/draw", "fal/cut") if is_named else None,
        "arguments": {"seed": dice.number(0, 1)} if is_named else None,
        "request_id": f"request-{own_id.int}" if is_known else None,
        "polls": dice.one(0, 1, 12),
        "result": {"url": str(own_id.int)} if state == "succeeded" else None,
        "error_type": dice.one("old", "cancelled") if state == "failed" else None,
        "created_at": dice.one(*MOMENTS),
        "sent_at": dice.one(s(-61), s(-60), s(-59), NOW) if has_left else None,
        "accepted_at": dice.maybe(*MOMENTS) if is_known else None,
        "announced_at": dice.maybe(*MOMENTS) if is_known else None,
        "resolved_at": dice.one(*MOMENTS) if state in RESOLVED else None,
        "waiting_since": dice.one(None, s(-60), s(-1), NOW),
        "granted_at": dice.one(None, s(-60), s(-1)),
    }


def attempts_of(dice: Dice, generation: Row, *, most: int = 3) -> list[Row]:
    """At most one of them live; that one is the newest, or (it came late) not."""
    count = dice.number(1, most)
    live = dice.one(count - 1, count - 1, 0, None)
    return [attempt(dice, generation, n + 1, LIVE if n == live else RESOLVED) for n in range(count)]


def pictures(
    dice: Dice, *, least: int = 1, most: int = 8, alive: bool = True, attempts: int = 3
) -> dict[str, list[Row]]:
    count = dice.number(least, most)
    generations = [generation(dice, new, alive=alive) for new in ids(dice, count)]
    made = [one for row in generations for one in attempts_of(dice, row, most=attempts)]
    return {
        "users": users(),
        "generation_styles": [style()],
        "generations": generations,
        "attempts": dice.shuffled(made),
    }


def gate(**changed: Any) -> Row:
    return {
        "is_only": True,
        "failing_since": None,
        "closed_until": None,
        "reason": None,
        "steady_at": None,
        "next_turn_at": None,
        "places": 2,
        "paused_at": None,
        "pause_reason": None,
        "pause_reason_ar": None,
    } | changed


# Far enough from now that the clock of a slow machine does not run past.
FAR = tuple(map(s, (-3600, -60, 0, 600, 3600)))


def gates(dice: Dice) -> Row:
    failing = dice.one(None, None, s(-3600), s(-10), NOW)
    paused = dice.one(None, None, None, s(-3600), s(-10))
    return gate(
        failing_since=failing,
        reason="unreachable" if failing is not None else None,
        closed_until=dice.one(None, None, *FAR),
        steady_at=dice.one(None, *FAR),
        next_turn_at=dice.one(None, *FAR),
        places=dice.number(1, 3),
        paused_at=paused,
        pause_reason="why" if paused is not None else None,
        pause_reason_ar="لماذا" if paused is not None else None,
    )


def wake_ups(dice: Dice, generations: Sequence[Row]) -> list[Row]:
    """Of each generation none, one that waits, or one that runs."""
    drawn = [(row, dice.one(None, None, "todo", "doing")) for row in generations]
    return [
        job(n, status=status, queueing_lock=str(row["id"]))
        for n, (row, status) in enumerate(drawn)
        if status
    ]


def purge(n: int, object_key: str, **changed: Any) -> Row:
    return {
        "id": NUMBERED + n,
        "object_key": object_key,
        "tries": 0,
        "due_at": NOW,
        "created_at": NOW,
    } | changed


def upload(n: int, **changed: Any) -> Row:
    return {
        "id": UUID(int=n),
        "user_id": AMAL,
        "object_key": f"u/{n}",
        "thumbnail_key": f"u/{n}.thumbnail",
        "file_size": 1,
        "width": 1,
        "height": 1,
        "created_at": NOW,
    } | changed


def job(n: int, **changed: Any) -> Row:
    usual: Row = {
        "id": NUMBERED + n,
        "queue_name": "generations",
        "task_name": "generations.advance",
        "priority": 0,
        "queueing_lock": None,
        "args": {},
        "status": "todo",
        "scheduled_at": None,
        "attempts": 0,
        "abort_requested": False,
        "worker_id": None,
    }
    return usual | changed


def fal_purge(n: int, attempt_id: UUID, **changed: Any) -> Row:
    usual: Row = {
        "id": NUMBERED + n,
        "attempt_id": attempt_id,
        "endpoint": "fal/draw",
        "request_id": None,
        "arguments": None,
        "sent_at": s(-60),
        "is_cancelled": False,
        "keeps_payload": False,
        "tries": 0,
        "due_at": NOW,
        "created_at": NOW,
    }
    return usual | changed


def queued(id: UUID, **changed: Any) -> Row:
    """One as it is when somebody has just asked for it."""
    usual: Row = {
        "id": id,
        "user_id": AMAL,
        "prompt": "a cat",
        "style": STYLE,
        "aspect_ratio": "1:1",
        "input_type": "text",
        "custom_colors": [],
        "seed": 1,
        "state": "queued",
        "step": "draw",
        "version": 1,
        "error_code": None,
        "fal_status": "pending",
        "fal_progress": 0,
        "lease_owner": None,
        "lease_epoch": 0,
        "lease_until": None,
        "next_action_at": NOW,
        "deadline_at": s(1800),
        "stumbles": 0,
        "crashes": 0,
        "is_liked": False,
        "download_count": 0,
        "view_count": 0,
        "created_at": NOW,
        "updated_at": NOW,
        "deleted_at": None,
    }
    return usual | changed


def prepared(generation_id: UUID, **changed: Any) -> Row:
    """Its first attempt, as it is then."""
    return {
        "id": UUID(int=generation_id.int * 256 + 1),
        "generation_id": generation_id,
        "n": 1,
        "step": "draw",
        "state": "prepared",
        "seed": 1,
        "polls": 0,
        "created_at": NOW,
        "waiting_since": None,
        "granted_at": None,
    } | changed
