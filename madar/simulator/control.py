"""What only the simulator has: its fault dial, its record of submissions, its health.

The signing key and the result files, which Fal serves without a key, are here as well.
"""

from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from madar.simulator.config import JsonObject
from madar.simulator.faults import FAULTS, UnknownFault
from madar.simulator.records import Submission
from madar.simulator.state import State, simulator_of
from madar.simulator.status import iso


async def get_health(request: Request[State]) -> Response:
    simulator = simulator_of(request)
    body = {
        "status": "ok",
        "queued": simulator.ledger.count_queued(),
        "running": len(simulator.ledger.list_running()),
        "webhooksDue": simulator.ledger.count_open_deliveries(),
        "faults": sorted(simulator.dial.names),
    }
    return JSONResponse(body)


async def get_submissions(request: Request[State]) -> Response:
    """Every submission ever recorded here, oldest first: what an account would be billed for."""
    return JSONResponse([_item(one) for one in simulator_of(request).ledger.list_all()])


def _item(submission: Submission) -> JsonObject:
    return {
        "requestId": submission.request_id,
        "endpointId": submission.endpoint_id,
        "input": submission.arguments,
        "receivedAt": iso(submission.received_at),
        "webhookUrl": submission.webhook_url,
        "state": submission.state,
        "statusCode": submission.status_code,
        "isCancelRequested": submission.cancel_requested,
    }


async def put_faults(request: Request[State]) -> Response:
    dial = simulator_of(request).dial
    try:
        body: Any = orjson.loads(await request.body())
        dial.turn(frozenset(str(name) for name in body["faults"]))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise HTTPException(422, 'Send {"faults": [...]}') from None
    except UnknownFault as error:
        known = ", ".join(sorted(FAULTS))
        raise HTTPException(422, f"No such fault: {error}. There are: {known}") from error
    return JSONResponse({"faults": sorted(dial.names)})


async def get_jwks(request: Request[State]) -> Response:
    return JSONResponse(simulator_of(request).key.jwks())


async def get_file(request: Request[State]) -> Response:
    simulator = simulator_of(request)
    found = simulator.ledger.get_file(request.path_params["name"])
    if found is None:
        raise HTTPException(404, "File not found")
    stored, _ = found
    return FileResponse(simulator.files.path_of(stored.name), media_type=stored.content_type)


routes = [
    Route("/simulator/health", get_health, methods=["GET"]),
    Route("/simulator/submissions", get_submissions, methods=["GET"]),
    Route("/simulator/faults", put_faults, methods=["PUT"]),
    Route("/.well-known/jwks.json", get_jwks, methods=["GET"]),
    Route("/files/{name}", get_file, methods=["GET"]),
]
