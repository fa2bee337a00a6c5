"""Everything a request handler may use, opened and closed as one."""

from dataclasses import dataclass
from typing import TypedDict

from starlette.requests import Request

from madar.simulator.config import SimulatorConfig
from madar.simulator.faults import FaultDial
from madar.simulator.files import FileStore
from madar.simulator.issuer_tokens import Issuer
from madar.simulator.ledger import Ledger
from madar.simulator.queue import Queue
from madar.simulator.webhooks import SigningKey


@dataclass(frozen=True, kw_only=True)
class Simulator:
    config: SimulatorConfig
    ledger: Ledger
    files: FileStore
    dial: FaultDial
    queue: Queue
    key: SigningKey
    issuer: Issuer | None


class State(TypedDict):
    simulator: Simulator


def simulator_of(request: Request[State]) -> Simulator:
    return request.state["simulator"]
