"""The four lines that Fal signs, and the set its keys come in, against a vector made elsewhere."""

import json

import orjson
import pytest

from madar.clients.fal_keys import keys_in
from madar.clients.fal_webhooks import Seal

X = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
BODY = b'{"request_id":"11111111-2222-3333-4444-555555555555","status":"OK"}'
SEAL = Seal(
    request_id="11111111-2222-3333-4444-555555555555",
    user_id="user-1",
    timestamp="1700000000",
    signature=bytes.fromhex(
        "7a9e03ee68da7934935183224dd6ecd65f2bd88555a8ebd0065479bf7d7f16e5"
        "e1ef132d56090fa4a56523fb9a5eed1d6d3b4be0e8d0f283e5d841c9c994ab03"
    ),
)


def key_set(*entries: object) -> bytes:
    return json.dumps({"keys": entries}).encode()


def test_the_message_is_the_one_that_was_signed() -> None:
    [key] = keys_in(key_set({"kty": "OKP", "crv": "Ed25519", "x": X}))

    key.verify(SEAL.signature, SEAL.message(BODY))
    assert SEAL.message(BODY).decode().splitlines() == [
        *("11111111-2222-3333-4444-555555555555", "user-1", "1700000000"),
        "3e8497eeac55c8f3bcaf1b5e59e97ed9224663c478bb111fb4c8c413f4df805e",
    ]
    assert not SEAL.message(BODY).endswith(b"\n")


@pytest.mark.parametrize("x", [X, f"{X}="])
def test_keys_come_with_padding_or_without(x: str) -> None:
    assert len(keys_in(key_set({"x": x}, {"kty": "OKP", "crv": "Ed25519", "x": x}))) == 2


@pytest.mark.parametrize(
    "entry",
    [
        *(None, 1, "x", [], {}, {"x": 1}, {"x": ""}, {"x": X[:-3]}, {"x": f"{X}AAAA"}),
        *({"kty": "RSA", "x": X}, {"kty": "OKP", "crv": "X25519", "x": X}, {"x": "صاروخ"}),
    ],
)
def test_what_is_no_key_of_this_kind_is_passed_over(entry: object) -> None:
    assert len(keys_in(key_set(entry, {"x": X}))) == 1
    with pytest.raises(ValueError, match="usable"):
        keys_in(key_set(entry))


@pytest.mark.parametrize("document", [b"", b"<html>", b"[" * 9000])
def test_what_is_no_json_is_no_key_set(document: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        keys_in(document)


@pytest.mark.parametrize("document", [b"[]", b"null", b"{}", b'{"keys": 1}', b'{"keys": {}}'])
def test_nor_is_json_of_another_shape(document: bytes) -> None:
    with pytest.raises(ValueError, match="no key set"):
        keys_in(document)
