"""What Fal's refusals mean for us: whose fault, and whether another attempt makes sense.

Types: fal.ai/docs error pages (model errors carry `detail[].type`, platform errors
`error_type`). Branch on types, never on messages.
"""

import re
from dataclasses import dataclass
from typing import Literal

from madar.domain.answers import dig

FailureCode = Literal[
    "content_policy",
    "invalid_request",
    "provider_unavailable",
    "submit_unresolved",
    "timeout",
    "result_expired",
    "result_invalid",
    "transparency_failed",
    "cancelled",
    "internal",
]
# We stopped waiting, so Fal may still succeed; a generation that was cancelled does not want it.
LOCAL_FAILURES = {"timeout", "submit_unresolved", "internal"}
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,100}")
CONTENT_TYPES = {"content_policy_violation", "no_media_generated"}
PASSING_TYPES = {
    "internal_server_error",
    "generation_timeout",
    "downstream_service_error",
    "downstream_service_unavailable",
    "request_timeout",
    "startup_timeout",
    "runner_scheduling_failure",
    "runner_connection_timeout",
    "runner_disconnected",
    "runner_connection_refused",
    "runner_connection_error",
    "runner_incomplete_response",
    "runner_server_error",
    "internal_error",
}


@dataclass(frozen=True, kw_only=True)
class ProviderFailure:
    """Fal finished a request without a result."""

    error_type: str
    status_code: int

    @property
    def may_pass(self) -> bool:
        """Another paid attempt makes sense: the request itself is in order."""
        return self.error_type in PASSING_TYPES or self.status_code >= 500  # noqa: PLR2004

    @property
    def is_named(self) -> bool:
        """Fal says what it was; a bare 5xx may as well be a gateway on the way."""
        return not self.error_type.startswith("http_")

    @property
    def code(self) -> FailureCode:
        if self.error_type in CONTENT_TYPES:
            return "content_policy"
        return "provider_unavailable" if self.may_pass else "invalid_request"


def failure_of(status_code: int, body: object, error_type: object = None) -> ProviderFailure:
    """Read an error body of either shape; a type that is no plain word counts as none."""
    told = (error_type, dig(body, "error_type"), dig(body, "detail", 0, "type"))
    words = (one for one in told if isinstance(one, str) and _WORD.fullmatch(one))
    return ProviderFailure(error_type=next(words, f"http_{status_code}"), status_code=status_code)
