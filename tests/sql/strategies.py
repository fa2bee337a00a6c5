"""Rows that the schema accepts, as hypothesis draws them: dicts by column (see harness.py).

A time is a timedelta, counted from the moment of the example. Each function takes columns to fix,
as in `generations(user_id=amal["id"], state="completed")`. Of the others, those on which queries
turn are drawn one by one, so that a failure shrinks to what matters; the rest comes out of one
number, since each thing that is drawn takes hypothesis as long as a query takes PostgreSQL. Where
that number is 0 everything is at its plainest. Lists of rows are `rows(…)`: no two with one id.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from operator import itemgetter
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from madar.domain.generations import ASPECT_RATIOS, AttemptState, State, Step

Row = dict[str, Any]
Value = TypeVar("Value")
Rows = SearchStrategy[Row]

STYLES = ("voxel-3d", "neon-glow", "toy-figurine")
STATES: tuple[State, ...] = (
    "queued", "processing", "finalizing", "reviving", "completed", "failed",
)  # fmt: skip
STEPS: tuple[Step, ...] = ("translate", "draw", "cutout", "finalize")
LIVE: tuple[AttemptState, ...] = ("prepared", "sent", "unknown", "accepted")
ENDED: tuple[AttemptState, ...] = ("succeeded", "failed", "abandoned")
ERRORS = ("content_policy", "invalid_request", "timeout", "cancelled", "transparency_failed")

WORDS = (
    "a", "the", "red", "blue", "rocket", "rockets", "cat", "cats", "glass", "running", "café",
    "3d", "low-poly", "قطة", "القطة", "قطط", "صغيرة", "كتاب", "الكتاب", "والكتاب", "مدينة",
    "مستشفى", "أحمر", "إبريق", "كِتَابٌ", "كتـــاب", "٣",
)  # fmt: skip
EMAILS = ("amal@madar.test", "Badr@madar.test")
NAMES = ("Amal", "أمل", "Badr", "بدر السالم", "Dana O'Hara", "%_\\", "x" * 255)
AGENTS = ("", "curl/8", "Mozilla/5.0 (متصفح)")

ids = st.uuids()
languages = st.sampled_from(("en", "ar"))
prompts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
# Anything that can be stored: PostgreSQL has no place for the zero byte.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
# A boundary is where a comparison can be wrong by one: exactly now, and a microsecond beside it.
EDGES = tuple(timedelta(microseconds=n) for n in (0, -1, 1))


class Rest:
    """What nothing turns on, out of one number."""

    def __init__(self, number: int) -> None:
        self._random = Random(number) if number else None

    def one_of(self, values: Sequence[Value]) -> Value:
        return self._random.choice(values) if self._random else values[0]

    def number(self, least: int, most: int) -> int:
        return self._random.randint(least, most) if self._random else least

    def prompt(self) -> str:
        return " ".join(self.one_of(WORDS) for _ in range(self.number(1, 6)))

    def past(self, days: int = 2) -> timedelta:
        return -timedelta(hours=self.number(0, 24 * days))

    def lately(self) -> timedelta:
        return -timedelta(hours=self.number(0, 2))

    def around(self, spread_s: int = 7200) -> timedelta:
        return self.one_of((*EDGES, timedelta(seconds=self.number(-spread_s, spread_s))))


rests = st.integers(0, 2**32 - 1).map(Rest)


def hash_of(row_id: UUID, what: str = "") -> bytes:
    return hashlib.sha256(row_id.bytes + what.encode()).digest()


def around(limit_s: float = 0, spread_s: float = 7200) -> SearchStrategy[timedelta]:
    """Before and after now (or now + `limit_s`), and often exactly there."""
    far = st.integers(-int(spread_s), int(spread_s)).map(lambda n: timedelta(seconds=n))
    return (st.sampled_from(EDGES) | far).map(lambda offset: offset + timedelta(seconds=limit_s))


def lately() -> SearchStrategy[timedelta]:
    """Up to now, and so few moments that several rows have the same."""
    return st.integers(0, 3).map(lambda n: -timedelta(hours=n))


def past(days: int = 2) -> SearchStrategy[timedelta]:
    """Up to now; whole hours, so that several rows often have the same."""
    return st.integers(0, 24 * days).map(lambda n: -timedelta(hours=n))


def rows(one: Rows, *keys: str, min_size: int = 0, max_size: int = 6) -> SearchStrategy[list[Row]]:
    """Several, no two with the same id, or with the same of what `keys` name."""
    unique_by = tuple(itemgetter(name) for name in keys or ("id",))
    return st.lists(one, min_size=min_size, max_size=max_size, unique_by=unique_by)


@st.composite
def people(draw: st.DrawFn, **fixed: Any) -> Row:
    row_id = fixed.get("id") or draw(ids)
    rest = draw(rests)
    row = {
        "id": row_id,
        "google_id": f"google-{row_id}",
        "email": rest.one_of((*EMAILS, f"{row_id}@madar.test")),
        "display_name": rest.one_of(NAMES),
        "avatar_url": rest.one_of((None, "https://pictures.test/a.png")),
        "language": rest.one_of(("en", "ar")),
        "is_active": draw(st.sampled_from((True, True, True, False))),
        "is_name_chosen": rest.one_of((False, True)),
        "is_language_chosen": rest.one_of((False, True)),
        "created_at": rest.lately(),
        "updated_at": rest.past(),
        "deleted_at": None,
    }
    return row | fixed


@st.composite
def sessions(draw: st.DrawFn, **fixed: Any) -> Row:
    row_id = draw(ids)
    rest = draw(rests)
    expires_at = draw(st.just(timedelta(hours=1)) | around())
    row = {
        "id": row_id,
        "session_token": hash_of(row_id),
        "expires_at": expires_at,
        "ends_at": expires_at + timedelta(seconds=rest.number(0, 3600)),
        "created_at": rest.lately(),
        "last_seen_at": draw(lately() | around(-300, 600)),
        "user_agent": rest.one_of((None, *AGENTS)),
    }
    return row | fixed


@st.composite
def uploads(draw: st.DrawFn, **fixed: Any) -> Row:
    row_id = draw(ids)
    rest = draw(rests)
    row = {
        "id": row_id,
        "object_key": f"uploads/{row_id}.webp",
        "thumbnail_key": f"uploads/{row_id}-small.webp",
        "file_size": rest.number(1, 2**33),
        "width": rest.number(1, 4096),
        "height": rest.number(1, 4096),
        "created_at": draw(lately()),
    }
    return row | fixed


@st.composite
def generations(draw: st.DrawFn, **fixed: Any) -> Row:
    """In any state; `next_action_at` and leases as workers leave them."""
    rest = draw(rests)
    row = generation(
        fixed.get("id") or draw(ids),
        rest,
        state=fixed.get("state") or draw(st.sampled_from(STATES)),
        style=fixed.get("style") or draw(st.sampled_from(STYLES)),
        created_at=draw(lately()),
        is_liked=draw(st.booleans()),
    )
    return row | (draw(_lease(rest)) if is_unfinished(row) else {}) | fixed


def is_unfinished(row: Row) -> bool:
    return row["state"] not in {"completed", "failed"}


def generation(
    row_id: UUID,
    rest: Rest,
    *,
    state: State,
    style: str = STYLES[0],
    created_at: timedelta = EDGES[0],
    is_liked: bool = False,
) -> Row:
    """In nobody's hands and not due."""
    draw_step, draw_steps = rest.one_of(((None, None), (0, 28), (17, 28)))
    row: Row = {
        "id": row_id,
        "prompt": rest.prompt(),
        "prompt_english": rest.one_of((None, "a red rocket")),
        "translation": rest.one_of((None, "pending", "done", "failed")),
        "style": style,
        "aspect_ratio": rest.one_of(ASPECT_RATIOS),
        "input_type": rest.one_of(("text", "image")),
        "custom_colors": rest.one_of(([], ["#ff0000"], ["#00ff00", "#0000ff"])),
        "seed": rest.number(0, 2**31 - 1),
        "state": state,
        "step": rest.one_of(STEPS),
        "draw_step": draw_step,
        "draw_steps": draw_steps,
        "version": rest.number(1, 9),
        "is_liked": is_liked,
        "download_count": rest.number(0, 3),
        "view_count": rest.number(0, 3),
        "deadline_at": rest.around(),
        "stumbles": rest.number(0, 2),
        "created_at": created_at,
        "updated_at": created_at,
        "deleted_at": None,
        "gone_at": None,
    }
    return row | (_files(row, rest) if state == "completed" else _ending(row, rest))


def _files(row: Row, rest: Rest) -> Row:
    """The columns of a completed one."""
    return {
        "error_code": None,
        "fal_progress": 100,
        "master_key": f"masters/{row['id']}.png",
        "result_image_key": f"results/{row['id']}.webp",
        "thumbnail_key": f"thumbnails/{row['id']}.webp",
        "file_size_bytes": rest.number(1, 2**33),
        "image_dimensions": {"width": 1024, "height": 1024},
        "transparency": {"coverage": 0.5},
        "started_at": row["created_at"],
        "completed_at": row["created_at"] + timedelta(seconds=rest.number(1, 90)),
        "next_action_at": None,
        "lease_until": None,
    }


def _ending(row: Row, rest: Rest) -> Row:
    """The columns of any other. Files may be there already: a worker chose their names."""
    name = rest.one_of((None, f"{row['id']}-chosen"))
    has_failed = row["state"] in {"failed", "reviving"}
    return {
        "error_code": rest.one_of(ERRORS) if has_failed else None,
        "fal_progress": rest.number(0, 99),
        "master_key": name and f"masters/{name}.png",
        "result_image_key": name and f"results/{name}.webp",
        "thumbnail_key": name and f"thumbnails/{name}.webp",
        "queue_position": rest.one_of((None, 1, 2, 3)),
        "started_at": None if row["state"] == "queued" else rest.past(),
        "next_action_at": None,
        "lease_until": None,
    }


@st.composite
def _lease(draw: st.DrawFn, rest: Rest) -> Row:
    return {
        "next_action_at": draw(st.just(-timedelta(seconds=1)) | around()),
        "lease_until": draw(st.none() | around(0, 60)),
        "lease_owner": rest.one_of(("worker-1", "worker-2")),
        "lease_epoch": rest.number(0, 5),
        "crashes": rest.number(0, 2),
    }


@st.composite
def deleted(draw: st.DrawFn, one: Rows) -> Row:
    """In the trash, just out of it, or gone at once."""
    row = draw(one)
    deleted_at = draw(lately())
    gone_at = draw(st.none() | around()) if row["state"] == "completed" else None
    at_rest = {"next_action_at": None, "lease_until": None}
    return row | at_rest | {"deleted_at": deleted_at, "gone_at": gone_at, "updated_at": deleted_at}


def galleries(**fixed: Any) -> Rows:
    """A person's generations: mostly there, some deleted."""
    one = generations(**fixed)
    return one | one | deleted(one)


@st.composite
def attempts(draw: st.DrawFn, **fixed: Any) -> Row:
    """`n` is its number within its generation; of those at most one may be live."""
    row_id = draw(ids)
    state: AttemptState = fixed.get("state") or draw(st.sampled_from(LIVE + ENDED))
    rest = draw(rests)
    sent_at = None if state == "prepared" else rest.past()
    is_known = state in {"accepted", "succeeded"} or (sent_at and rest.one_of((False, True)))
    row: Row = {
        "id": row_id,
        "n": 1,
        "step": rest.one_of(("draw", "cutout", "translate")),
        "state": state,
        "seed": rest.number(0, 2**31 - 1),
        "endpoint": None if sent_at is None else "fal-ai/flux-lora",
        "arguments": None if sent_at is None else {"seed": 1},
        "request_id": f"request-{row_id}" if is_known else None,
        "polls": rest.number(0, 12),
        "created_at": rest.past(),
        "sent_at": sent_at,
        "accepted_at": sent_at if state in {"accepted", "succeeded"} else None,
        "resolved_at": rest.past() if state in ENDED else None,
    }
    return row | _turn(state, rest) | fixed


def _turn(state: AttemptState, rest: Rest) -> Row:
    """In the line, with a turn, or neither yet."""
    waits = state != "prepared" or rest.one_of((False, True))
    has_turn = state != "prepared" or (waits and rest.one_of((False, True)))
    return {
        "waiting_since": rest.past() if waits else None,
        "granted_at": rest.past() if has_turn else None,
    }


@st.composite
def made(draw: st.DrawFn, one: Rows) -> tuple[Row, list[Row]]:
    """A generation and its attempts: ended ones, and a live one last while it is being made."""
    generation = draw(one)
    states = draw(st.lists(st.sampled_from(ENDED), max_size=2))
    if generation["next_action_at"] is not None and draw(st.booleans()):
        states.append(draw(st.sampled_from(LIVE)))
    found = [draw(attempts(generation_id=generation["id"], state=state)) for state in states]
    return generation, [row | {"n": n} for n, row in enumerate(found, 1)]
