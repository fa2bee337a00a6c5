"""What a worker knows when it writes: its claim, and the attempt as it saw it."""

from datetime import datetime
from uuid import UUID

from madar.db.attempts import Attempt
from madar.db.generations import Claimed
from madar.domain.generations import AttemptState
from tests.sql.pictures import AMAL, STYLE

_LONG_AGO = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


def claimed(id: UUID, epoch: int, *, at: datetime = _LONG_AGO) -> Claimed:
    """Of all this the statements ask for the id, the epoch and the time alone."""
    return Claimed(
        id=id,
        lease_epoch=epoch,
        user_id=AMAL,
        state="processing",
        step="draw",
        prompt="a cat",
        prompt_english=None,
        seed=1,
        aspect_ratio="1:1",
        source_upload_id=None,
        custom_colors=[],
        style=STYLE,
        fal_progress=0,
        fal_status="pending",
        queue_position=None,
        crashes=0,
        is_overdue=False,
        is_paused=False,
        claimed_at=at,
        style_params={},
    )


def seen(id: UUID, state: AttemptState = "prepared") -> Attempt:
    """Of all this the statements ask for the id and the state alone."""
    return Attempt(
        id=id,
        n=1,
        step="draw",
        state=state,
        seed=1,
        endpoint=None,
        arguments=None,
        request_id=None,
        polls=0,
        result=None,
        sent_at=None,
        is_announced=False,
        is_granted=False,
        sent_age_s=None,
        accepted_age_s=None,
        tries=1,
        successes=0,
        restored_from=None,
        restored_at=None,
        restored_age_s=None,
    )
