"""Signed webhooks: what is sent, that it verifies, and how it is repeated."""

import base64
import json
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from madar.simulator.webhooks import SigningKey
from tests.simulator.harness import TRANSLATE, Delivery, Fal, Receiver


def test_signs_the_vector_of_the_facts() -> None:
    """Part 3.3 of the facts about Fal."""
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

    headers = key.headers(
        request_id="11111111-2222-3333-4444-555555555555",
        user_id="user-1",
        timestamp=1700000000,
        body=b'{"request_id":"11111111-2222-3333-4444-555555555555","status":"OK"}',
    )

    assert key.jwks()["keys"] == [
        {"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}
    ]
    assert headers["X-Fal-Webhook-Timestamp"] == "1700000000"
    assert headers["X-Fal-Webhook-Signature"] == (
        "7a9e03ee68da7934935183224dd6ecd65f2bd88555a8ebd0065479bf7d7f16e5"
        "e1ef132d56090fa4a56523fb9a5eed1d6d3b4be0e8d0f283e5d841c9c994ab03"
    )


def test_a_success_is_delivered_once_and_verifies(fal: Fal, receiver: Receiver) -> None:
    submitted = fal.translate(webhook=f"{receiver.url}/hook?token=a%26b&n=1")

    delivery = receiver.next()

    body = json.loads(delivery.body)
    assert delivery.path == "/hook?token=a%26b&n=1"
    assert body["request_id"] == body["gateway_request_id"] == submitted["request_id"]
    assert (body["status"], body["payload"]["output"]) == ("OK", "cup")
    assert "error" not in body
    _verify(fal, delivery)
    assert receiver.inbox.empty()


def test_a_changed_body_does_not_verify(fal: Fal, receiver: Receiver) -> None:
    fal.translate(webhook=receiver.url)
    delivery = receiver.next()

    forged = Delivery(delivery.path, delivery.headers, delivery.body.replace(b"OK", b"KO"))

    with pytest.raises(InvalidSignature):
        _verify(fal, forged)


def test_a_failure_is_delivered_with_the_models_answer(fal: Fal, receiver: Receiver) -> None:
    fal.submit(TRANSLATE, webhook=receiver.url, prompt="cup")

    body = json.loads(receiver.next().body)

    assert body["status"] == "ERROR"
    assert body["error"] == "Invalid status code: 422"
    assert body["payload"]["detail"][0]["loc"] == ["body", "model"]


def test_a_refused_delivery_is_repeated_and_signed_again(fal: Fal, receiver: Receiver) -> None:
    receiver.answers[:] = [503, 404, 302]
    fal.translate(webhook=receiver.url)

    deliveries = [receiver.next() for _ in range(4)]

    assert len({delivery.body for delivery in deliveries}) == 1
    for delivery in deliveries:
        _verify(fal, delivery)


def _verify(fal: Fal, delivery: Delivery) -> None:
    jwks = fal.http.get("/.well-known/jwks.json").json()
    x = jwks["keys"][0]["x"]
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)))
    names = ("request-id", "user-id", "timestamp")
    lines = [delivery.headers[f"x-fal-webhook-{name}"] for name in names]
    message = "\n".join([*lines, sha256(delivery.body).hexdigest()])
    public.verify(bytes.fromhex(delivery.headers["x-fal-webhook-signature"]), message.encode())
