"""Fal's queue on the wire: submit, status, stream, result, cancel (facts/fal.md, part 2)."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, cast

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from madar.simulator.config import JsonObject
from madar.simulator.faults import inherited, markers_in
from madar.simulator.inputs import ENDPOINTS, fingerprint_of
from madar.simulator.records import NewSubmission, Submission
from madar.simulator.state import Simulator, State, simulator_of
from madar.simulator.status import app_of, status_body, urls_of

_STREAM_TICK_S = 0.1
_STREAM_COMMENT_EVERY_S = 15.0
_FLAKY_BODIES = {500: "Internal Server Error", 503: "Service Unavailable"}


class BrokenAnswer(Response):
    """Promises a body and sends none, so that the server drops the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        headers = [(b"content-type", b"application/json"), (b"content-length", b"512")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


async def post_submit(request: Request[State]) -> Response:
    simulator = simulator_of(request)
    endpoint_id = request.path_params["endpoint_id"]
    if endpoint_id not in ENDPOINTS:
        raise HTTPException(404, f"Application '{endpoint_id}' not found")
    new = _new_submission(request, endpoint_id, await _arguments_of(request))
    faults = simulator.dial.with_markers(new.markers)
    # A 503 comes from the gate, before anything is recorded; a 500 comes too late to take it back.
    failure = simulator.dial.next_flaky_answer() if "flaky" in faults else None
    if failure == 503:  # noqa: PLR2004 - an HTTP status
        return _flaky(failure)
    _check_queue_length(request, endpoint_id)
    is_lost = "lost" in faults and not simulator.ledger.was_submitted_before(new.fingerprint)
    simulator.ledger.record(new)
    simulator.queue.wake()
    if is_lost:
        return BrokenAnswer()
    return _flaky(failure) if failure else _submitted(simulator, new.request_id)


async def _arguments_of(request: Request[State]) -> JsonObject:
    try:
        arguments: Any = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise HTTPException(422, "The request body is not valid JSON") from None
    if not isinstance(arguments, dict):
        raise HTTPException(422, "The request body is not a JSON object")
    return cast("JsonObject", arguments)


def _new_submission(
    request: Request[State], endpoint_id: str, arguments: JsonObject
) -> NewSubmission:
    # Whole milliseconds, so that the history is filtered by exactly the time it shows.
    now = round(time.time(), 3)
    start_timeout_s = _start_timeout_s(request)
    return NewSubmission(
        request_id=str(uuid.uuid4()),
        endpoint_id=endpoint_id,
        arguments=arguments,
        markers=_markers_of(simulator_of(request), arguments),
        fingerprint=fingerprint_of(endpoint_id, arguments),
        webhook_url=request.query_params.get("fal_webhook"),
        received_at=now,
        start_by=now + start_timeout_s if start_timeout_s is not None else None,
        keeps_payloads=request.headers.get("x-fal-store-io") != "0",
    )


def _start_timeout_s(request: Request[State]) -> float | None:
    """fal-client still sends the deprecated name; the new one wins."""
    for name in ("x-fal-request-start-timeout", "x-fal-request-timeout"):
        if (value := request.headers.get(name)) is not None:
            try:
                return float(value)
            except ValueError:
                raise HTTPException(422, f"{name} is not a number") from None
    return None


def _markers_of(simulator: Simulator, arguments: JsonObject) -> frozenset[str]:
    """Of the prompt; a picture of ours that is worked on further brings some of its own."""
    markers = markers_in(str(arguments.get("prompt", "")))
    name = simulator.files.name_in(str(arguments.get("image_url", ""))[:500])
    found = simulator.ledger.get_file(name) if name else None
    maker = simulator.ledger.get(found[1]) if found else None
    return markers | inherited(maker.markers) if maker else markers


def _check_queue_length(request: Request[State], endpoint_id: str) -> None:
    limit = request.query_params.get("fal_max_queue_length", "")
    if limit.isdigit() and simulator_of(request).ledger.count_queued(endpoint_id) > int(limit):
        raise HTTPException(429, "The queue is longer than fal_max_queue_length")


def _submitted(simulator: Simulator, request_id: str) -> Response:
    submission = simulator.ledger.get(request_id)
    assert submission is not None
    body: JsonObject = {
        "status": "IN_QUEUE",
        "request_id": request_id,
        "gateway_request_id": request_id,
        **urls_of(submission, simulator.config.public_url),
        "queue_position": simulator.ledger.count_ahead(submission.number),
    }
    return JSONResponse(body, headers={"x-fal-request-id": request_id})


async def get_status(request: Request[State]) -> Response:
    submission = _submission_of(request)
    if flaky := _flaky_answer(request, submission):
        return flaky
    status_code = 200 if submission.state == "COMPLETED" else 202
    return JSONResponse(_body_of(request, submission), status_code, headers=_headers_of(submission))


async def get_status_stream(request: Request[State]) -> Response:
    submission = _submission_of(request)
    return StreamingResponse(
        _events(request, submission.request_id),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-fal-request-id": submission.request_id},
    )


async def _events(request: Request[State], request_id: str) -> AsyncIterator[bytes]:
    """One event for each change; closes after COMPLETED."""
    sent: JsonObject | None = None
    sent_at = time.monotonic()
    while submission := simulator_of(request).ledger.get(request_id):
        body = _body_of(request, submission)
        if body != sent:
            sent, sent_at = body, time.monotonic()
            yield b"data: " + orjson.dumps(body) + b"\n\n"
        elif time.monotonic() - sent_at >= _STREAM_COMMENT_EVERY_S:
            sent_at = time.monotonic()
            yield b": keep alive\n\n"
        if submission.state == "COMPLETED":
            return
        await asyncio.sleep(_STREAM_TICK_S)


async def get_result(request: Request[State]) -> Response:
    submission = _submission_of(request)
    if flaky := _flaky_answer(request, submission):
        return flaky
    if submission.state != "COMPLETED":
        raise HTTPException(400, "Request is still in progress")
    if submission.output is None:
        raise HTTPException(404, "Request output is not available")
    assert submission.status_code is not None
    return JSONResponse(submission.output, submission.status_code, headers=_headers_of(submission))


async def put_cancel(request: Request[State]) -> Response:
    submission = _find_submission(request)
    if submission is None:
        return JSONResponse({"status": "NOT_FOUND"}, 404)
    if submission.state == "COMPLETED":
        return JSONResponse({"status": "ALREADY_COMPLETED"}, 400)
    simulator_of(request).queue.cancel(submission)
    if submission.state == "IN_QUEUE":
        return JSONResponse({"status": "OK"})
    return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)


def _find_submission(request: Request[State]) -> Submission | None:
    submission = simulator_of(request).ledger.get(request.path_params["request_id"])
    app_id = f"{request.path_params['owner']}/{request.path_params['app']}"
    return submission if submission and app_of(submission.endpoint_id) == app_id else None


def _submission_of(request: Request[State]) -> Submission:
    submission = _find_submission(request)
    if submission is None:
        raise HTTPException(404, "Request not found")
    return submission


def _body_of(request: Request[State], submission: Submission) -> JsonObject:
    simulator = simulator_of(request)
    return status_body(
        submission,
        public_url=simulator.config.public_url,
        position=simulator.ledger.count_ahead(submission.number),
        with_logs=request.query_params.get("logs", "").lower() in {"1", "true"},
        now=time.time(),
    )


def _headers_of(submission: Submission) -> dict[str, str]:
    headers = {"x-fal-request-id": submission.request_id}
    if submission.error_type is not None:
        headers["x-fal-error-type"] = submission.error_type
    if submission.error_type == "request_timeout":
        headers["x-fal-request-timeout-type"] = "user"
    return headers


def _flaky_answer(request: Request[State], submission: Submission) -> Response | None:
    dial = simulator_of(request).dial
    if "flaky" not in dial.with_markers(submission.markers):
        return None
    failure = dial.next_flaky_answer()
    return _flaky(failure) if failure else None


def _flaky(status_code: int) -> Response:
    return JSONResponse({"detail": _FLAKY_BODIES[status_code]}, status_code)


_REQUEST = "/{owner}/{app}/requests/{request_id}"

routes = [
    Route(f"{_REQUEST}/status", get_status, methods=["GET"]),
    Route(f"{_REQUEST}/status/stream", get_status_stream, methods=["GET"]),
    Route(f"{_REQUEST}/cancel", put_cancel, methods=["PUT"]),
    Route(_REQUEST, get_result, methods=["GET"]),
    # Fal's guide shows this longer address for the same thing.
    Route(f"{_REQUEST}/response", get_result, methods=["GET"]),
    Route("/{endpoint_id:path}", post_submit, methods=["POST"]),
]
