"""What live connections are told when the process ends; and what of them its log never says."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.api.streaming import followed
from tests.local.processes import free_port
from tests.processes.started import started
from tests.product import Person, Product, settings_for
from tests.simulator.harness import Fal, eventually

WELL_WITHIN_THE_DRAIN_S = 10
# No worker takes it up, so whoever follows it would follow it for ever.
RESTING = """
    INSERT INTO generations (user_id, prompt, style, input_type, seed, step, deadline_at,
                             next_action_at)
    SELECT id, 'x', 'voxel-3d', 'text', 1, 'draw', now() + interval '1 day', 'infinity' FROM users
"""


def goodbye(socket: ClientConnection) -> tuple[int, str] | None:
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=30)
    frame = closed.value.rcvd
    return (frame.code, frame.reason) if frame else None


def pinged(socket: ClientConnection) -> bool:
    socket.send(json.dumps({"type": "ping"}))
    return json.loads(socket.recv(timeout=10)) == {"type": "pong"}


def is_ready(product: Product) -> bool:
    with product.anonymous() as http:
        return http.get("/readyz").is_success


def manner_of(person: Person) -> str | None:
    """What an answer says of the connection that it came by."""
    answer = person.get("/api/generations")
    assert answer.status_code == 200
    return answer.headers.get("connection")


def polling(amal: Person) -> str:
    """The address of a Socket.IO client that signed in and waits for news."""
    url = "/socket.io/?EIO=4&transport=polling"
    opened = json.loads(amal.get(url).text.removeprefix("0"))
    url = f"{url}&sid={opened['sid']}"
    assert amal.post(url, content="40" + json.dumps({"token": amal.token})).text == "OK"
    assert amal.get(url).text.startswith("40")
    return url


def test_all_are_told_to_come_again_and_no_secret_is_written_down(
    dsn: str, fal: Fal, tmp_path: Path
) -> None:
    storage = str(tmp_path / "files")
    settings = settings_for(
        dsn=dsn, fal=fal, port=free_port(), storage=storage, log_level="debug", linger_s=1
    )
    product = Product(settings=settings, fal=fal)
    url = product.url.replace("http://", "ws://") + "/ws"
    with started(settings) as running, product.open:
        running.wait_until_healthy()
        amal = product.sign_in()
        product.execute(RESTING)
        [generation] = product.rows("SELECT id FROM generations")
        ticket: str = amal.post("/api/live/ticket").json()["ticket"]
        protocols = [Subprotocol(one) for one in ("madar.v1", f"ticket.{ticket}")]
        with (
            connect(url, subprotocols=protocols, proxy=None) as by_ticket,
            product.socket(Cookie=f"madar={amal.cookie}", Origin=product.url) as by_cookie,
            product.socket() as silent,
            followed(amal, generation["id"]) as stream,
            ThreadPoolExecutor(1) as thread,
        ):
            assert pinged(by_ticket)
            assert pinged(by_cookie)
            assert next(stream).type == "joined"
            poll = thread.submit(amal.get, polling(amal))
            assert manner_of(amal) is None

            told_at = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            eventually(lambda: not is_ready(product) or None)
            assert manner_of(amal) == "close"
            assert pinged(by_cookie)
            with product.socket(Authorization=f"Bearer {amal.token}") as late:
                assert pinged(late)
                assert goodbye(late) == (1012, "restarting")

            assert goodbye(by_ticket) == goodbye(by_cookie) == (1012, "restarting")
            assert goodbye(silent) == (1012, "")
            assert list(stream) == []
            assert poll.result(timeout=30).is_success
            assert running.wait() == 0
            assert time.monotonic() - told_at < WELL_WITHIN_THE_DRAIN_S

    said = "".join(running.said)
    assert "/api/live/ticket" in said
    for secret in (ticket, amal.cookie, amal.token):
        assert secret not in said
