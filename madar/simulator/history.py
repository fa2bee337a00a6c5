"""Fal's platform API: the request history and the deletion of what a request left behind."""

import base64
import binascii
import time
from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from madar.simulator.config import JsonObject
from madar.simulator.records import Submission
from madar.simulator.state import State, simulator_of
from madar.simulator.status import iso

_DAY_S = 86_400
_DEFAULT_LIMIT, _MAX_LIMIT = 50, 100
_STATUS_CODES = {"success": (200, 299), "user_error": (400, 499), "error": (500, 599)}


async def get_history(request: Request[State]) -> Response:
    """Newest first.

    Whether Fal lists requests that still wait or run is not documented; here they are listed, and
    `started_at`, `ended_at`, `duration` and `status_code` are null until there is something to say.
    """
    query = request.query_params
    endpoint_ids = [
        one for each in query.getlist("endpoint_id") for one in each.split(",") if one.strip()
    ]
    if not endpoint_ids:
        raise HTTPException(422, "endpoint_id is required")
    now = time.time()
    request_id = query.get("request_id")
    limit, page = _limit_of(query.get("limit")), _page_of(query.get("cursor"))
    found = simulator_of(request).ledger.history(
        endpoint_ids=endpoint_ids,
        start_at=_time_of(query.get("start"), now - _DAY_S * (90 if request_id else 1)),
        end_at=_time_of(query.get("end"), now + 1),
        request_id=request_id,
        status_codes=_status_codes_of(query.get("status")),
        # One more than asked tells whether there is a next page.
        n=limit + 1,
        skipped=(page - 1) * limit,
    )
    with_payloads = any("payloads" in each.split(",") for each in query.getlist("expand"))
    has_more = len(found) > limit
    body: JsonObject = {
        "items": [_item(one, with_payloads=with_payloads) for one in found[:limit]],
        "next_cursor": _cursor_to(page + 1) if has_more else None,
        "has_more": has_more,
    }
    return JSONResponse(body)


def _item(submission: Submission, *, with_payloads: bool) -> JsonObject:
    started_at, ended_at = submission.started_at, submission.ended_at
    item: JsonObject = {
        "request_id": submission.request_id,
        "endpoint_id": submission.endpoint_id,
        "sent_at": iso(submission.received_at),
        "started_at": iso(started_at) if started_at is not None else None,
        "ended_at": iso(ended_at) if ended_at is not None else None,
        "status_code": submission.status_code,
        "duration": round(ended_at - started_at, 3) if started_at and ended_at else None,
    }
    if with_payloads:
        is_kept = submission.keeps_payloads
        item["json_input"] = submission.arguments if is_kept else None
        item["json_output"] = submission.output if is_kept else None
    return item


async def delete_payloads(request: Request[State]) -> Response:
    """A request that is not done cannot lose its input; Fal says nothing about that case."""
    simulator = simulator_of(request)
    submission = simulator.ledger.get(request.path_params["request_id"])
    if submission is None:
        raise HTTPException(404, "Request not found")
    if submission.state != "COMPLETED":
        raise HTTPException(409, "Request is still in progress")
    names = simulator.ledger.delete_payloads(submission.request_id)
    for name in names:
        simulator.files.delete(name)
    results = [{"link": simulator.files.url_of(name), "exception": None} for name in names]
    return JSONResponse({"cdn_delete_results": results})


def _limit_of(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not text.isdigit() or not 1 <= int(text) <= _MAX_LIMIT:
        raise HTTPException(422, f"limit must be between 1 and {_MAX_LIMIT}")
    return int(text)


def _cursor_to(page: int) -> str:
    return base64.b64encode(str(page).encode()).decode()


def _page_of(cursor: str | None) -> int:
    if cursor is None:
        return 1
    try:
        return max(1, int(base64.b64decode(cursor, validate=True)))
    except (binascii.Error, ValueError):
        raise HTTPException(422, "cursor is not valid") from None


def _time_of(text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise HTTPException(422, f"{text} is not an ISO 8601 date") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _status_codes_of(status: str | None) -> tuple[int, int] | None:
    if status is None:
        return None
    if status not in _STATUS_CODES:
        raise HTTPException(422, f"status must be one of {', '.join(_STATUS_CODES)}")
    return _STATUS_CODES[status]


routes = [
    Route("/v1/models/requests/by-endpoint", get_history, methods=["GET"]),
    Route("/v1/models/requests/{request_id}/payloads", delete_payloads, methods=["DELETE"]),
]
