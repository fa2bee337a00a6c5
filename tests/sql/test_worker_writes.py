"""sql/queries/generations.sql, for workers: who may work on what, and what they may write."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import generations
from madar.db.generations import Claimed, Due, Outcome, Timing
from madar.domain.progress import Steps
from tests.sql import pictures, strategies
from tests.sql.dice import Dice, dices
from tests.sql.harness import Session, Sql
from tests.sql.register import holds
from tests.sql.strategies import Rest, Row

WORKERS = ("worker-1", "worker-2")
SECOND = timedelta(seconds=1)


def work(dice: Dice, most: int = 5) -> list[Row]:
    """Pictures as a worker meets them: due or not, held or not, deleted or not."""
    count = dice.number(0, most)
    return [pictures.generation(dice, one, alive=True) for one in pictures.ids(dice, count)]


def seeded(db: Session, given: list[Row]) -> list[Row]:
    db.add("users", *pictures.users())
    db.add("generation_styles", pictures.style())
    return [db.add("generations", row) | {"is_crashed": False} for row in given]


def is_open(row: Row) -> bool:
    """Whether anything is left for a worker to do."""
    return row["next_action_at"] is not None and row["deleted_at"] is None


def claim_of(row: Row, *, epoch: int, claimed_at: datetime) -> Claimed:
    """What a worker holds in its hands when it writes; of a claim only these three count."""
    unread: dict[str, Any] = dict.fromkeys(Claimed.__dataclass_fields__)
    unread |= {"id": row["id"], "lease_epoch": epoch, "claimed_at": claimed_at}
    return Claimed(**unread)


@holds("generations.claim_generation_to_advance")
@given(dices())
def test_a_due_one_is_claimed_by_one(sql: Sql, dice: Dice) -> None:
    may_be_suspect = dice.one(False, True)
    with sql.example() as db:
        for row in seeded(db, work(dice)):
            until = row["lease_until"]
            is_free = until is None or (may_be_suspect and until <= db.now)
            can = is_open(row) and row["next_action_at"] <= db.now and is_free
            with db.changes("generations") as seen:
                claimed = db.call(
                    generations.claim_generation_to_advance,
                    id=row["id"], owner="me", lease_s=30, may_be_suspect=may_be_suspect,
                )  # fmt: skip
                again = db.call(
                    generations.claim_generation_to_advance,
                    id=row["id"], owner="me", lease_s=30, may_be_suspect=may_be_suspect,
                )  # fmt: skip

            assert (claimed is not None) == can
            assert again is None
            if claimed is None:
                assert not seen["generations"].changed
                continue
            after = db.row("generations", id=row["id"])
            crashes = 0 if until is None else row["crashes"] + 1
            expected = {
                "lease_owner": "me",
                "lease_epoch": row["lease_epoch"] + 1,
                "lease_until": db.now + timedelta(seconds=30),
                "crashes": crashes,
            }
            assert {name: after[name] for name in expected} == expected
            assert seen["generations"].changed[row["id"]].keys() <= expected.keys()
            assert claimed.lease_epoch == row["lease_epoch"] + 1
            assert claimed.is_overdue == (row["deadline_at"] <= db.now)
            assert (claimed.claimed_at, claimed.crashes) == (db.now, crashes)
            style = db.row("generation_styles", id=row["style"])
            assert claimed.style_params == style["fal_model_params"]
            same = vars(claimed).keys() & row.keys() - expected.keys()
            assert {name: getattr(claimed, name) for name in same} == {
                name: after[name] for name in same
            }


@holds("generations.extend_leases")
@given(dices())
def test_only_held_leases_are_extended(sql: Sql, dice: Dice) -> None:
    with sql.example() as db:
        expected: dict[Any, Row] = {}
        held: dict[UUID, int] = {}
        until = db.now + timedelta(seconds=30)
        for row in seeded(db, work(dice)):
            epoch = row["lease_epoch"] + dice.one(0, 0, 0, 1, -1)
            if dice.mostly(False, True):
                continue
            held[row["id"]] = epoch
            is_held = is_open(row) and row["lease_until"] and epoch == row["lease_epoch"]
            if is_held and row["lease_until"] != until:
                expected[row["id"]] = {"lease_until": until}
        with db.changes("generations") as seen:
            db.call(generations.extend_leases, held=held, lease_s=30)

        assert seen["generations"].changed == expected


@holds("generations.release_leases", "generations.release_dropped_leases")
@given(dices())
def test_a_worker_gives_back_its_own_leases(sql: Sql, dice: Dice) -> None:
    left_s = dice.one(0, 60)
    with sql.example() as db:
        made = seeded(db, work(dice))
        held = [row["id"] for row in made if dice.mostly(False, True)]
        for owner in WORKERS:
            own = [
                row
                for row in made
                if row.get("lease_owner") == owner and row["lease_until"] and row["next_action_at"]
            ]
            with db.savepoint(), db.changes("generations") as seen:
                db.call(generations.release_leases, owner=owner)
            released = {row["id"]: {"lease_until": None} for row in own}
            assert seen["generations"].changed == released

            limit = db.now + timedelta(seconds=left_s)
            dropped = {
                row["id"]: {"lease_until": None}
                for row in own
                if row["lease_until"] < limit and row["id"] not in held
            }
            with db.savepoint(), db.changes("generations") as seen:
                count = db.call(
                    generations.release_dropped_leases, owner=owner, held_ids=held, left_s=left_s
                )
            assert seen["generations"].changed == dropped
            assert count == len(dropped)


@holds("generations.list_due_generations", "generations.get_seconds_until_due")
@given(dices())
def test_what_is_due_is_listed_the_suspects_by_their_crashes(sql: Sql, dice: Dice) -> None:
    n = dice.number(1, 4)
    with sql.example() as db:
        made = [row for row in seeded(db, work(dice, most=8)) if is_open(row)]
        due = [
            row
            for row in made
            if row["next_action_at"] <= db.now
            and (row["lease_until"] is None or row["lease_until"] <= db.now)
        ]
        listed = db.call(generations.list_due_generations, n=n)

        by_id = {row["id"]: row for row in due}
        ranks = sorted(_rank(row) for row in due)
        assert [_rank(by_id[one.id]) for one in listed] == ranks[:n]
        assert len({one.id for one in listed}) == len(listed)
        assert listed == [
            Due(id=one.id, is_suspect=by_id[one.id]["lease_until"] is not None) for one in listed
        ]

        free = [
            max(row["next_action_at"], row["lease_until"] or row["next_action_at"]) for row in made
        ]
        wait_s = min(((moment - db.now).total_seconds() for moment in free), default=None)
        assert db.call(generations.get_seconds_until_due) == wait_s


def _rank(row: Row) -> tuple[bool, int, datetime]:
    is_suspect = row["lease_until"] is not None
    return (not is_suspect, row["crashes"] if is_suspect else 0, row["next_action_at"])


@holds("generations.get_seconds_until_due")
@given(dices())
def test_a_closed_gate_is_waited_for_while_somebody_is_in_the_line(sql: Sql, dice: Dice) -> None:
    moments = (None, -SECOND, timedelta(), SECOND, 2 * SECOND)
    gate = {name: dice.one(*moments) for name in ("closed_until", "steady_at", "next_turn_at")}
    waits = dice.mostly(True, False)
    state = dice.mostly("prepared", "sent")
    granted_at = dice.mostly(None, timedelta())
    with sql.example() as db:
        db.add("users", {"id": UUID(int=1), "google_id": "1", "email": "", "display_name": ""})
        row = strategies.generation(UUID(int=2), Rest(0), state="failed")
        db.add("generations", row | {"user_id": UUID(int=1)})
        whole = {"id": UUID(int=3), "generation_id": row["id"], "n": 1, "step": "draw", "seed": 1}
        waiting_since = timedelta() if waits else None
        db.add(
            "attempts",
            whole | {"state": state, "waiting_since": waiting_since, "granted_at": granted_at},
        )
        at: Row = {name: None if value is None else db.now + value for name, value in gate.items()}
        db.execute(
            "UPDATE fal_gate SET closed_until = $1, steady_at = $2, next_turn_at = $3",
            *at.values(),
        )
        found = db.call(generations.get_seconds_until_due)

        closed, steady, turn = at.values()
        opens = None
        if waits and state == "prepared" and granted_at is None:
            if closed and closed > db.now:
                opens = closed
            elif steady and turn and steady > db.now and turn > db.now:
                opens = turn
        assert found == (opens and (opens - db.now).total_seconds())


@dataclass(frozen=True, kw_only=True)
class Write:
    """A write of a worker, with what it leaves in the row."""

    query: str
    function: Any
    given: dict[str, Any]
    leaves: Any


def _came_again(row: Row, claimed_at: datetime, now: datetime, *, heeds_deadline: bool) -> datetime:
    if row["next_action_at"] > claimed_at:
        return now
    later = now + timedelta(seconds=5)
    return min(later, max(row["deadline_at"], now + SECOND)) if heeds_deadline else later


def _postponed(row: Row, claimed_at: datetime, now: datetime) -> Row:
    again = _came_again(row, claimed_at, now, heeds_deadline=True)
    return {"lease_until": None, "next_action_at": again}


def _held(row: Row, claimed_at: datetime, now: datetime) -> Row:
    again = _came_again(row, claimed_at, now, heeds_deadline=False)
    return {"lease_until": None, "next_action_at": again}


def _progressed(state: str) -> Any:
    def leaves(row: Row, claimed_at: datetime, now: datetime) -> Row:
        started_at = row["started_at"] or (now if state == "processing" else None)
        return _postponed(row, claimed_at, now) | {
            "state": state if row["state"] == "queued" else row["state"],
            "started_at": started_at,
            "fal_progress": max(row["fal_progress"], 40),
            "queue_position": 3,
            "fal_status": "IN_QUEUE",
            "draw_step": 14,
            "draw_steps": 28,
            "version": row["version"] + 1,
            "updated_at": now,
        }

    return leaves


KEYS = {"master_key": "m.png", "result_image_key": "r.webp", "thumbnail_key": "t.webp"}
PICTURE = {"file_size_bytes": 9, "image_dimensions": {"width": 1}, "transparency": {"a": 0.5}}


def _completed(row: Row, _: datetime, now: datetime) -> Row:
    began_at = row["started_at"] or row["created_at"]
    return {
        "state": "completed",
        "error_code": None,
        "fal_error": None,
        "fal_progress": 100,
        "lease_until": None,
        "next_action_at": None,
        "queue_position": None,
        **KEYS,
        **PICTURE,
        "completed_at": now,
        "generation_time_seconds": round((now - began_at).total_seconds()),
        "version": row["version"] + 1,
        "updated_at": now,
    }


def _progress(state: str) -> Write:
    told = {
        "state": state,
        "progress": 40,
        "queue_position": 3,
        "fal_status": "IN_QUEUE",
        "steps": Steps(14, 28),
    }
    return Write(
        query="mark_generation_progress",
        function=generations.mark_generation_progress,
        given={"next_s": 5, **told},
        leaves=_progressed(state),
    )


WRITES = (
    Write(
        query="postpone_generation",
        function=generations.postpone_generation,
        given={"next_s": 5},
        leaves=_postponed,
    ),
    Write(
        query="hold_generation",
        function=generations.hold_generation,
        given={"next_s": 5},
        leaves=_held,
    ),
    _progress("processing"),
    _progress("queued"),
    Write(
        query="choose_files",
        function=generations.choose_files,
        given=KEYS,
        leaves=lambda *_: KEYS,  # pyright: ignore[reportUnknownLambdaType]
    ),
    Write(
        query="complete_generation",
        function=generations.complete_generation,
        given=KEYS | PICTURE,
        leaves=_completed,
    ),
    Write(
        query="count_stumble",
        function=generations.count_stumble,
        given={},
        leaves=lambda row, *_: {"stumbles": row["stumbles"] + 1},  # pyright: ignore[reportUnknownLambdaType, reportUnknownVariableType]
    ),
)


@holds(*(f"generations.{write.query}" for write in WRITES))
@given(dices())
def test_a_worker_writes_under_its_lease_only(sql: Sql, dice: Dice) -> None:
    with sql.example() as db:
        for row in seeded(db, work(dice, most=3)):
            epoch = row["lease_epoch"]
            # Whether a webhook moved the time since the claim, or is the claim's own.
            claimed_at = (row["next_action_at"] or db.now) + dice.one(*strategies.EDGES)
            for write in WRITES:
                for told in (epoch, epoch + 1):
                    claimed = claim_of(row, epoch=told, claimed_at=claimed_at)
                    with db.savepoint(), db.changes("generations") as seen:
                        answer = db.call(write.function, claimed, **write.given)
                        after = db.row("generations", id=row["id"])

                    if not is_open(row) or told != epoch:
                        assert not answer, write.query
                        assert not seen["generations"].changed, write.query
                        continue
                    left = write.leaves(row, claimed_at, db.now)
                    assert {name: after[name] for name in left} == left, write.query
                    changed = seen["generations"].changed.get(row["id"], {})
                    assert changed.keys() <= left.keys(), write.query
                    _check(answer, after, db.now)


def _check(answer: Any, after: Row, now: datetime) -> None:
    """What the worker is told: whether more is due at once, or a number, or that it is done."""
    if isinstance(answer, Outcome):
        due = after["next_action_at"]
        assert answer.is_due == (due is not None and due <= now)
    elif not isinstance(answer, bool):
        assert answer == after["stumbles"]


@holds("generations.get_timing")
@given(strategies.people(), strategies.generations(), st.none() | strategies.past())
def test_it_is_told_how_long_somebody_waited(
    sql: Sql, person: Row, row: Row, promised_at: timedelta | None
) -> None:
    with sql.example() as db:
        db.add("users", person)
        row |= {"user_id": person["id"], "promised_at": promised_at}
        row = db.add("generations", row)
        done = row.get("completed_at")
        promised = row["promised_at"]
        assert db.call(generations.get_timing, id=row["id"]) == Timing(
            took_s=done and (done - row["created_at"]).total_seconds(),
            late_s=done and promised and (done - promised).total_seconds(),
        )
        assert db.call(generations.get_timing, id=UUID(int=0)) is None
