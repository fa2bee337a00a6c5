"""Failures that are expected: a permanent code and its facts, never a sentence or a status.

MadarError
├── InvalidInput         the request is wrong, and where
├── MalformedRequest     the body cannot be read at all
├── Unauthenticated      nobody is signed in
├── Forbidden            this page or origin may not do this
├── NotFound             not there, or not yours: the same answer
├── Conflict             true when asked, not any more
├── RateLimited          too often, or more than is allowed
├── TooBusy              we have as much work as we can hold
└── Unavailable          something we depend on does not answer now
    └── Unreachable      nor could anything be asked of it
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


class MadarError(Exception):
    """`codes` knows each code, the catalogues its words; `retry_after_s`: when to ask again."""

    def __init__(self, code: str, *, retry_after_s: int | None = None, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after_s = retry_after_s
        self.params = params


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing wrong in a request; `pointer` is a JSON pointer into its body or query."""

    code: str
    pointer: str = ""
    params: dict[str, Any] = field(default_factory=dict[str, Any])


class InvalidInput(MadarError):
    """The code of the first fault names the whole; all faults are told at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults[0].code, **faults[0].params)
        self.faults = tuple(faults)

    @classmethod
    def at(cls, pointer: str, code: str, **params: Any) -> "InvalidInput":
        return cls([Fault(code=code, pointer=pointer, params=params)])


class MalformedRequest(MadarError):
    """The body could not be read at all: `not_json`, `body_too_large` and so on."""


class Unauthenticated(MadarError):
    def __init__(self, code: str = "not_signed_in") -> None:
        super().__init__(code)


class Forbidden(MadarError):
    pass


class NotFound(MadarError):
    def __init__(self) -> None:
        super().__init__("not_found")


class Conflict(MadarError):
    pass


class RateLimited(MadarError):
    """`policy` is the name of the limit, as the RateLimit headers have it."""

    def __init__(
        self, code: str = "rate_limited", *, policy: str, retry_after_s: int, **params: Any
    ) -> None:
        super().__init__(
            code, retry_after_s=retry_after_s, policy=policy, seconds=retry_after_s, **params
        )
        self.policy = policy


class TooBusy(MadarError):
    def __init__(self, *, retry_after_s: int = 1) -> None:
        super().__init__("too_busy", retry_after_s=retry_after_s)


class Unavailable(MadarError):
    """`dependency` is one of: database, fal, google, storage."""

    def __init__(self, dependency: str, *, retry_after_s: int = 2) -> None:
        super().__init__(f"{dependency}_unavailable", retry_after_s=retry_after_s)
        self.dependency = dependency


class Unreachable(Unavailable):
    """Nothing was asked, so nothing was done; whatever else waits for it waits in vain as well."""
