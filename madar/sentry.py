"""Unexpected errors are reported to Sentry, where it is configured: what failed, where, which ids.

Whatever is logged as an error is reported, and nothing else: the log is the one place where
failures meet. The SDK's own integrations stay off, so it sees no request, no header, no body, no
query and no call to Fal, and what is left is cleaned like a log line (madar/redaction.py). It sends
from a thread of its own with a bounded queue; what Sentry does not take within a second is dropped
and counted. Nobody waits for it but the end of the process, for a second.
"""
# ruff: noqa: PLC0415 - importing the SDK takes 300 ms, which only who configured it shall pay

import contextlib
import logging
import time
from collections import deque
from collections.abc import Generator
from typing import Any

import madar
from madar import metrics
from madar.log import facts_of, ids
from madar.redaction import clean, clean_message
from madar.settings import Settings

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 1.0
FLUSH_S = 1.0
MAX_WAITING = 100
# To write down one error holds the event loop for about a millisecond, so a storm is cut short.
MAX_ERRORS, WITHIN_S = 30, 60.0
IDS = ("request_id", "generation_id", "attempt_id", "job_id", "route", "step", "part", "loop")

_sdk: Any = None  # once it is configured


def configure(settings: Settings, *, process: str) -> None:
    """After the log; the process goes on without reports where the SDK will not start."""
    if not str(settings.sentry_dsn):
        return
    try:
        _configure(settings, process)
    except Exception as error:  # noqa: BLE001 - what only watches may not keep anything from running
        log.warning("sentry.unavailable", extra={"why": type(error).__name__})


def flush() -> None:
    """The last thing that a process does."""
    if _sdk:
        _sdk.flush(timeout=FLUSH_S)


@contextlib.contextmanager
def traced(op: str) -> Generator[Any]:
    """How long this takes, of one in so many; name and ids are set on what is given here."""
    if not _sdk:
        yield None
        return
    # Without a scope of its own, what runs beside it would be taken for a part of it.
    with _sdk.isolation_scope(), _sdk.start_transaction(op=op, name=op) as transaction:
        try:
            yield transaction
        finally:
            for name, identifier in ids().items():
                transaction.set_tag(name, identifier)


def _configure(settings: Settings, process: str) -> None:
    global _sdk  # noqa: PLW0603 - the SDK is one in a process
    import sentry_sdk

    sentry_sdk.init(
        dsn=str(settings.sentry_dsn),
        release=f"madar@{madar.__version__}",
        environment=settings.app_env,
        traces_sample_rate=settings.sentry_traces_sample_rate,
        transport=_transport(),
        transport_queue_size=MAX_WAITING,
        send_client_reports=False,
        before_send=_cleaned,
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        enable_backpressure_handling=False,
        trace_propagation_targets=[],
        max_request_body_size="never",
        max_breadcrumbs=0,
        include_local_variables=False,
        data_collection={
            "user_info": False,
            "cookies": {"mode": "off"},
            "http_headers": {"request": {"mode": "off"}},
            "http_bodies": [],
            "url_query_params": {"mode": "off"},
            "stack_frame_variables": False,
            "database_query_data": False,
        },
        debug=False,
        spotlight=False,
    )
    sentry_sdk.get_global_scope().set_tag("process", process)
    own = logging.getLogger("sentry_sdk")
    own.propagate = False
    own.addHandler(logging.NullHandler())
    logging.getLogger().addHandler(_Reporter(level=logging.ERROR))
    _sdk = sentry_sdk


class _Reporter(logging.Handler):
    """Whatever is logged as an error becomes an event, until there are too many."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._reported_at: deque[float] = deque(maxlen=MAX_ERRORS)

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        is_many = len(self._reported_at) == MAX_ERRORS
        if is_many and now - self._reported_at[0] < WITHIN_S:
            metrics.sentry_dropped.labels("storm").inc()
            return
        self._reported_at.append(now)
        try:
            _report(record)
        except Exception:  # noqa: BLE001 - as a handler of the log does
            self.handleError(record)


def _report(record: logging.LogRecord) -> None:
    from sentry_sdk.utils import event_from_exception

    options = _sdk.get_client().options
    event: Any = {}
    if record.exc_info and record.exc_info[1]:
        event, _ = event_from_exception(
            record.exc_info, options, mechanism={"type": "logging", "handled": True}
        )
    facts = facts_of(record)
    event |= {
        "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
        "logger": record.name,
        "logentry": {"formatted": clean(record.getMessage())},
        "tags": {name: str(facts.pop(name)) for name in IDS if name in facts},
        "extra": facts,
    }
    _sdk.capture_event(event)


def _cleaned(event: Any, hint: Any) -> Any:
    """What an error says of itself may quote anything (F19 of the reliability model)."""
    del hint
    for error in event.get("exception", {}).get("values", ()):
        error["value"] = clean_message(error.get("value") or "")
        for frame in error.get("stacktrace", {}).get("frames", ()):
            frame.pop("vars", None)
    for name in ("request", "user", "breadcrumbs", "modules"):
        event.pop(name, None)
    return event


def _transport() -> Any:
    """The SDK's own, but impatient: nothing is tried again, and what is lost is counted."""
    from sentry_sdk.transport import HttpTransport

    class Transport(HttpTransport):
        TIMEOUT = ANSWER_WITHIN_S  # pyright: ignore[reportAssignmentType] - passed on to urllib3

        def _get_pool_options(self) -> dict[str, Any]:
            return {**super()._get_pool_options(), "retries": False}

        def on_dropped_event(self, _reason: str) -> None:
            metrics.sentry_dropped.labels(_reason).inc()

    return Transport
