"""Rows that the schema accepts, as hypothesis draws them: dicts by column (see harness.py).

A time is a timedelta, counted from the moment of the example. Each function takes columns to fix,
as in `generations(user_id=amal["id"], state="completed")`; everything else is drawn. Ids and keys
are drawn too: lists of rows are `rows(…)`, which lets no two have the same id.
"""

from datetime import timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from madar.domain.generations import ASPECT_RATIOS, AttemptState, State, Step

Row = dict[str, Any]
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
AGENTS = ("", "curl/8", "Mozilla/5.0 (متصفح)")

ids = st.uuids()
hashes = st.binary(min_size=32, max_size=32)
languages = st.sampled_from(("en", "ar"))
words = st.sampled_from(WORDS)
prompts = st.lists(words, min_size=1, max_size=6).map(" ".join)
# Anything that can be stored: PostgreSQL has no place for the zero byte.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
names = st.sampled_from(("Amal", "أمل", "Badr", "بدر السالم", "Dana O'Hara", "x" * 255)) | texts
# A boundary is where a comparison can be wrong by one: exactly now, and a microsecond beside it.
_EDGES = tuple(timedelta(microseconds=n) for n in (-1, 0, 1))


def around(limit_s: float = 0, spread_s: float = 7200) -> SearchStrategy[timedelta]:
    """Before and after now (or now + `limit_s`), and often exactly there."""
    edges = st.sampled_from(_EDGES)
    far = st.integers(-int(spread_s), int(spread_s)).map(lambda n: timedelta(seconds=n))
    return (edges | far).map(lambda offset: offset + timedelta(seconds=limit_s))


def past(days: int = 2) -> SearchStrategy[timedelta]:
    """Up to now; whole hours, so that several rows often have the same."""
    return st.integers(0, 24 * days).map(lambda n: -timedelta(hours=n))


def future(hours: int = 24) -> SearchStrategy[timedelta]:
    return st.integers(1, hours * 60).map(lambda n: timedelta(minutes=n))


def rows(one: Rows, *keys: str, min_size: int = 0, max_size: int = 6) -> SearchStrategy[list[Row]]:
    """Several, no two with the same id, or with the same of what `keys` name."""
    unique_by = tuple(itemgetter(name) for name in keys or ("id",))
    return st.lists(one, min_size=min_size, max_size=max_size, unique_by=unique_by)


@st.composite
def people(draw: st.DrawFn, **fixed: Any) -> Row:
    row_id = fixed.get("id") or draw(ids)
    row = {
        "id": row_id,
        "google_id": f"google-{row_id}",
        "email": draw(
            st.sampled_from(("amal@madar.test", "Badr@madar.test", f"{row_id}@madar.test"))
        ),
        "display_name": draw(names),
        "avatar_url": draw(st.none() | st.just("https://pictures.test/a.png")),
        "language": draw(languages),
        "is_active": draw(st.booleans()),
        "is_name_chosen": draw(st.booleans()),
        "is_language_chosen": draw(st.booleans()),
        "created_at": draw(past()),
        "deleted_at": None,
    }
    return row | fixed


@st.composite
def sessions(draw: st.DrawFn, **fixed: Any) -> Row:
    expires_at = draw(around())
    row = {
        "id": draw(ids),
        "session_token": draw(hashes),
        "expires_at": expires_at,
        "ends_at": expires_at + draw(st.integers(0, 3600).map(lambda n: timedelta(seconds=n))),
        "created_at": draw(past()),
        "last_seen_at": draw(past() | around(-300, 600)),
        "user_agent": draw(st.none() | st.sampled_from(AGENTS)),
    }
    return row | fixed


@st.composite
def uploads(draw: st.DrawFn, **fixed: Any) -> Row:
    row_id = draw(ids)
    row = {
        "id": row_id,
        "object_key": f"uploads/{row_id}.webp",
        "thumbnail_key": f"thumbnails/{row_id}.webp",
        "file_size": draw(st.integers(1, 2**33)),
        "width": draw(st.integers(1, 4096)),
        "height": draw(st.integers(1, 4096)),
        "created_at": draw(past()),
    }
    return row | fixed


@st.composite
def generations(draw: st.DrawFn, **fixed: Any) -> Row:
    """In any state, in the trash or gone; `next_action_at` and leases as workers leave them."""
    row_id = fixed.get("id") or draw(ids)
    state: State = fixed.get("state") or draw(st.sampled_from(STATES))
    created_at = draw(past())
    row: Row = {
        "id": row_id,
        "prompt": draw(prompts),
        "prompt_english": draw(st.none() | prompts),
        "translation": draw(st.sampled_from((None, "pending", "done", "failed"))),
        "style": draw(st.sampled_from(STYLES)),
        "aspect_ratio": draw(st.sampled_from(ASPECT_RATIOS)),
        "input_type": draw(st.sampled_from(("text", "image"))),
        "custom_colors": draw(st.sampled_from(([], ["#ff0000"], ["#00ff00", "#0000ff"]))),
        "seed": draw(st.integers(0, 2**31 - 1)),
        "state": state,
        "step": draw(st.sampled_from(STEPS)),
        "version": draw(st.integers(1, 9)),
        "is_liked": draw(st.booleans()),
        "download_count": draw(st.integers(0, 3)),
        "view_count": draw(st.integers(0, 3)),
        "deadline_at": draw(around()),
        "created_at": created_at,
        "updated_at": created_at,
        "deleted_at": None,
        "gone_at": None,
    }
    return row | draw(_making(row_id, state, created_at)) | fixed


@st.composite
def _making(draw: st.DrawFn, row_id: UUID, state: State, created_at: timedelta) -> Row:
    """The columns that depend on the state."""
    has_files = state == "completed" or draw(st.booleans())
    row: Row = {
        "error_code": draw(st.sampled_from(ERRORS)) if state in {"failed", "reviving"} else None,
        "fal_progress": 100 if state == "completed" else draw(st.integers(0, 99)),
        "master_key": f"masters/{row_id}.png" if has_files else None,
        "result_image_key": f"results/{row_id}.webp" if has_files else None,
        "thumbnail_key": f"thumbnails/{row_id}.webp" if has_files else None,
        "started_at": None if state == "queued" else created_at,
        "completed_at": None,
        "next_action_at": None,
        "queue_position": draw(st.none() | st.integers(1, 9)) if state == "queued" else None,
    }
    if state == "completed":
        row |= {
            "completed_at": created_at + timedelta(seconds=draw(st.integers(1, 90))),
            "file_size_bytes": draw(st.integers(1, 2**33)),
            "image_dimensions": {"width": 1024, "height": 1024},
            "transparency": {"coverage": 0.5},
        }
    elif state != "failed":
        row |= {
            "next_action_at": draw(around()),
            "lease_until": draw(st.none() | around(0, 60)),
            "lease_owner": draw(st.sampled_from(("worker-1", "worker-2"))),
            "lease_epoch": draw(st.integers(0, 5)),
            "crashes": draw(st.integers(0, 2)),
        }
    return row


@st.composite
def deleted(draw: st.DrawFn, one: Rows) -> Row:
    """In the trash, just out of it, or gone at once."""
    row = draw(one)
    deleted_at = draw(past(40))
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
    state: AttemptState = fixed.get("state") or draw(st.sampled_from(LIVE + ENDED))
    sent_at = None if state == "prepared" else draw(past())
    is_known = state in {"accepted", "succeeded"} or draw(st.booleans())
    row_id = draw(ids)
    row: Row = {
        "id": row_id,
        "n": 1,
        "step": draw(st.sampled_from(("translate", "draw", "cutout"))),
        "state": state,
        "seed": draw(st.integers(0, 2**31 - 1)),
        "endpoint": None if sent_at is None else "fal-ai/flux-lora",
        "arguments": None if sent_at is None else {"seed": 1},
        "request_id": f"request-{row_id}" if is_known and sent_at is not None else None,
        "polls": draw(st.integers(0, 12)),
        "created_at": draw(past()),
        "sent_at": sent_at,
        "accepted_at": sent_at if state in {"accepted", "succeeded"} else None,
        "resolved_at": draw(past()) if state in ENDED else None,
    }
    return row | draw(_turn(state)) | fixed


@st.composite
def _turn(draw: st.DrawFn, state: AttemptState) -> Row:
    """In the line, with a turn, or neither yet."""
    waiting_since = draw(st.none() | past()) if state == "prepared" else draw(past())
    has_turn = waiting_since is not None and (state != "prepared" or draw(st.booleans()))
    return {"waiting_since": waiting_since, "granted_at": draw(past()) if has_turn else None}


@st.composite
def made(draw: st.DrawFn, one: Rows) -> tuple[Row, list[Row]]:
    """A generation and its attempts: ended ones, and a live one last while it is being made."""
    generation = draw(one)
    ended = attempts(generation_id=generation["id"])
    found = draw(rows(ended.filter(lambda row: row["state"] in ENDED), max_size=2))
    if generation["next_action_at"] is not None and draw(st.booleans()):
        state = draw(st.sampled_from(LIVE))
        found.append(draw(attempts(generation_id=generation["id"], state=state)))
    return generation, [row | {"n": n} for n, row in enumerate(found, 1)]
