"""sql/queries/attempts.sql: what each does to an attempt and its generation, and when not.

Most of them are a worker's, who names the epoch of its lease, and the state in which it saw the
attempt. The models say the same in Python; what they do not foresee may not change.
"""

from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

from hypothesis import given

from madar.db import attempts
from madar.db.attempts import Attempt
from madar.db.generations import Claimed
from madar.domain.generations import EndState, Step
from tests.sql import attempt_models as models
from tests.sql import pictures
from tests.sql.attempt_models import attempts_of
from tests.sql.dice import Dice, dices
from tests.sql.harness import Row, Sql
from tests.sql.pictures import LIVE, MOMENTS, RESOLVED, STEPS
from tests.sql.register import holds
from tests.sql.scenes import Scene, World, s, scene
from tests.sql.workers import claimed, seen

Rows = dict[str, list[Row]]


def surroundings(dice: Dice, *, alive: bool = True, most: int = 8) -> Rows:
    """Pictures, and what the statements touch beside them."""
    rows = pictures.pictures(dice, alive=alive, most=most)
    restored_at = dice.maybe(*MOMENTS)
    counted = dice.one(None, "duplicate_paid", "late_successes")
    installation = {
        "is_only": True,
        "id": UUID(int=1),
        "restored_from": None if restored_at is None else restored_at - s(600),
        "restored_at": restored_at,
    }
    return rows | {
        "fal_gate": [pictures.gates(dice)],
        "installation": [installation],
        "counters": [{"name": counted, "value": 5}] if counted else [],
        "procrastinate_jobs": pictures.wake_ups(dice, rows["generations"]),
    }


class Draws:
    """What one example draws for one of its generations."""

    def __init__(self, dice: Dice, rows: Rows, row: Row) -> None:
        self._dice = dice
        self._rows = rows
        self.row = row

    def one(self, *values: Any) -> Any:
        return self._dice.one(*values)

    def attempt(self, *states: str) -> Row:
        """One of it, in these states where there is one."""
        of_it = [one for one in self._rows["attempts"] if one["generation_id"] == self.row["id"]]
        fit = [one for one in of_it if one["state"] in states]
        return self._dice.mostly(self.one(*(fit or of_it)), *of_it)

    def claimed(self, played: Scene | None = None) -> Claimed:
        """Mostly the right generation's, and mostly with that one's epoch."""
        other = self.one(*self._rows["generations"])
        named = self.one(self.row, self.row, other)
        epoch = named["lease_epoch"]
        at = played.at(self.one(*(s(n) for n in (-60, -1, 0, 1, 60)))) if played else None
        epoch = self._dice.mostly(epoch, epoch - 1, epoch + 1)
        return claimed(named["id"], epoch, at=at) if at else claimed(named["id"], epoch)

    def seen(self, *states: str) -> Attempt:
        """The attempt, mostly as it is."""
        attempt = self.attempt(*states)
        return seen(attempt["id"], self._dice.mostly(attempt["state"], *LIVE, *RESOLVED))

    def request(self, id: UUID) -> str:
        """Its own, one that nobody has, or (it should not be) another's."""
        taken = [one["request_id"] for one in self._rows["attempts"] if one["request_id"]]
        return self._dice.mostly(self.one(f"request-{id.int}", f"fresh-{id.int}"), *taken[:3])

    def seconds(self) -> float:
        return self.one(0, 1, 60, 7200)


def each(dice: Dice, rows: Rows) -> Iterator[Draws]:
    for row in rows["generations"]:
        yield Draws(dice, rows, row)


@holds("attempts.get_attempt_to_advance")
@given(dices())
def test_the_attempt_to_advance_is_the_live_one_or_the_last_success(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for row in rows["generations"]:
            played.play(
                attempts.get_attempt_to_advance,
                models.get_attempt_to_advance,
                generation_id=row["id"],
            )


@holds("attempts.get_drawn_result")
@given(dices())
def test_what_was_drawn_is_the_newest_success_of_that_step(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for row in rows["generations"]:
            found = played.ask(attempts.get_drawn_result, generation_id=row["id"])
            drawn = [
                one
                for one in attempts_of(played.world, row["id"])
                if one["step"] == "draw" and one["state"] == "succeeded"
            ]
            newest = max((one["resolved_at"] for one in drawn), default=None)
            fit = [one["result"] for one in drawn if one["resolved_at"] == newest]
            assert found in (fit or [None])


@holds("attempts.mark_attempt_sent")
@given(dices())
def test_it_is_sent_once_by_who_holds_the_lease_and_has_a_turn(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            lease, attempt = draws.claimed(), draws.seen("prepared")
            for _ in range(2):
                played.play(
                    attempts.mark_attempt_sent,
                    models.mark_attempt_sent,
                    lease,
                    attempt,
                    endpoint="fal/new",
                    arguments={"seed": 7},
                )


@holds("attempts.mark_attempt_accepted")
@given(dices())
def test_what_fal_took_is_accepted_and_its_gate_opens(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            attempt = draws.seen("sent", "unknown", "accepted")
            played.play(
                attempts.mark_attempt_accepted,
                models.mark_attempt_accepted,
                draws.claimed(),
                attempt,
                request_id=draws.request(attempt.id),
                next_s=draws.seconds(),
            )


@holds("attempts.mark_attempt_found")
@given(dices())
def test_what_was_sent_before_a_restore_is_found_as_accepted(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            attempt = draws.seen("prepared")
            played.play(
                attempts.mark_attempt_found,
                models.mark_attempt_found,
                draws.claimed(),
                attempt,
                endpoint="fal/new",
                arguments={"seed": 7},
                request_id=draws.request(attempt.id),
            )


@holds("attempts.put_attempt_back")
@given(dices())
def test_what_never_left_stands_in_the_line_again(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            lease = draws.claimed(played)
            played.play(
                attempts.put_attempt_back, models.put_attempt_back, lease, draws.seen("sent")
            )


@holds("attempts.forget_sending")
@given(dices())
def test_what_never_left_is_forgotten_where_nobody_waits_for_it(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice, alive=False)
    named = [(one["id"], request) for one in rows["attempts"] for request in (None, "known")]
    chosen = dice.some(named)
    purges = [
        pictures.fal_purge(n, known, request_id=request)
        for n, (known, request) in enumerate(chosen)
    ]
    with scene(sql, **rows, fal_purges=purges) as played:
        for draws in each(dice, rows):
            attempt = draws.attempt("sent", "abandoned")
            played.play(attempts.forget_sending, models.forget_sending, seen(attempt["id"]))
        played.ask(attempts.forget_sending, seen(UUID(int=0)))


@holds("attempts.mark_attempt_unknown")
@given(dices())
def test_an_unclear_submission_is_unknown_unless_a_webhook_knew_it(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            played.play(
                attempts.mark_attempt_unknown,
                models.mark_attempt_unknown,
                draws.claimed(),
                draws.seen("sent"),
                next_s=draws.seconds(),
            )


@holds("attempts.count_poll", "attempts.renew_result")
@given(dices())
def test_polls_and_new_addresses_are_written_by_who_holds_the_epoch(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            played.play(attempts.count_poll, models.count_poll, draws.claimed(), draws.seen(*LIVE))
            lease, attempt = draws.claimed(), draws.seen("succeeded")
            played.play(
                attempts.renew_result, models.renew_result, lease, attempt, result={"url": "new"}
            )


@holds("attempts.finish_step")
@given(dices())
def test_a_finished_step_leads_to_the_next(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            played.play(
                attempts.finish_step,
                models.finish_step,
                draws.claimed(),
                draws.seen("accepted", "unknown"),
                result=draws.one(None, {"url": "new"}),
                next_step=draws.one("draw", "cutout", "finalize"),
                progress=draws.one(5, 50, 99),
                prompt_english=draws.one(None, "a dog"),
            )


@holds("attempts.retry_step")
@given(dices())
def test_an_attempt_that_is_given_up_is_so_once(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            played.play(
                attempts.retry_step,
                models.retry_step,
                draws.claimed(),
                draws.seen(*LIVE),
                end_state=cast("EndState", draws.one("failed", "abandoned")),
                error_type="gone",
                next_s=draws.seconds(),
            )


@holds("attempts.fail_generation")
@given(dices())
def test_a_generation_fails_with_its_attempt(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            played.play(
                attempts.fail_generation,
                models.fail_generation,
                draws.claimed(),
                draws.seen(*LIVE, "succeeded"),
                end_state=cast("EndState", draws.one("failed", "abandoned")),
                error_code="provider_failed",
                fal_error=draws.one(None, "why"),
            )


@holds("attempts.repeat_cutout")
@given(dices())
def test_only_what_was_cut_out_is_cut_out_again(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            played.play(attempts.repeat_cutout, models.repeat_cutout, draws.claimed())


@holds("attempts.insert_attempt")
@given(dices())
def test_the_next_attempt_has_the_next_number_and_the_same_seed(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    live = {one["generation_id"] for one in rows["attempts"] if one["state"] in LIVE}
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            if draws.row["id"] not in live:
                played.play(
                    attempts.insert_attempt,
                    models.insert_attempt,
                    id=UUID(int=draws.row["id"].int + 10**9),
                    generation_id=draws.row["id"],
                    step=cast("Step", draws.one(*STEPS)),
                )
        nowhere = UUID(int=10**9)
        played.ask(attempts.insert_attempt, id=nowhere, generation_id=nowhere, step="draw")


@holds("attempts.announce_result")
@given(dices())
def test_a_webhook_wakes_what_is_under_way_once(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            known = draws.attempt(*LIVE)["id"]
            for _ in range(2):
                request_id = draws.request(known)
                played.play(
                    attempts.announce_result,
                    models.announce_result,
                    attempt_id=known,
                    request_id=request_id,
                )


@holds("attempts.lock_delivered_generation", "attempts.get_delivered_attempt")
@given(dices())
def test_a_delivery_is_judged_by_what_became_of_its_attempt(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice, alive=False)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            known = draws.attempt(*RESOLVED)["id"]
            played.play(
                attempts.lock_delivered_generation,
                models.lock_delivered_generation,
                attempt_id=known,
            )
            played.play(
                attempts.get_delivered_attempt,
                models.get_delivered_attempt,
                attempt_id=known,
                request_id=draws.request(known),
            )
        unknown = UUID(int=0)
        assert played.ask(attempts.lock_delivered_generation, attempt_id=unknown) is None


@holds("attempts.end_rivals")
@given(dices())
def test_rivals_of_a_late_success_end_and_the_paid_ones_are_counted(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            known = draws.attempt("abandoned")["id"]
            played.play(
                attempts.end_rivals,
                models.end_rivals,
                generation_id=draws.row["id"],
                attempt_id=known,
            )


@holds("attempts.adopt_attempt", "attempts.settle_duplicate")
@given(dices())
def test_a_late_success_is_adopted_or_settled_once(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice, alive=False)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            known = draws.attempt("abandoned")["id"]
            request_id = draws.request(known)
            # Whoever adopts has ended the rivals, in the same transaction.
            if draws.one(True, True, False) and not _has_live(played.world, draws.row["id"]):
                played.play(
                    attempts.adopt_attempt,
                    models.adopt_attempt,
                    attempt_id=known,
                    request_id=request_id,
                )
            else:
                played.play(
                    attempts.settle_duplicate,
                    models.settle_duplicate,
                    attempt_id=known,
                    request_id=request_id,
                )


def _has_live(world: World, generation_id: UUID) -> bool:
    return any(one["state"] in LIVE for one in attempts_of(world, generation_id))


@holds("attempts.get_unwanted")
@given(dices())
def test_a_result_is_unwanted_when_its_attempt_or_picture_is_over(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice, alive=False)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            known = draws.attempt(*LIVE)["id"]
            played.play(attempts.get_unwanted, models.get_unwanted, seen(known))


@holds("attempts.list_bound_requests")
@given(dices())
def test_bound_requests_are_those_of_other_attempts(sql: Sql, dice: Dice) -> None:
    rows = surroundings(dice)
    with scene(sql, **rows) as played:
        for draws in each(dice, rows):
            known = draws.attempt("accepted")["id"]
            asked = [f"request-{one['id'].int}" for one in rows["attempts"][:6]]
            asked += [f"request-{known.int}", "nobody's"]
            played.play(
                attempts.list_bound_requests,
                models.list_bound_requests,
                seen(known),
                request_ids=asked,
            )
