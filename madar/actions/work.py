"""One piece of work under a lease: what is held, and the ways in which it can be put down.

Every way ends in one short statement or transaction that names the lease's epoch; `None` says
that the lease was lost or the generation deleted, and whoever gets it stops quietly.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from madar import metrics
from madar.db import attempts, generations, translations
from madar.db.attempts import Attempt
from madar.db.generations import Claimed, Outcome
from madar.db.pool import connection, transaction
from madar.db.sql import Connection
from madar.domain import progress
from madar.domain.failures import LOCAL_FAILURES, FailureCode
from madar.domain.generations import AT_FAL, EndState, Step
from madar.resources import Resources

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Worker:
    """A process that works: its name in the leases, and the leases it holds.

    `changed` is set whenever a generation was put down, so its next due time may be nearer.
    """

    resources: Resources
    name: str
    held: dict[UUID, int] = field(default_factory=dict[UUID, int])
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def extend_leases(self) -> None:
        if self.held:
            lease_s = self.resources.settings.lease_s
            async with connection(self.resources.pool) as conn:
                await generations.extend_leases(conn, held=dict(self.held), lease_s=lease_s)

    async def release_leases(self) -> None:
        async with connection(self.resources.pool) as conn:
            await generations.release_leases(conn, owner=self.name)


@dataclass(frozen=True, kw_only=True)
class Work:
    resources: Resources
    claimed: Claimed
    attempt: Attempt

    @property
    def facts(self) -> dict[str, Any]:
        """For log lines: ids, never words of the person."""
        return {
            "generation_id": str(self.claimed.id),
            "attempt_id": str(self.attempt.id),
            "step": self.claimed.step,
            "fal_request_id": self.attempt.request_id,
        }

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        async with connection(self.resources.pool) as conn:
            yield conn

    async def postpone(self, next_s: float) -> Outcome | None:
        async with self.connection() as conn:
            return await generations.postpone_generation(conn, self.claimed, next_s=next_s)

    async def hold(self, next_s: float) -> Outcome | None:
        """Until submitting is resumed; no deadline runs meanwhile."""
        async with self.connection() as conn:
            return await generations.hold_generation(conn, self.claimed, next_s=next_s)

    async def fail(self, code: FailureCode, fal_error: str | None = None) -> Outcome | None:
        """What we only stopped waiting for is abandoned, not failed: Fal may still succeed."""
        may_come = code in LOCAL_FAILURES and self.attempt.state in AT_FAL
        facts = {**self.facts, "error": code, "fal_error": fal_error}
        log.warning("generation.failed", extra=facts)
        async with self.connection() as conn:
            outcome = await attempts.fail_generation(
                conn,
                self.claimed,
                self.attempt,
                end_state="abandoned" if may_come else "failed",
                error_code=code,
                fal_error=fal_error,
            )
        if outcome:
            metrics.generations_failed.labels(code).inc()
        return outcome or await self.look_again()

    async def look_again(self) -> Outcome | None:
        """The attempt changed under our eyes, by a webhook for one: decide anew, at once."""
        return await self.postpone(0)

    async def go_on(
        self, next_step: Step, *, result: dict[str, Any] | None, prompt_english: str | None = None
    ) -> Outcome | None:
        """The attempt is over; its result and the next attempt appear together."""
        async with transaction(self.resources.pool) as conn:
            outcome = await attempts.finish_step(
                conn,
                self.claimed,
                self.attempt,
                result=result,
                next_step=next_step,
                progress=progress.finished(self.claimed.step),
                prompt_english=prompt_english,
            )
            if outcome and next_step != "finalize":
                await self._insert_attempt(conn, next_step)
            if outcome and prompt_english:
                await self._keep_translation(conn, prompt_english)
        return outcome or await self.look_again()

    async def try_again(
        self, error_type: str, *, next_s: float, end_state: EndState = "failed"
    ) -> Outcome | None:
        """Another attempt for the same step, a little later, and what becomes of this one."""
        log.info("attempt.failed", extra={**self.facts, "error": error_type})
        async with transaction(self.resources.pool) as conn:
            outcome = await attempts.retry_step(
                conn,
                self.claimed,
                self.attempt,
                end_state=end_state,
                error_type=error_type,
                next_s=next_s,
            )
            if outcome:
                await self._insert_attempt(conn, self.claimed.step)
        return outcome or await self.look_again()

    async def cut_out_again(self) -> Outcome | None:
        async with transaction(self.resources.pool) as conn:
            outcome = await attempts.repeat_cutout(conn, self.claimed)
            if outcome:
                await self._insert_attempt(conn, "cutout")
        return outcome

    async def _keep_translation(self, conn: Connection, english: str) -> None:
        """Under the model that was asked; the setting may be another by now."""
        asked = self.attempt.arguments
        assert asked is not None
        await translations.keep_translation(
            conn, prompt=self.claimed.prompt, model=asked["model"], english=english
        )

    async def _insert_attempt(self, conn: Connection, step: Step) -> None:
        await attempts.insert_attempt(conn, id=uuid4(), generation_id=self.claimed.id, step=step)
