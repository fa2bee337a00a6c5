"""Workers, webhooks and owners at the same pictures at once: what may never happen, never does.

A state machine over three sessions. Each opens a transaction, does one of the things that the
product does in one, and commits later, or never; meanwhile the others go on, and some of them wait.
What holds at each commit is said in `_check_…`; what a statement does exactly, the models say
(attempt_models.py).
"""

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from psycopg.rows import dict_row

from madar.db import attempts, fal_purges, generations, jobs, turns
from madar.db.attempts import Attempt
from madar.db.generations import Claimed
from madar.domain.generations import AT_FAL, AttemptState
from tests.sql import pictures
from tests.sql.harness import Conn, Pending, Row, Session, Sql
from tests.sql.pictures import AMAL, LIVE
from tests.sql.register import holds
from tests.sql.scenes import s

Did = str | None
Doing = Callable[[Conn, "Worker"], Coroutine[Any, Any, Did]]

GENERATIONS = (UUID(int=1), UUID(int=2))
WORKERS = st.integers(0, 2)
_MOST_WAITED = 4  # steps


@dataclass
class Worker:
    """One session, what it claimed last, and what it is in the middle of.

    A lease may be lost without its worker knowing, so a claim is kept until the next one. The one
    it is just taking is `taken`.
    """

    name: str
    session: Session
    claim: Claimed | None = None
    attempt: Attempt | None = None
    taken: tuple[Claimed, Attempt] | None = None
    target: UUID = GENERATIONS[0]
    doing: Pending[Did] | None = None
    waited: int = 0

    def is_waiting(self) -> bool:
        return self.doing is not None and self.doing.is_waiting()


# What is done in one transaction, each answering what it did, or None where that is not asked for.


def _claim(lease_s: float) -> Doing:
    """A lease of no length has run out when the next one asks."""

    async def claim(conn: Conn, worker: Worker) -> Did:
        found = await generations.claim_generation_to_advance(
            conn, id=worker.target, owner=worker.name, lease_s=lease_s
        )
        if found:
            attempt = await attempts.get_attempt_to_advance(conn, generation_id=found.id)
            worker.taken = found, attempt
        return "claimed" if found else None

    return claim


def _fresh() -> UUID:
    return UUID(int=next(_numbers))


_numbers = iter(range(10**6, 10**9))


async def _send(conn: Conn, worker: Worker) -> Did:
    is_sent = await attempts.mark_attempt_sent(
        conn, *_held(worker), endpoint="fal/draw", arguments={"seed": 1}
    )
    return "sent" if is_sent else None


async def _put_back(conn: Conn, worker: Worker) -> Did:
    claim, attempt = _held(worker)
    before = await _state(conn, attempt)
    done = await attempts.put_attempt_back(conn, claim, attempt)
    return "put back" if done and before == "sent" != await _state(conn, attempt) else None


async def _state(conn: Conn, attempt: Attempt) -> str:
    cursor = await conn.execute("SELECT state FROM attempts WHERE id = %s", [attempt.id])
    [(state,)] = await cursor.fetchall()
    return state


async def _accept(conn: Conn, worker: Worker) -> Did:
    claim, attempt = _held(worker)
    request_id = f"request-{attempt.id.int}"
    done = await attempts.mark_attempt_accepted(
        conn, claim, attempt, request_id=request_id, next_s=0
    )
    return "accepted" if done else None


async def _lose_sight(conn: Conn, worker: Worker) -> Did:
    return (
        "unknown" if await attempts.mark_attempt_unknown(conn, *_held(worker), next_s=0) else None
    )


async def _poll(conn: Conn, worker: Worker) -> Did:
    await attempts.count_poll(conn, *_held(worker))
    return None


async def _finish(conn: Conn, worker: Worker) -> Did:
    claim, attempt = _held(worker)
    if attempt.state not in AT_FAL:
        return None
    next_step = "cutout" if claim.step == "draw" else "finalize"
    done = await attempts.finish_step(
        conn, claim, attempt, result={"url": "x"}, next_step=next_step, progress=50
    )
    if done and next_step == "cutout":
        fresh = _fresh()
        await attempts.insert_attempt(conn, id=fresh, generation_id=claim.id, step="cutout")
    return "finished" if done else None


async def _retry(conn: Conn, worker: Worker) -> Did:
    claim, attempt = _held(worker)
    end_state = "abandoned" if attempt.state == "unknown" else "failed"
    if attempt.state not in LIVE or claim.step == "finalize":
        return None
    done = await attempts.retry_step(
        conn, claim, attempt, end_state=end_state, error_type="gone", next_s=0
    )
    if done:
        await attempts.insert_attempt(conn, id=_fresh(), generation_id=claim.id, step=attempt.step)
    return "retried" if done else None


async def _fail(conn: Conn, worker: Worker) -> Did:
    claim, attempt = _held(worker)
    end_state = "failed" if attempt.state == "prepared" else "abandoned"
    done = await attempts.fail_generation(
        conn, claim, attempt, end_state=end_state, error_code="timeout", fal_error=None
    )
    return "failed" if done else None


async def _complete(conn: Conn, worker: Worker) -> Did:
    claim, _ = _held(worker)
    if claim.step != "finalize":
        return None
    keys = {"master_key": "m", "result_image_key": "p", "thumbnail_key": "t"}
    await generations.choose_files(conn, claim, **keys)
    done = await generations.complete_generation(
        conn, claim, **keys, file_size_bytes=1, image_dimensions={}, transparency={}
    )
    return "completed" if done else None


async def _tell(conn: Conn, worker: Worker) -> Did:
    claim, attempt = _held(worker)
    done = await generations.mark_generation_progress(
        conn,
        claim,
        next_s=0,
        state="processing",
        progress=20 + attempt.polls,
        queue_position=None,
        fal_status="IN_PROGRESS",
        steps=None,
    )
    return "told" if done else None


async def _postpone(conn: Conn, worker: Worker) -> Did:
    claim, _ = _held(worker)
    return "postponed" if await generations.postpone_generation(conn, claim, next_s=0) else None


async def _go_on(conn: Conn, worker: Worker) -> Did:
    """What comes next, as far as this worker knows."""
    claim, attempt = _held(worker)
    if claim.step == "finalize":
        return await _complete(conn, worker)
    do = {"prepared": _send, "sent": _accept, "unknown": _accept, "accepted": _finish}
    return await do[attempt.state](conn, worker) if attempt.state in do else None


async def _announce(conn: Conn, worker: Worker) -> Did:
    """A webhook of the newest attempt of the picture, or of an older one."""
    for known in await _attempts(conn, worker.target):
        request_id = known["request_id"] or f"request-{known['id'].int}"
        woken = await attempts.announce_result(conn, attempt_id=known["id"], request_id=request_id)
        if not woken and known["state"] == "abandoned":
            await _take_late_success(conn, known["id"], request_id)
    return None


async def _take_late_success(conn: Conn, attempt_id: UUID, request_id: str) -> None:
    await attempts.lock_delivered_generation(conn, attempt_id=attempt_id)
    seen = await attempts.get_delivered_attempt(conn, attempt_id=attempt_id, request_id=request_id)
    if seen.state != "abandoned" or seen.is_anothers:
        return
    if seen.is_deleted or seen.error_code == "cancelled":
        await fal_purges.insert_fal_purge(
            conn, attempt_id=attempt_id, request_id=request_id, keeps_payload=False
        )
    elif seen.generation_state == "completed" or not seen.is_at_its_step or seen.is_beaten:
        await attempts.settle_duplicate(conn, attempt_id=attempt_id, request_id=request_id)
    else:
        await attempts.end_rivals(conn, generation_id=seen.generation_id, attempt_id=attempt_id)
        await attempts.adopt_attempt(conn, attempt_id=attempt_id, request_id=request_id)


async def _cancel(conn: Conn, worker: Worker) -> Did:
    known = await generations.lock_generation(conn, owner_id=AMAL, id=worker.target)
    if known and known.state not in {"completed", "failed"}:
        await generations.cancel_generation(conn, owner_id=AMAL, id=worker.target)
        await fal_purges.insert_fal_purges_of_generation(
            conn, generation_id=worker.target, keeps_payload=True
        )
    return None


async def _delete(conn: Conn, worker: Worker) -> Did:
    is_kept = await generations.delete_generation(conn, owner_id=AMAL, id=worker.target, trash_s=0)
    if is_kept is not None:
        await fal_purges.insert_fal_purges_of_generation(
            conn, generation_id=worker.target, keeps_payload=False
        )
    return None


async def _wake(conn: Conn, worker: Worker) -> Did:
    await jobs.hurry_generation(conn, id=worker.target)
    return None


async def _grant(conn: Conn, worker: Worker) -> Did:
    assert worker
    await turns.lock_gate(conn)
    await turns.grant_turns(conn, places=2, asking_id=None)
    return None


async def _join(conn: Conn, worker: Worker) -> Did:
    await turns.join_line(conn, *_held(worker))
    return None


async def _attempts(conn: Conn, generation_id: UUID) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "SELECT id, state, request_id FROM attempts WHERE generation_id = %s AND"
            " endpoint IS NOT NULL ORDER BY n DESC",
            [generation_id],
        )
        return await cursor.fetchall()


def _held(worker: Worker) -> tuple[Claimed, Attempt]:
    assert worker.claim
    assert worker.attempt
    return worker.claim, worker.attempt


UNDER_LEASE: tuple[Doing, ...] = (
    _go_on, _go_on, _go_on, _go_on, _send, _accept, _lose_sight, _put_back, _poll, _finish, _retry,
    _fail, _complete, _tell, _postpone, _join,
)  # fmt: skip
BESIDE_IT: tuple[Doing, ...] = (
    _announce, _announce, _announce, _cancel, _delete, _wake, _wake, _grant, _grant,
)  # fmt: skip
# Whoever did this holds the generation from the statement on.
HOLDING = {"put back", "accepted", "unknown", "finished", "retried", "failed", "completed", "told"}


class Pictures(RuleBasedStateMachine):
    """Two pictures, three sessions, and one that looks on."""

    def __init__(self, sql: Sql) -> None:
        super().__init__()
        self.sql = sql
        self.sessions = sql.open_committed(4)
        self.observer = self.sessions[3]
        self.workers = [Worker(f"w{n}", one) for n, one in enumerate(self.sessions[:3])]
        self.sent: Counter[UUID] = Counter()
        self.observer.add("users", *pictures.users())
        self.observer.add("generation_styles", pictures.style())
        for one in GENERATIONS:
            self.observer.add("generations", pictures.queued(one, next_action_at=s(-60)))
            self.observer.add("attempts", pictures.prepared(one, granted_at=s(-60)))
        self.known = self._committed()
        for worker, of in zip(self.workers, GENERATIONS, strict=False):
            self._start(worker, _claim(30), of)
            self._end(worker, "COMMIT")

    def teardown(self) -> None:
        """Whoever waits goes on when those who hold something have given up."""
        try:
            while busy := [one for one in self.workers if one.doing]:
                for worker in busy:
                    if not worker.is_waiting():
                        self._end(worker, "ROLLBACK")
        finally:
            self.sql.close_committed(self.sessions)

    @rule(n=WORKERS, of=st.sampled_from(GENERATIONS), lease_s=st.sampled_from((0, 0, 30)))
    def claim(self, n: int, of: UUID, lease_s: float) -> None:
        self._start(self.workers[n], _claim(lease_s), of)

    @rule(n=WORKERS, do=st.sampled_from(UNDER_LEASE))
    def work(self, n: int, do: Doing) -> None:
        holding = [one for one in self.workers if one.claim]
        worker = holding[n % len(holding)]
        assert worker.claim
        self._start(worker, do, worker.claim.id)

    @rule(n=WORKERS, do=st.sampled_from(BESIDE_IT), of=st.sampled_from(GENERATIONS))
    def intervene(self, n: int, do: Doing, of: UUID) -> None:
        self._start(self.workers[n], do, of)

    @rule(n=WORKERS, how=st.sampled_from(("COMMIT", "COMMIT", "COMMIT", "ROLLBACK")))
    def end(self, n: int, how: str) -> None:
        worker = self.workers[n]
        if worker.doing and not worker.is_waiting():
            self._end(worker, how)

    @invariant()
    def nobody_waits_for_long(self) -> None:
        """On a slow machine it would be longer than any statement may take."""
        for worker in self.workers:
            worker.waited = worker.waited + 1 if worker.is_waiting() else 0
        if any(worker.waited > _MOST_WAITED for worker in self.workers):
            for worker in self.workers:
                if worker.doing and not worker.is_waiting():
                    self._end(worker, "COMMIT")

    def _start(self, worker: Worker, do: Doing, of: UUID) -> None:
        """In a transaction that stays open. Who has one open already commits it first."""
        if worker.is_waiting():
            return
        if worker.doing:
            self._end(worker, "COMMIT")
        worker.target, worker.taken = of, None
        worker.session.begin()
        worker.session.execute("SET LOCAL lock_timeout = '60 s'")
        worker.doing = worker.session.start(do, worker)
        worker.is_waiting()

    def _end(self, worker: Worker, how: str) -> None:
        assert worker.doing
        did, worker.doing = worker.doing.result(), None
        if did == "claimed":
            self._check_claim(worker)
        elif did in HOLDING:
            self._check_lease(worker)
        if how == "ROLLBACK":
            worker.session.rollback()
            return
        worker.session.commit()
        if worker.taken:
            worker.claim, worker.attempt = worker.taken
        if did in {"sent", "put back"}:
            assert worker.attempt
            state = cast("AttemptState", "sent" if did == "sent" else "prepared")
            worker.attempt = replace(worker.attempt, state=state)
            self.sent[worker.attempt.id] += 1 if did == "sent" else -1
            assert self.sent[worker.attempt.id] <= 1, "submitted twice"
        self._check_progress()

    def _check_claim(self, worker: Worker) -> None:
        """Nobody else held it, it was due, and the epoch is a new one."""
        assert worker.taken
        claim = worker.taken[0]
        row = self.observer.row("generations", id=claim.id)
        assert claim.lease_epoch == row["lease_epoch"] + 1
        assert row["lease_until"] is None or row["lease_until"] <= claim.claimed_at
        assert row["next_action_at"] <= claim.claimed_at
        assert row["deleted_at"] is None

    def _check_lease(self, worker: Worker) -> None:
        """Only the last who claimed it has changed it, while it was to be worked on."""
        assert worker.claim
        row = self.observer.row("generations", id=worker.claim.id)
        assert row["lease_epoch"] == worker.claim.lease_epoch
        assert row["next_action_at"] is not None
        assert row["deleted_at"] is None

    def _committed(self) -> dict[str, dict[UUID, Row]]:
        return {
            table: {row["id"]: row for row in self.observer.rows(table)}
            for table in ("generations", "attempts")
        }

    def _check_progress(self) -> None:
        before, self.known = self.known, self._committed()
        for known, row in self.known["generations"].items():
            _check_generation(before["generations"][known], row)
        for known, row in self.known["attempts"].items():
            if known in before["attempts"]:
                _check_attempt(before["attempts"][known], row)
        named = {row["attempt_id"] for row in self.observer.rows("fal_purges")}
        for row in self.known["attempts"].values():
            generation = self.known["generations"][row["generation_id"]]
            if row["sent_at"] is not None and _is_unwanted(generation, row):
                assert row["id"] in named, "lost at Fal"


def _check_generation(before: Row, row: Row) -> None:
    """Epochs and versions only grow, and what has ended stays so, but for a late success."""
    assert row["lease_epoch"] >= before["lease_epoch"]
    assert row["version"] >= before["version"]
    assert row["fal_progress"] >= before["fal_progress"]
    assert before["deleted_at"] is None or row["deleted_at"] == before["deleted_at"]
    if before["state"] == "completed":
        assert row["state"] == "completed"
    if before["error_code"] == "cancelled":
        assert row["state"] == "failed"
    if before["state"] == "failed":
        assert row["state"] in {"failed", "reviving", "completed"}
    told = ("state", "step", "deleted_at", "fal_progress")
    if row["state"] != "reviving" and any(row[name] != before[name] for name in told):
        assert row["version"] > before["version"]


def _check_attempt(before: Row, row: Row) -> None:
    if before["state"] in {"succeeded", "failed"}:
        assert row["state"] == before["state"]
    if before["state"] == "abandoned":
        assert row["state"] not in {"prepared", "sent", "unknown"}
    if before["request_id"] is not None:
        assert row["request_id"] == before["request_id"]


def _is_unwanted(generation: Row, attempt: Row) -> bool:
    is_over = generation["deleted_at"] is not None or generation["error_code"] == "cancelled"
    return is_over and attempt["state"] != "succeeded"


@holds("attempts.mark_attempt_sent", "generations.claim_generation_to_advance")
def test_workers_webhooks_and_owners_never_undo_each_other(sql: Sql) -> None:
    sql.check(Pictures)
