"""I1 to I9 (docs/reliability.md), checked from outside once the faults are over.

Four witnesses that do not know of each other are asked: the database, what Fal's stand-in
recorded, the bucket, and what the clients saw.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, cast

import pyvips

from tests.faults.rig.watching import DELETED, Seen
from tests.simulator.harness import Json

Kind = Literal["lost", "doubled", "stuck", "regressed", "broken"]
ENDED = frozenset({"completed", "failed"})
AFTER_AN_END = {("failed", "completed"), ("failed", DELETED), ("completed", DELETED)}
# What a client may be told while something is killed, beside what it asked for.
_NO_FAULT = frozenset({200, 201, 204, 404, 409, 429, 503})
_KEYS = ("master_key", "result_image_key", "thumbnail_key")


@dataclass(frozen=True, kw_only=True)
class Violation:
    kind: Kind
    invariant: str
    what: str


@dataclass(kw_only=True)
class Witnesses:
    """What each witness says of some generations; `rows` are those of the database, by id."""

    acknowledged: dict[str, str]  # idempotency key -> generation id, as its client was told
    answers: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    deleted: set[str] = field(default_factory=set[str])
    rows: dict[str, Json] = field(default_factory=dict[str, Json])
    keys_in_use: set[str] = field(default_factory=set[str])
    submissions: list[Json] = field(default_factory=list[Json])
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    seen: dict[str, list[Seen]] = field(default_factory=dict[str, list[Seen]])
    codes: set[int] = field(default_factory=set[int])
    shown_to_owner: dict[str, int] = field(default_factory=dict[str, int])
    shown_to_stranger: dict[str, int] = field(default_factory=dict[str, int])
    quota_used: int | None = None
    quota_expected: int | None = None
    unpurged: int = 0


def check(told: Witnesses) -> list[Violation]:
    """Nothing, when everything holds."""
    return [
        *_ends(told),
        *_paid_once(told),
        *_absorbed(told),
        *_whole(told),
        *_counted(told),
        *_private(told),
        *_forward(told),
        *_gone(told),
        *_answered(told),
    ]


def _ends(told: Witnesses) -> Iterable[Violation]:
    """I1: what was acknowledged is there, once, and completed; no trial gives a reason to fail."""
    for key, answers in told.answers.items():
        if len(answers) > 1:
            yield Violation(kind="doubled", invariant="I1", what=f"{key} made {sorted(answers)}")
    for generation_id in told.acknowledged.values():
        row = told.rows.get(generation_id)
        if row is None:
            if generation_id not in told.deleted:
                yield Violation(kind="lost", invariant="I1", what=f"{generation_id} is not there")
        elif row["deleted_at"] is None:
            yield from _end_of(row)


def _end_of(row: Json) -> Iterable[Violation]:
    if row["state"] not in ENDED:
        what = f"{row['id']} is {row['state']} at {row['step']}, {row['attempts']}"
        yield Violation(kind="stuck", invariant="I1", what=what)
    if row["state"] == "failed":
        what = f"{row['id']} failed: {row['error_code']}, {row['fal_error']}"
        yield Violation(kind="lost", invariant="I1", what=what)


def _paid_once(told: Witnesses) -> Iterable[Violation]:
    """I2: one submission for a step, unless Fal itself ended the one before without a result."""
    attempts = {
        attempt["id"]: (row["id"], attempt["step"])
        for row in told.rows.values()
        for attempt in row["attempts"] or ()
    }
    unfailed = Counter(
        attempts[one["attempt_id"]]
        for one in told.submissions
        if one["attempt_id"] in attempts and not _was_ended(one)
    )
    for (generation_id, step), n in unfailed.items():
        if n > 1:
            what = f"{generation_id} was submitted {n} times for {step}"
            yield Violation(kind="doubled", invariant="I2", what=what)


def _was_ended(submission: Json) -> bool:
    code = submission["status_code"]
    return code is not None and code != 200


def _absorbed(told: Witnesses) -> Iterable[Violation]:
    """I3: an end is an end; only a failure may become a success, and any may be deleted."""
    for generation_id, channel, seen in _by_channel(told):
        statuses = [one.status for one in seen]
        changes = {(a, b) for a, b in pairwise(statuses) if a in {*ENDED, DELETED} and b != a}
        if changes - AFTER_AN_END:
            what = f"{generation_id} went on after its end ({channel}): {statuses}"
            yield Violation(kind="regressed", invariant="I3", what=what)


def _whole(told: Witnesses) -> Iterable[Violation]:
    """I4: completed means that all of its files are there, decode, and are as long as told."""
    for row in told.rows.values():
        if row["state"] != "completed" or row["deleted_at"] is not None:
            continue
        missing = [name for name in _KEYS if row[name] not in told.objects]
        if missing:
            what = f"{row['id']} lacks {missing}"
            yield Violation(kind="lost", invariant="I4", what=what)
        elif fault := _fault_of(row, told.objects):
            yield Violation(kind="lost", invariant="I4", what=f"{row['id']}: {fault}")


def _fault_of(row: Json, objects: dict[str, bytes]) -> str | None:
    master = objects[row["master_key"]]
    if len(master) != row["file_size_bytes"]:
        return f"{len(master)} bytes instead of {row['file_size_bytes']}"
    try:
        sizes = [_size_of(objects[row[name]]) for name in _KEYS]
    except pyvips.Error as error:
        return f"does not decode: {error}"
    told = row["image_dimensions"]
    return None if sizes[0] == (told["width"], told["height"]) else f"measures {sizes[0]}"


def _size_of(content: bytes) -> tuple[int, int]:
    image = cast("Any", pyvips.Image.new_from_buffer(content, "", fail_on="error"))
    image.avg()
    return image.width, image.height


def _counted(told: Witnesses) -> Iterable[Violation]:
    """I5: the quota counts what was accepted and not refunded, no more and no less."""
    if told.quota_used != told.quota_expected:
        what = f"{told.quota_used} counted, {told.quota_expected} accepted"
        yield Violation(kind="broken", invariant="I5", what=what)


def _private(told: Witnesses) -> Iterable[Violation]:
    """I6: for a stranger there is nothing."""
    for generation_id, code in told.shown_to_stranger.items():
        if code != 404:
            what = f"a stranger was answered {code} for {generation_id}"
            yield Violation(kind="broken", invariant="I6", what=what)


def _forward(told: Witnesses) -> Iterable[Violation]:
    """I7: no client sees a version after a newer one."""
    for generation_id, channel, seen in _by_channel(told):
        versions = [one.version for one in seen]
        if versions != sorted(versions):
            what = f"{generation_id} went back ({channel}): {versions}"
            yield Violation(kind="regressed", invariant="I7", what=what)
        row = told.rows.get(generation_id)
        if row and versions and max(versions) > row["version"]:
            what = f"{generation_id} was seen at {max(versions)} and is at {row['version']}"
            yield Violation(kind="regressed", invariant="I7", what=what)


def _gone(told: Witnesses) -> Iterable[Violation]:
    """I8: what was deleted shows nowhere and leaves nothing, here or at Fal."""
    for generation_id in told.deleted:
        row = told.rows.get(generation_id)
        code = told.shown_to_owner.get(generation_id, 404)
        if code != 404 or (row and row["deleted_at"] is None):
            what = f"{generation_id} is deleted and answers {code}"
            yield Violation(kind="regressed", invariant="I8", what=what)
    orphans = told.objects.keys() - told.keys_in_use
    if orphans:
        what = f"{len(orphans)} objects belong to nothing: {sorted(orphans)[:3]}"
        yield Violation(kind="stuck", invariant="I8", what=what)
    if told.unpurged:
        what = f"{told.unpurged} removals are not done"
        yield Violation(kind="stuck", invariant="I8", what=what)
    copies = [
        one["request_id"]
        for one in told.submissions
        if one["state"] == "COMPLETED"
        and one["arguments"] is not None
        and _generation_of(told, one) in told.deleted
    ]
    if copies:
        what = f"Fal still has the input of {copies}"
        yield Violation(kind="stuck", invariant="I8", what=what)


def _answered(told: Witnesses) -> Iterable[Violation]:
    """I9: nobody is told of an error of ours; what is away is 503."""
    unexpected = told.codes - _NO_FAULT
    if unexpected:
        what = f"clients were answered {sorted(unexpected)}"
        yield Violation(kind="broken", invariant="I9", what=what)


def _generation_of(told: Witnesses, submission: Json) -> str | None:
    for row in told.rows.values():
        if any(each["id"] == submission["attempt_id"] for each in row["attempts"] or ()):
            return str(row["id"])
    return None


def _by_channel(told: Witnesses) -> Iterable[tuple[str, str, list[Seen]]]:
    for generation_id, seen in told.seen.items():
        for channel in ("socket", "question"):
            ordered = [one for one in seen if one.channel == channel]
            if ordered:
                yield generation_id, channel, ordered
