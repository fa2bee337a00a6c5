"""The run loop: first come, first served, at most so many at once, resumed after a restart."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from madar.simulator.config import SimulatorConfig
from madar.simulator.faults import FaultDial, flaky_run_fails
from madar.simulator.inputs import ENDPOINTS
from madar.simulator.ledger import Ledger
from madar.simulator.records import Outcome, Submission
from madar.simulator.waking import Alarm, happens_within
from madar.simulator.webhooks import Webhooks, deliveries_for

log = logging.getLogger(__name__)

_REFUSED = 422
_SLOWNESS = 4
_SPREAD = 0.2

_CANCELLED = Outcome(
    status_code=499,
    output={"detail": "Request was cancelled", "error_type": "client_cancelled"},
    error="Request was cancelled",
    error_type="client_cancelled",
)
_DISCONNECTED = Outcome(
    status_code=503,
    output={"detail": "Runner disconnected", "error_type": "runner_disconnected"},
    error="Runner disconnected",
    error_type="runner_disconnected",
)
_NOT_STARTED_IN_TIME = Outcome(
    status_code=504,
    output={"detail": "Request timed out", "error_type": "request_timeout"},
    error="Request timed out",
    error_type="request_timeout",
)
_CRASHED = Outcome(
    status_code=500,
    output={"detail": "Internal server error", "error_type": "internal_error"},
    error="Internal server error",
    error_type="internal_error",
)


class Queue:
    """Moves submissions from IN_QUEUE over IN_PROGRESS to COMPLETED."""

    def __init__(
        self,
        config: SimulatorConfig,
        ledger: Ledger,
        dial: FaultDial,
        webhooks: Webhooks,
        answer: Callable[[Submission, frozenset[str]], Awaitable[Outcome]],
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._dial = dial
        self._webhooks = webhooks
        self._answer = answer
        self._alarm = Alarm()
        self._cancels: dict[str, asyncio.Event] = {}

    def wake(self) -> None:
        self._alarm.ring()

    def cancel(self, submission: Submission) -> None:
        """A waiting request ends here, silently; a running one is told and ends a little later."""
        self._ledger.mark_cancel_requested(submission.request_id)
        if submission.state == "IN_QUEUE":
            self._ledger.finish(submission.request_id, _CANCELLED, ended_at=time.time())
        elif event := self._cancels.get(submission.request_id):
            event.set()

    async def serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            for submission in self._ledger.list_running():
                self._launch(group, submission)
            while True:
                self._start_waiting(group)
                await self._alarm.wait(self._until_next_deadline_s())

    def _start_waiting(self, group: asyncio.TaskGroup) -> None:
        now = time.time()
        for submission in self._ledger.list_overdue(now):
            self._finish(submission, _NOT_STARTED_IN_TIME)
        # More than allowed may run: a restart can bring a smaller number.
        free = max(0, self._config.concurrency - len(self._cancels))
        for submission in self._ledger.list_next(free):
            duration_s = self._duration_s(submission)
            self._ledger.mark_started(submission.request_id, started_at=now, duration_s=duration_s)
            self._launch(group, replace(submission, started_at=now, duration_s=duration_s))

    def _until_next_deadline_s(self) -> float | None:
        start_by = self._ledger.next_start_by()
        return max(0.0, start_by - time.time()) if start_by is not None else None

    def _launch(self, group: asyncio.TaskGroup, submission: Submission) -> None:
        cancelled = asyncio.Event()
        if submission.cancel_requested:
            cancelled.set()
        self._cancels[submission.request_id] = cancelled
        group.create_task(self._run(submission, cancelled))

    async def _run(self, submission: Submission, cancelled: asyncio.Event) -> None:
        try:
            outcome = await self._outcome(submission, cancelled)
        except Exception:
            # One broken request must not end the service; its caller sees Fal's own 500.
            log.exception("request.crashed", extra={"request_id": submission.request_id})
            outcome = _CRASHED
        finally:
            del self._cancels[submission.request_id]
        self._finish(submission, outcome)
        self.wake()

    async def _outcome(self, submission: Submission, cancelled: asyncio.Event) -> Outcome:
        faults = self._faults_of(submission)
        is_losing_runner = "flaky" in faults and flaky_run_fails(submission.number)
        # The picture is made first: what it costs in time counts towards the pretended duration.
        outcome = _DISCONNECTED if is_losing_runner else await self._answer(submission, faults)
        assert submission.started_at is not None
        rest_s = submission.started_at + submission.duration_s - time.time()
        # A model refuses bad input as soon as it sees it.
        if outcome.status_code == _REFUSED:
            rest_s = 0
        if cancelled.is_set() or (rest_s > 0 and await happens_within(cancelled, rest_s)):
            return _CANCELLED
        return outcome

    def _finish(self, submission: Submission, outcome: Outcome) -> None:
        deliveries = deliveries_for(
            submission, outcome, faults=self._faults_of(submission), config=self._config
        )
        self._ledger.finish(
            submission.request_id, outcome, ended_at=time.time(), deliveries=deliveries
        )
        self._webhooks.wake()

    def _faults_of(self, submission: Submission) -> frozenset[str]:
        return self._dial.with_markers(submission.markers)

    def _duration_s(self, submission: Submission) -> float:
        endpoint = ENDPOINTS[submission.endpoint_id]
        seed = (submission.arguments or {}).get("seed", submission.request_id)
        share = hashlib.sha256(repr(seed).encode()).digest()[0] / 255
        factor = 1 - _SPREAD + 2 * _SPREAD * share
        if "slow" in self._faults_of(submission):
            factor *= _SLOWNESS
        return self._config.run_s(endpoint.duration_s * factor)
