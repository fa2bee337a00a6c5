"""What a request looks like from outside at a given moment (facts/fal.md, 2.2)."""

from datetime import UTC, datetime

from madar.simulator.config import JsonObject
from madar.simulator.inputs import ENDPOINTS, steps_of
from madar.simulator.records import Submission


def urls_of(submission: Submission, public_url: str) -> JsonObject:
    """Only owner and app: an endpoint's own path is not part of its requests' addresses."""
    base = f"{public_url}/{app_of(submission.endpoint_id)}/requests/{submission.request_id}"
    return {"response_url": base, "status_url": f"{base}/status", "cancel_url": f"{base}/cancel"}


def app_of(endpoint_id: str) -> str:
    return "/".join(endpoint_id.split("/")[:2])


def status_body(
    submission: Submission, *, public_url: str, position: int, with_logs: bool, now: float
) -> JsonObject:
    body: JsonObject = {
        "status": submission.state,
        "request_id": submission.request_id,
        **urls_of(submission, public_url),
        "logs": logs_of(submission, now) if with_logs else None,
        "metrics": {},
    }
    if submission.state == "IN_QUEUE":
        body["queue_position"] = position
    if submission.state == "COMPLETED":
        body["metrics"] = {"inference_time": _inference_s(submission)}
        if submission.error is not None:
            body |= {"error": submission.error, "error_type": submission.error_type}
    return body


def logs_of(submission: Submission, now: float) -> list[JsonObject]:
    """The step lines so far. They follow from the times, so nothing has to be kept."""
    is_drawing = ENDPOINTS[submission.endpoint_id].kind == "draw"
    if submission.started_at is None or not is_drawing:
        return []
    steps = steps_of(submission.arguments or {})
    step_s = submission.duration_s / steps
    until = submission.ended_at if submission.ended_at is not None else now
    elapsed_s = until - submission.started_at
    # A timer may wake a moment early, but a run that ended well has taken its last step.
    is_done = submission.ended_at is not None and submission.error is None
    done = steps if is_done or step_s == 0 else min(steps, int(elapsed_s / step_s))
    return [
        _line(step, steps, step_s=step_s, started_at=submission.started_at)
        for step in range(1, done + 1)
    ]


def _line(step: int, steps: int, *, step_s: float, started_at: float) -> JsonObject:
    spent, left = _clock(step * step_s), _clock((steps - step) * step_s)
    pace = f"{1 / step_s:.2f}it/s" if step_s else "?it/s"
    return {
        "message": f"{step}/{steps} [{spent}<{left}, {pace}]",
        "level": "INFO",
        "source": "USER",
        "timestamp": iso(started_at + step * step_s),
    }


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def _inference_s(submission: Submission) -> float | None:
    if submission.started_at is None or submission.ended_at is None:
        return None
    return round(submission.ended_at - submission.started_at, 3)
