"""sql/queries/generations.sql: when a picture is promised, and what becomes of the promise.

Who is in the line and what is at Fal is what the views fal_line and fal_requests say; the
properties of turns.sql hold those. Here it is what is made of them.
"""

import json
import math
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given

from madar.db import generations
from madar.domain.generations import GenerationRequest
from tests.sql import pictures, strategies
from tests.sql.dice import Dice, dices
from tests.sql.harness import Session, Sql
from tests.sql.pictures import MOMENTS
from tests.sql.register import holds
from tests.sql.scenes import s
from tests.sql.strategies import LIVE, Rest, Row

STEPS = {"draw": 8.0, "cutout": 3.0}


Line = tuple[list[Row], list[Row], list[Row]]


def lines(dice: Dice) -> Line:
    """People, their pictures in the making, and of each the attempt that is live."""
    made: list[Row] = []
    attempts: list[Row] = []
    for number in range(dice.number(0, 8)):
        row = strategies.generation(
            UUID(int=number + 10),
            Rest(dice.number(0, 255)),
            state=dice.one("queued", "queued", "processing", "finalizing"),
            style=dice.one(*strategies.STYLES),
        )
        row |= {"user_id": dice.one(*pictures.PEOPLE), "next_action_at": dice.one(*MOMENTS)}
        row["expected_at"] = dice.maybe(*(s(n) for n in range(45)))
        row["promised_at"] = dice.one(None, s(7))
        over: Row = dice.one({"next_action_at": None}, {"deleted_at": s(0)})
        made.append(row | dice.mostly({}, over))
        attempts.append(_live(dice, row["id"]))
    return pictures.users(), made, attempts


def _live(dice: Dice, generation_id: UUID) -> Row:
    state = dice.one("prepared", "prepared", "prepared", *LIVE)
    waiting_since = dice.mostly(s(-dice.number(0, 90)), None if state == "prepared" else s(-1))
    has_turn = state != "prepared" or (waiting_since is not None and dice.mostly(False, True))
    return {
        "id": UUID(int=generation_id.int + 100),
        "generation_id": generation_id,
        "n": 1,
        "step": dice.one("draw", "draw", "cutout", "translate"),
        "state": state,
        "seed": 1,
        "polls": dice.one(0, 0, 1, 12),
        "request_id": f"request-{generation_id}" if state == "accepted" else None,
        "sent_at": None if state == "prepared" else s(-dice.number(0, 90)),
        "waiting_since": waiting_since,
        "granted_at": waiting_since if has_turn else None,
    }


def seed(db: Session, line: Line, dice: Dice) -> Row:
    """Answers the gate."""
    for table, found in zip(("users", "generations", "attempts"), line, strict=True):
        for row in found:
            db.add(table, row)
    db.execute("UPDATE generation_styles SET typical_seconds = $1, step_seconds = $2"
               " WHERE id <> 'neon-glow'", 14.0, json.dumps(STEPS))  # fmt: skip
    typical = dice.one(None, 20.5)
    db.execute("UPDATE generation_styles SET typical_seconds = $1 WHERE id = 'neon-glow'", typical)
    db.execute("UPDATE fal_gate SET places = $1", dice.number(1, 4))
    trouble = dice.one("", "", "", "", "fails", "pauses")
    if trouble == "fails":
        db.execute("UPDATE fal_gate SET failing_since = now(), reason = 'unreachable'")
    elif trouble == "pauses":
        db.execute("UPDATE fal_gate SET paused_at = now(), pause_reason = '', pause_reason_ar = ''")
    return db.row("fal_gate")


def is_going(gate: Row) -> bool:
    return gate["failing_since"] is None and gate["paused_at"] is None


def total(seconds: list[float | None]) -> float:
    return sum(one for one in seconds if one is not None)


@holds("generations.insert_generation", share=1.5)
@given(dices())
def test_what_is_promised_is_a_turn_in_the_line_and_the_making(sql: Sql, dice: Dice) -> None:
    owner_id, style = pictures.AMAL, dice.one(*strategies.STYLES)
    new = UUID(int=1)
    request = GenerationRequest(
        style=style, prompt="a cat", input_type="text", aspect_ratio="1:1", custom_colors=(),
        source_upload_id=None, source_key=None, seed=None,
    )  # fmt: skip
    with sql.example() as db:
        gate = seed(db, lines(dice), dice)
        waiting, at_fal = db.rows("fal_line"), db.rows("fal_requests")
        typical = db.row("generation_styles", id=style)["typical_seconds"]
        body = db.call(
            generations.insert_generation,
            id=new, owner_id=owner_id, request=request, source_upload_id=None, seed=7,
            first_step="draw", attempt_id=UUID(int=2), deadline_s=90, language="en",
            prompt_english=None, translation=None, parent_id=None,
        )  # fmt: skip

        own = [one["would_hold"] for one in waiting if one["user_id"] == owner_id]
        own = own or [sum(one["user_id"] == owner_id for one in at_fal)]
        ahead = [one for one in waiting if one["would_hold"] <= 1 + max(own)]
        estimate = typical
        if typical and len(ahead) + len(at_fal) >= gate["places"]:
            held = [one["held_seconds"] for one in ahead]
            left = [one["seconds_left"] for one in at_fal]
            estimate += (total(held) + total(left)) / gate["places"]
        told = json.loads(body or b"").get("estimatedTimeSeconds")
        row = db.row("generations", id=new)
        assert row["promised_at"] == row["expected_at"]
        if estimate is None or not is_going(gate):
            assert told is None
            assert row["promised_at"] is None
        else:
            assert told == math.ceil(round(estimate, 6))
            promised_s = (row["promised_at"] - db.now).total_seconds()
            assert promised_s == pytest.approx(estimate, abs=0.001)


@holds("generations.renumber_line", share=1.5)
@given(dices())
def test_everybody_in_the_line_learns_their_number(sql: Sql, dice: Dice) -> None:
    n = dice.number(0, 4)
    with sql.example() as db:
        gate = seed(db, lines(dice), dice)
        told = _told(db, gate, n)
        before = {row["id"]: row for row in db.rows("generations")}
        with db.changes("generations") as seen:
            moved = db.call(generations.renumber_line, n=n)

        numbered: set[UUID] = set()
        for picture, row in before.items():
            after = row | seen["generations"].changed.get(picture, {})
            number, expected_at = told.get(picture, (None, None))
            if picture not in told or not _is_news(row, number, expected_at):
                assert picture not in seen["generations"].changed
                continue
            if number != row["queue_position"]:
                numbered.add(picture)
            assert after["queue_position"] == number
            assert _seconds(after["expected_at"], db.now) == _near(expected_at, db.now)
            assert after["promised_at"] == (row["promised_at"] or after["expected_at"])
            assert after["version"] == row["version"] + (picture in numbered)
            assert after["updated_at"] == db.now
        assert sorted(moved) == sorted(numbered)
        assert not seen["generations"].added


def _told(db: Session, gate: Row, n: int) -> dict[UUID, tuple[int | None, datetime | None]]:
    """The number and the time of each that is in the line or at Fal."""
    pictures = {row["id"]: row for row in db.rows("generations")}
    at_fal = db.rows("fal_requests")
    told: dict[UUID, tuple[int | None, datetime | None]] = {}
    ahead: list[float | None] = []
    for one in sorted(db.rows("fal_line"), key=lambda one: one["place"]):
        picture, is_near = pictures[one["generation_id"]], one["place"] <= n
        wait_s = 0.0
        if one["place"] + len(at_fal) > gate["places"]:
            left = total([other["seconds_left"] for other in at_fal])
            wait_s = (total(ahead) + left) / gate["places"]
        ahead.append(one["held_seconds"])
        expected_at = None
        if is_going(gate) and one["seconds_to_go"] is not None:
            expected_at = db.now + timedelta(seconds=one["seconds_to_go"] + wait_s)
        number = one["place"] if is_near else None
        told[picture["id"]] = (
            number if picture["state"] == "queued" else picture["queue_position"],
            expected_at if is_near else picture["expected_at"],
        )
    for one in at_fal:
        picture = pictures[one["generation_id"]]
        is_numbered = picture["state"] == "queued" and one["state"] != "accepted"
        to_go = one["seconds_to_go"]
        told[picture["id"]] = (
            None if is_numbered else picture["queue_position"],
            to_go and one["began_at"] + timedelta(seconds=to_go),
        )
    return told


def _is_news(row: Row, number: int | None, expected_at: datetime | None) -> bool:
    if row["next_action_at"] is None or row["deleted_at"] is not None:
        return False
    old = row["expected_at"]
    if number != row["queue_position"] or (old is None) != (expected_at is None):
        return True
    return bool(old and expected_at) and abs((expected_at - old).total_seconds()) > 2


def _seconds(moment: datetime | None, now: datetime) -> float | None:
    return moment and (moment - now).total_seconds()


def _near(moment: datetime | None, now: datetime) -> Any:
    return None if moment is None else pytest.approx((moment - now).total_seconds(), abs=0.001)


@holds("generations.renumber_line", share=0.2)
@given(strategies.people())
def test_whom_somebody_writes_to_at_this_moment_is_told_the_next_time(
    sql: Sql, person: Row
) -> None:
    with sql.committed(2) as (writer, reconciler):
        writer.add("users", person)
        row = strategies.generation(UUID(int=1), strategies.Rest(0), state="queued")
        writer.add("generations", row | {"user_id": person["id"], "next_action_at": timedelta()})
        line = {"state": "prepared", "waiting_since": timedelta(), "step": "draw", "seed": 1}
        writer.add("attempts", {"id": UUID(int=2), "generation_id": row["id"], "n": 1, **line})
        writer.begin()
        writer.execute("UPDATE generations SET updated_at = now()")
        assert reconciler.call(generations.renumber_line, n=9) == []
        writer.rollback()
        assert reconciler.call(generations.renumber_line, n=9) == [row["id"]]
