"""Why a live connection ends: a code as RFC 6455 (7.4) has them, and a word for programs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    """Doors without such codes tell the reason alone."""

    code: int
    reason: str


UNREADABLE = Ending(1003, "not_text")
TOO_MANY_JOINED = Ending(1008, "too_many_joined")
TOO_LARGE = Ending(1009, "message_too_large")
SERVICE_RESTART = Ending(1012, "restarting")
OLD = Ending(1012, "renew")  # after half a day, so that machines that are added get their share
TRY_AGAIN = Ending(1013, "try_again")
NOT_SIGNED_IN = Ending(4401, "not_signed_in")
FORBIDDEN = Ending(4403, "account_closed")
TOO_MANY_MESSAGES = Ending(4429, "too_many_messages")
TOO_MANY_SOCKETS = Ending(4429, "too_many_sockets")
