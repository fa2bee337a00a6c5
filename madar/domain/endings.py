"""Ending a generation by its owner's word, and asking for a failed one again."""

from madar.codes import CODES
from madar.domain.generations import PUBLIC, State
from madar.errors import Conflict


def check_cancel(state: State, error_code: str | None) -> bool:
    """False: it is cancelled already. Raises Conflict for one that ended in another way."""
    if error_code == "cancelled":
        return False
    if PUBLIC[state] in {"completed", "failed"}:
        raise Conflict("generation_ended")
    return True


def check_retry(state: State, error_code: str | None) -> None:
    """Raises Conflict; one that is being revived is not asked for a second time."""
    if state != "failed":
        raise Conflict("generation_not_failed")
    assert error_code, "the database sees to it"
    if not CODES[error_code].is_retryable:
        raise Conflict("generation_not_retryable")
