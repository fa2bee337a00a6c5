"""What the simulator remembers: submissions, their outcomes, the files and the webhooks due."""

from dataclasses import dataclass

from madar.simulator.config import JsonObject
from madar.simulator.names import State


@dataclass(frozen=True, kw_only=True)
class NewSubmission:
    """A request as it came in. `start_by` is the caller's deadline for its start, or None."""

    request_id: str
    endpoint_id: str
    arguments: JsonObject
    markers: frozenset[str]
    fingerprint: str
    webhook_url: str | None
    received_at: float
    start_by: float | None
    keeps_payloads: bool


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A recorded request. `arguments` and `output` are None once its payloads are deleted."""

    number: int
    request_id: str
    endpoint_id: str
    arguments: JsonObject | None
    markers: frozenset[str]
    webhook_url: str | None
    received_at: float
    start_by: float | None
    keeps_payloads: bool
    state: State
    cancel_requested: bool
    started_at: float | None
    duration_s: float
    ended_at: float | None
    status_code: int | None
    output: JsonObject | None
    error: str | None
    error_type: str | None


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A result file; `name` is also its path below `/files/`."""

    name: str
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended: what the model answered, or what went wrong around it."""

    status_code: int
    output: JsonObject
    error: str | None = None
    error_type: str | None = None
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NewDelivery:
    """A webhook to send, not before `due_at`."""

    url: str
    body: bytes
    due_at: float


@dataclass(frozen=True, kw_only=True)
class Delivery:
    number: int
    request_id: str
    url: str
    body: bytes
    due_at: float
    attempts: int
