"""POST /api/webhooks/fal."""

import itertools
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from madar import metrics
from madar.simulator.webhooks import SigningKey
from tests.api.looking import is_arabic, problem_in, without_id, written
from tests.conftest import Start
from tests.product import Json, Person, Product
from tests.simulator.harness import Fal

pytestmark = pytest.mark.standing

REQUEST_ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"


@dataclass(kw_only=True)
class Sender:
    """Signs like Fal, with the simulator's own key; each test spoils one thing."""

    product: Product
    key: SigningKey
    attempt_id: str
    body: Json = field(default_factory=lambda: {"request_id": REQUEST_ID, "status": "OK"})

    def send(
        self,
        *,
        body: bytes | None = None,
        signed: bytes | None = None,
        query: Json | None = None,
        at: float | None = None,
        user_id: str = "madar-simulator",
        request_id: str = REQUEST_ID,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        content = json.dumps(self.body).encode() if body is None else body
        text = content if signed is None else signed
        made = self.signed(text, at=at, user_id=user_id, request_id=request_id)
        kept = {name: value for name, value in {**made, **(headers or {})}.items() if value}
        with self.product.anonymous(**kept) as http:
            return http.post(
                "/api/webhooks/fal", params=self.query if query is None else query, content=content
            )

    def signed(
        self,
        body: bytes,
        *,
        at: float | None = None,
        user_id: str = "madar-simulator",
        request_id: str = REQUEST_ID,
    ) -> dict[str, str]:
        return self.key.headers(
            request_id=request_id,
            user_id=user_id,
            timestamp=int(time.time() if at is None else at),
            body=body,
        )

    @property
    def query(self) -> Json:
        return {"a": self.attempt_id, "t": self.token}

    @property
    def token(self) -> str:
        return self.product.settings.webhook_token(UUID(self.attempt_id))

    def state(self) -> Json:
        return self.product.rows(
            "SELECT a.state, a.request_id, a.announced_at IS NOT NULL AS is_announced,"
            "       g.next_action_at > now() AS sleeps, g.version"
            "  FROM attempts a JOIN generations g ON g.id = a.generation_id"
        )[0]


@pytest.fixture
def sender(
    product: Product, amal: Person, fal: Fal, tmp_path_factory: pytest.TempPathFactory
) -> Sender:
    """An attempt that was sent, whose generation sleeps until the next poll."""
    attempt_id = amal.create()["jobId"]
    product.execute(
        "UPDATE attempts SET state = 'sent', sent_at = now(), endpoint = 'fal-ai/flux-lora',"
        " arguments = '{}'"
    )
    product.execute("UPDATE generations SET next_action_at = now() + interval '1 hour'")
    product.execute("DELETE FROM procrastinate_jobs")
    published = fal.http.get("/.well-known/jwks.json").json()
    paths = tmp_path_factory.getbasetemp().glob("simulator*/webhook-key")
    keys = [SigningKey.load_or_create(path) for path in paths]
    key = next(key for key in keys if key.jwks() == published)
    return Sender(product=product, key=key, attempt_id=attempt_id)


def test_a_right_delivery_binds_the_request_and_wakes_a_worker(sender: Sender) -> None:
    answer = sender.send()

    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert sender.state() == {
        "state": "accepted",
        "request_id": REQUEST_ID,
        "is_announced": True,
        "sleeps": False,
        "version": 1,
    }
    jobs = sender.product.rows("SELECT task_name, status, args FROM procrastinate_jobs")
    [generation] = sender.product.rows("SELECT id::text FROM generations")
    assert jobs == [
        {
            "task_name": "generations.advance",
            "status": "todo",
            "args": {"generation_id": generation["id"]},
        }
    ]


def test_repeated_deliveries_do_no_harm(sender: Sender) -> None:
    answers = [sender.send() for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert written(sender.product)["procrastinate_jobs"] == 1
    assert sender.state()["state"] == "accepted"


def test_a_second_request_id_does_not_take_the_attempt_over(sender: Sender) -> None:
    """Neither one that Fal accepted nor one that has ended."""
    sender.product.execute(
        "UPDATE attempts SET state = 'accepted', accepted_at = now(), request_id = %s", REQUEST_ID
    )
    other = REQUEST_ID[:-1] + "0"
    body = json.dumps({"request_id": other, "status": "OK"}).encode()

    for is_announced in (False, True):
        answer = sender.send(request_id=other, body=body)
        assert answer.status_code == 200
        state = sender.state()
        assert (state["request_id"], state["is_announced"]) == (REQUEST_ID, is_announced)
        sender.send()


def test_a_delivery_for_what_was_never_sent_changes_nothing(sender: Sender) -> None:
    sender.product.execute("UPDATE attempts SET state = 'prepared', endpoint = NULL")
    before = sender.state()

    answer = sender.send()

    assert answer.status_code == 200
    assert sender.state() == before


def test_a_delivery_after_the_end_changes_nothing(sender: Sender) -> None:
    sender.product.execute("UPDATE generations SET state = 'failed', error_code = 'timeout',"
                           " next_action_at = NULL")  # fmt: skip
    sender.product.execute("UPDATE attempts SET state = 'failed'")
    before = sender.state()

    answer = sender.send()

    assert answer.status_code == 200
    assert sender.state() == before
    assert written(sender.product)["procrastinate_jobs"] == 0


def test_what_is_not_rightly_signed_for_us_is_refused_without_a_word(sender: Sender) -> None:
    body = json.dumps(sender.body).encode()
    now = time.time()
    other = REQUEST_ID[:-1] + "0"
    before = sender.state()

    answers = {
        "unsigned": sender.send(headers={"X-Fal-Webhook-Signature": ""}),
        "no headers": _post_plain(sender, body),
        "not hex": sender.send(headers={"X-Fal-Webhook-Signature": "zz"}),
        "another signature": sender.send(headers={"X-Fal-Webhook-Signature": "00" * 64}),
        "another account": sender.send(user_id="somebody-else"),
        "a changed byte": sender.send(body=body.replace(b"OK", b"KO"), signed=body),
        "an old timestamp": sender.send(at=now - 320),
        "a future timestamp": sender.send(at=now + 320),
        "a changed timestamp": sender.send(headers={"X-Fal-Webhook-Timestamp": str(int(now) - 9)}),
        "arabic digits": sender.send(headers={"X-Fal-Webhook-Timestamp": "1e9"}),
        "another request in the body": sender.send(request_id=other),
        "no token": sender.send(query={"a": sender.attempt_id}),
        "a wrong token": sender.send(query={**sender.query, "t": "0" * 64}),
        "another attempt's token": sender.send(query={**sender.query, "a": str(uuid4())}),
        "no attempt": sender.send(query={}),
        "no attempt but letters": sender.send(query={"a": "صاروخ", "t": "صاروخ"}),
    }

    for name, answer in answers.items():
        problem_in(answer, 401, "webhook_refused")
        assert without_id(answer) == without_id(answers["unsigned"]), name
    assert sender.state() == before
    assert written(sender.product)["procrastinate_jobs"] == 0


def _post_plain(sender: Sender, body: bytes) -> httpx.Response:
    with sender.product.anonymous() as http:
        return http.post("/api/webhooks/fal", params=sender.query, content=body)


@pytest.mark.parametrize("name", ["Request-Id", "User-Id", "Timestamp", "Signature"])
def test_a_header_twice_is_refused_even_when_both_are_right(sender: Sender, name: str) -> None:
    body = json.dumps(sender.body).encode()
    before = sender.state()
    made = sender.signed(body)
    twice = [*made.items(), (f"x-fal-webhook-{name}".lower(), made[f"X-Fal-Webhook-{name}"])]

    with sender.product.anonymous() as http:
        path = "/api/webhooks/fal"
        once = http.post(path, params=sender.query, content=body, headers=made)
        answer = http.post(path, params=sender.query, content=body, headers=twice)

    assert once.status_code == 200
    problem_in(answer, 401, "webhook_refused")
    assert sender.state() != before


def test_an_address_with_parts_twice_is_refused(sender: Sender) -> None:
    before = sender.state()
    other = str(uuid4())
    token = sender.product.settings.webhook_token(UUID(other))

    answers = [
        sender.send(query={"a": [sender.attempt_id, sender.attempt_id], "t": sender.token}),
        sender.send(query={"a": [sender.attempt_id, other], "t": [sender.token, token]}),
        sender.send(query={"a": sender.attempt_id, "t": [sender.token, token]}),
        sender.send(query={"a": sender.attempt_id.upper(), "t": sender.token}),
    ]

    for answer in answers:
        problem_in(answer, 401, "webhook_refused")
    assert sender.state() == before


def test_an_attempt_that_is_not_there_any_more_is_refused(sender: Sender) -> None:
    gone = str(uuid4())
    before = sender.state()

    answer = sender.send(query={"a": gone, "t": sender.product.settings.webhook_token(UUID(gone))})

    problem_in(answer, 401, "webhook_refused")
    assert sender.state() == before


def test_a_signed_body_that_is_not_json_is_refused_and_alarms(
    sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    before = sender.state()

    broken = [
        sender.send(body=body)
        for body in (b"{", b"", b"<html>", b"[" * 100_000, b'{"a":' * 100_000, b"\xff")
    ]
    odd = sender.send(body=b'["request_id"]')

    for answer in broken:
        problem_in(answer, 400, "not_json")
    problem_in(odd, 401, "webhook_refused")
    assert sender.state() == before
    alarms = [record for record in caplog.records if record.message == "webhook.unreadable"]
    assert [record.levelname for record in alarms] == ["ERROR"] * len(broken)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "OK", "payload": None, "payload_error": "not serialisable"},
        {"status": "OK", "payload": {"seed": 1}},
        {"status": "OK", "payload": {"images": [{"url": "http://169.254.169.254/"}]}},
        {"status": "OK", "payload": "a word", "more": {"__proto__": 1}},
        {"status": "OK", "payload": [[[["deep"]]]], "gateway_request_id": None},
        {"status": "ERROR", "error": "Invalid status code: 422", "payload": {"detail": [""]}},
        {"status": "COMPLETED", "progress": 100, "logs": [""], "result": {"imageUrl": "x"}},
        {"status": "FAILED", "error": "no credit"},
    ],
)
def test_whatever_it_brings_along_the_end_is_recorded_and_the_result_asked_for(
    sender: Sender, fields: Json
) -> None:
    sender.body |= fields

    answer = sender.send()

    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert sender.state()["is_announced"]
    assert written(sender.product)["procrastinate_jobs"] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "IN_PROGRESS", "progress": 40, "logs": ["17/28"]},
        {"status": "IN_QUEUE", "queue_position": 3},
        {"status": "UNHEARD_OF"},
        {"status": None},
    ],
)
def test_news_of_something_under_way_is_taken_and_changes_nothing(
    sender: Sender, fields: Json
) -> None:
    sender.body |= fields
    before = sender.state()

    answer = sender.send()

    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert sender.state() == before
    assert written(sender.product)["procrastinate_jobs"] == 0


def test_without_the_database_fal_is_asked_to_come_again(
    start: Start, sender: Sender, tmp_path: Path
) -> None:
    away = start(database_url=f"postgresql://postgres@/madar?host={tmp_path}")
    there = Sender(product=away, key=sender.key, attempt_id=sender.attempt_id)

    forged = there.send(headers={"X-Fal-Webhook-Signature": "00" * 64})
    answer = there.send()
    news = there.send(body=json.dumps({**sender.body, "status": "IN_PROGRESS"}).encode())

    problem_in(answer, 503, "database_unavailable")
    assert answer.headers["retry-after"] == "2"
    problem_in(forged, 401, "webhook_refused")  # the database is not asked about it
    assert news.status_code == 200


def test_a_wrong_clock_is_named(sender: Sender, caplog: pytest.LogCaptureFixture) -> None:
    """Only where all else is right: else anybody could make us say so."""
    sender.send()
    early, late = sender.send(at=time.time() + 400), sender.send(at=time.time() - 400)
    sender.send(at=time.time() - 1000, headers={"X-Fal-Webhook-Signature": "00" * 64})

    told = [vars(one) for one in caplog.records if one.message == "webhook.clock_skewed"]
    for answer in (early, late):
        problem_in(answer, 401, "webhook_refused")
    assert [round(one["skew_s"], -1) for one in told] == [-400, 400]


def counted(reason: str) -> float:
    name = "madar_webhooks_refused_total"
    return metrics.REGISTRY.get_sample_value(name, {"reason": reason}) or 0


@pytest.mark.alone
def test_refusals_are_counted_by_reason_without_any_secret(
    sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted("token")
    for _ in range(5):
        sender.send(query={"a": sender.attempt_id, "t": "0" * 64})
    sender.send(headers={"X-Fal-Webhook-User-Id": ""})
    sender.send(user_id="somebody-else")
    sender.send(at=1)
    sender.send(headers={"X-Fal-Webhook-Signature": "00" * 64})
    sender.send(request_id=REQUEST_ID[:-1] + "0")

    assert counted("token") - before == 5
    told = [vars(one) for one in caplog.records if one.message == "webhook.refused"]
    assert [(one["reason"], one["count"]) for one in told] == [
        *(("token", 1), ("header", 1), ("account", 1), ("timestamp", 1)),
        *(("signature", 1), ("id_mismatch", 1)),
    ]
    everything = "\n".join(str(vars(one)) for one in caplog.records)
    assert sender.token not in everything
    assert "00" * 64 not in everything


def test_without_keys_fal_is_asked_to_come_again(start: Start, sender: Sender) -> None:
    keyless = start(fal_jwks_url="http://127.0.0.1:9/none")
    there = Sender(product=keyless, key=sender.key, attempt_id=sender.attempt_id)

    answer = there.send()

    problem_in(answer, 503, "fal_unavailable")
    assert answer.headers["retry-after"] == "2"


def test_a_refusal_speaks_arabic(sender: Sender) -> None:
    answer = sender.send(user_id="x", headers={"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 401, "webhook_refused")["detail"])


def test_a_delivery_may_bring_a_large_result_but_not_any(sender: Sender) -> None:
    sender.body |= {"payload": {"note": "x" * 200_000}}
    whole = b'{"request_id": "%s", "status": "OK", "x": "' % REQUEST_ID.encode()
    most = whole + b"x" * (2**20 - len(whole) - 2) + b'"}'

    large, largest = sender.send(), sender.send(body=most)
    endless = sender.send(body=most + b" ")
    with sender.product.anonymous() as http:
        pieces = (most[start : start + 65_536] for start in range(0, 2**20, 65_536))
        headers = sender.signed(most + b" ")
        path = "/api/webhooks/fal"
        chunked = http.post(
            path, params=sender.query, content=itertools.chain(pieces, [b" "]), headers=headers
        )

    assert [large.status_code, largest.status_code] == [200, 200]
    problem_in(endless, 413, "body_too_large")
    problem_in(chunked, 413, "body_too_large")
