"""Thirty secrets are planted, everything goes wrong, and none of them comes out anywhere.

Web and worker run as in production, with JSON lines on standard output and a Sentry that keeps what
it gets. Constraints that PostgreSQL is given on the way make real errors of real rows: their
details quote the rows whole, prompts, e-mail addresses and all.
"""

import json
import logging
import secrets
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import sentry_sdk
from prometheus_client import generate_latest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from madar import log as logs
from madar import redaction, sentry
from madar.metrics import REGISTRY
from tests.conftest import Start
from tests.product import Json, Person, Product
from tests.sentry_sink import Sink, serving_sink
from tests.simulator.harness import eventually

UUID_CHARACTERS = 36


class Canaries:
    """Each by its name; those that the product itself makes are added when they are known."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def __call__(self, name: str, pattern: str = "canary-{}") -> str:
        return self.add(name, pattern.format(secrets.token_hex(12)))

    def add(self, name: str, value: str) -> str:
        assert len(value) >= 8
        self.planted[name] = value
        return value

    def found_in(self, text: str) -> list[str]:
        return [name for name, value in self.planted.items() if value in text]


@pytest.fixture
def sink() -> Generator[Sink]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    with serving_sink() as sink:
        yield sink
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)
    sentry._sdk = None  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    redaction.hide([])
    root.handlers[:] = before
    root.setLevel(level)


def settings_with(plant: Canaries, sink: Sink, dsn: str) -> Json:
    return {
        "database_url": f"{dsn}&password={plant('database password')}",
        "google_client_secret": plant.add("Google's secret", "made-up-secret"),
        "jwt_secret": plant("JWT secret", "{0}{0}"),
        "fal_api_key": f"id:{plant('Fal key')}",
        "fal_webhook_secret": plant("webhook secret", "{0}{0}"),
        "aws_secret_access_key": plant("storage secret"),
        "redis_url": f"redis://:{plant('Redis password')}@127.0.0.1:1",
        "analytics_api_key": plant("analytics key"),
        "upstash_redis_rest_url": "http://127.0.0.1:1",
        "upstash_redis_rest_token": plant("Upstash token"),
        "sentry_dsn": sink.dsn,
        "sentry_traces_sample_rate": 1,
        "log_level": "info",
        "poll_min_s": 0.1,
    }


def forbid(product: Product, table: str, condition: str) -> None:
    """From here on such a row fails, and the error quotes it."""
    product.execute(f"ALTER TABLE {table} ADD CHECK ({condition}) NOT VALID")


def come_with_secrets(product: Product, amal: Person, plant: Canaries) -> list[httpx.Response]:
    """What a program may send where it does not belong; all of it is refused or ignored."""
    url = f"/api/generations/{secrets.token_hex(16)}"
    sent = "Content-Type"
    with product.anonymous() as http:
        return [
            http.get(f"{url}?token={plant('token in a query')}"),
            http.get(f"/api/{plant('word in a path')}"),
            http.get(url, headers={"Authorization": f"Bearer {plant('bearer token of nobody')}"}),
            http.get(url, headers={"Cookie": f"madar={plant('cookie of nobody')}"}),
            http.get("/livez", headers={"X-Request-Id": plant("request id", "canary {}")}),
            http.get("/readyz", headers={"User-Agent": plant("user agent")}),
            http.get(f"/files/{plant('forged file link')}"),
            http.get(f"/api/auth/google/callback?code={plant('code')}&state={plant('state')}"),
            http.post(f"/api/webhooks/fal?a=x&t={plant('webhook token of nobody')}"),
            amal.post("/api/generations", json={"password": plant("password in a body")}),
            amal.post("/api/generations", content=plant("broken body"), headers={sent: "x/y"}),
            amal.post(
                "/api/generations",
                json={"style": "voxel-3d", "textPrompt": "x"},
                headers={"Idempotency-Key": plant("idempotency key", "canary\tkey {}")},
            ),
            amal.post(
                "/api/uploads/image",
                files={"image": (plant("file name"), plant("file").encode(), "image/png")},
            ),
            amal.http.patch("/api/user/profile", json={"displayName": [plant("name in a body")]}),
        ]


def say_on_sockets(product: Product, plant: Canaries) -> None:
    url = product.url.replace("http://", "ws://") + "/ws"
    offered = [Subprotocol(f"ticket.{plant('forged ticket')}")]
    with suppress(WebSocketException), connect(url, subprotocols=offered, proxy=None) as socket:
        socket.recv(timeout=10)
    with suppress(WebSocketException), connect(url, proxy=None) as socket:
        socket.send(json.dumps({"type": "auth", "token": plant("token in a message")}))
        socket.recv(timeout=10)


def live_for_a_while(product: Product, amal: Person, plant: Canaries) -> str:
    """A picture is asked for, and what was made on the way is planted too; the picture's id."""
    prompt = plant("prompt", "canary-{} a red rocket")
    id = amal.create(textPrompt=prompt)["id"]  # noqa: A001 - as everywhere
    plant.add("session cookie", amal.cookie)
    plant.add("bearer token", amal.token)
    plant.add("ticket", amal.post("/api/live/ticket").json()["ticket"])
    with product.anonymous() as http:
        started = http.get("/api/auth/google/url").json()
        plant.add("state of a sign-in", started["state"])
        plant.add("cookie of a sign-in", http.cookies["madar-sign-in"])
    attempt = product.rows("SELECT id FROM attempts")[0]["id"]
    plant.add("webhook token", product.settings.webhook_token(attempt))
    return id


def test_no_planted_secret_comes_out_anywhere(
    start: Start, dsn: str, sink: Sink, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = Canaries()
    product = start(**settings_with(plant, sink, dsn))
    logs.configure("info", as_json=True)
    redaction.hide(product.settings.secrets)
    sentry.configure(product.settings, process="web")

    amal = product.sign_in(plant("e-mail", "canary-{}@madar.test"))
    id = live_for_a_while(product, amal, plant)  # noqa: A001
    forbid(product, "generations", "NOT is_liked")
    forbid(product, "attempts", "state <> 'sent'")
    forbid(product, "users", "email NOT LIKE 'second%%'")
    answers = come_with_secrets(product, amal, plant)
    say_on_sockets(product, plant)
    answers += [amal.http.patch(f"/api/generations/{id}", json={"isLiked": True})]
    assert answers[-1].status_code == 500
    with pytest.raises(AssertionError, match="500"):
        product.sign_in(plant("second e-mail", "second-canary-{}@madar.test"))
    with product.working():
        seen = amal.finished(id)
    sentry.flush()
    out = capsys.readouterr().out

    assert len(plant.planted) >= 30
    assert seen["errorCode"] == "internal"
    assert plant.found_in(out) == []
    assert plant.found_in("".join(sink.bodies)) == []
    assert plant.found_in("".join(f"{one.headers}{one.text}" for one in answers)) == []
    assert plant.found_in(generate_latest(REGISTRY).decode()) == []
    lines = [json.loads(line) for line in out.splitlines()]
    check_lines(lines, id)
    check_reports(sink, id, answers[-1].headers["x-request-id"])


def check_lines(lines: list[Json], id: str) -> None:
    """What is left helps: ids, codes, and where it went wrong."""
    started = one_of(lines, event="generation.started")
    assert started["generation_id"] == id
    assert len(started["request_id"]) == 16
    liked = one_of(lines, event="request", method="PATCH", status=500)
    assert (liked["code"], liked["generation_id"]) == ("internal", id)
    stumbled = one_of(lines, event="generation.stumbled")
    assert stumbled["generation_id"] == id
    assert len(stumbled["attempt_id"]) == UUID_CHARACTERS
    assert "psycopg.errors.CheckViolation: new row for relation" in stumbled["stack"]
    assert one_of(lines, event="request", route="/api/auth/google/callback", status=401)["code"]


def check_reports(sink: Sink, id: str, request_id: str) -> None:
    failed = eventually(lambda: next((e for e in sink.events if about(e, id)), None))
    assert failed["tags"]["request_id"] == request_id
    assert failed["tags"]["route"] == "/api/generations/{id}"
    stumbled = sink.event("generation.stumbled")
    assert stumbled["tags"]["generation_id"] == id
    assert len(stumbled["tags"]["attempt_id"]) == UUID_CHARACTERS
    assert stumbled["release"].startswith("madar@")
    assert stumbled["environment"] == "development"
    for event in sink.events:
        assert not {"request", "user", "breadcrumbs"} & set(event)
        for error in event.get("exception", {}).get("values", ()):
            assert not any("vars" in frame for frame in error["stacktrace"]["frames"])
    names = {one["transaction"] for one in sink.transactions}
    assert {"PATCH /api/generations/{id}", "generations.draw"} <= names
    assert not any("livez" in name for name in names)


def about(event: Json, id: str) -> bool:
    is_of_request = event["logentry"]["formatted"] == "request.failed"
    return is_of_request and event["tags"].get("generation_id") == id


def one_of(lines: list[Json], **facts: Any) -> Json:
    found = [line for line in lines if facts.items() <= line.items()]
    assert found, f"no line with {facts}"
    return found[0]
