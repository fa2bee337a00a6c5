"""What Fal's refusals mean."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.domain.failures import FailureCode, failure_of


@pytest.mark.parametrize(
    ("status_code", "body", "header", "error_type", "code", "passes"),
    [
        (422, {"detail": [{"type": "content_policy_violation"}]}, None, "content_policy_violation",
         "content_policy", "no"),
        (422, {"detail": [{"type": "missing"}]}, None, "missing", "invalid_request", "no"),
        (400, {"error_type": "bad_request"}, None, "bad_request", "invalid_request", "no"),
        (422, {"detail": "words"}, None, "http_422", "invalid_request", "no"),
        (500, {"detail": [{"type": "internal_server_error"}]}, None, "internal_server_error",
         "provider_unavailable", "yes"),
        (504, None, "request_timeout", "request_timeout", "provider_unavailable", "yes"),
        (502, "<html>", None, "http_502", "provider_unavailable", "yes"),
        (422, {"detail": [{"type": "no_media_generated"}]}, None, "no_media_generated",
         "content_policy", "no"),
        (500, {"error_type": "x"}, "runner_disconnected", "runner_disconnected",
         "provider_unavailable", "yes"),
    ],
)  # fmt: skip
def test_types_decide_not_messages(
    status_code: int,
    body: object,
    header: str | None,
    error_type: str,
    code: str,
    passes: str,
) -> None:
    failure = failure_of(status_code, body, header)

    assert (failure.error_type, failure.code) == (error_type, code)
    assert failure.may_pass == (passes == "yes")
    assert failure.is_named == (not error_type.startswith("http_"))


@given(st.integers(400, 599), st.none() | st.text() | st.lists(st.text()))
def test_any_answer_has_a_meaning(status_code: int, body: object) -> None:
    assert failure_of(status_code, body).code in get_args(FailureCode)
