"""What a webhook says, in whichever of the two shapes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.domain.deliveries import Delivery, Said, delivery_in

ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"
PICTURE = {"images": [{"url": "https://v3b.fal.media/files/x.png"}], "seed": 42}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        # Fal's own shape
        ("success", {"status": "OK", "payload": PICTURE, "gateway_request_id": ID}),
        ("success", {"status": "OK", "payload": None, "payload_error": "not serialisable"}),
        ("success", {"status": "OK", "payload": {}}),
        ("success", {"status": "OK"}),
        ("failure", {"status": "ERROR", "error": "Invalid status code: 422", "payload": {}}),
        ("failure", {"status": "ERROR", "payload": "a word"}),
        # the queue's
        ("success", {"status": "COMPLETED", "result": {"imageUrl": "https://x.test/y.png"}}),
        ("success", {"status": "COMPLETED", "result": PICTURE, "error": None, "progress": 100}),
        ("failure", {"status": "COMPLETED", "error": "Runner disconnected"}),
        ("failure", {"status": "COMPLETED", "error_type": "request_timeout"}),
        ("failure", {"status": "FAILED", "error": "no credit"}),
        ("failure", {"status": "FAILED"}),
        ("progress", {"status": "IN_PROGRESS", "progress": 40, "logs": ["17/28"]}),
        ("progress", {"status": "IN_QUEUE", "queue_position": 3}),
        ("success", {"status": "completed"}),
    ],
)
def test_what_it_says_follows_from_its_status(said: Said, fields: dict[str, Any]) -> None:
    expected = Delivery(request_id=ID, said=said)

    assert delivery_in({"request_id": ID, **fields}) == expected
    assert delivery_in({"unheard": [1], "request_id": ID, **fields}) == expected


@pytest.mark.parametrize("status", ["CANCELLED", "", "okay", None, 200, ["OK"], {"OK": 1}, True])
def test_a_status_that_nobody_knows_says_nothing(status: object) -> None:
    assert delivery_in({"request_id": ID, "status": status}) == Delivery(
        request_id=ID, said="progress", is_known=False
    )


@given(ANYTHING)
def test_whatever_its_shape_it_is_no_surprise(body: object) -> None:
    inside = delivery_in({"request_id": body, "status": body, "error": body})

    for read in (delivery_in(body), inside):
        assert read.said in {"success", "failure", "progress"}
        assert not read.request_id or read.request_id == body
