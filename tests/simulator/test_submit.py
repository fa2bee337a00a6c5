"""POST /{endpoint}: what is accepted, what is answered, who is refused."""

import httpx
import pytest

from tests.simulator.harness import CUT_OUT, DRAW, REDRAW, TRANSLATE, Fal, Json


def test_answers_with_the_addresses_of_owner_and_app_only(fal: Fal) -> None:
    submitted = fal.submit(REDRAW, prompt="toy cat", image_url="data:,")

    base = f"{fal.url}/fal-ai/flux-lora/requests/{submitted['request_id']}"
    assert submitted["response_url"] == base
    assert submitted["status_url"] == f"{base}/status"
    assert submitted["cancel_url"] == f"{base}/cancel"
    assert submitted["status"] == "IN_QUEUE"
    assert submitted["queue_position"] >= 0


@pytest.mark.parametrize(
    ("authorization", "status_code", "detail"),
    [
        (None, 401, "Authentication is required"),
        ("Bearer token", 401, "Authentication is required"),
        ("Key", 401, "Authentication is required"),
        ("Key bad:secret", 401, "No user found for Key ID and Secret"),
        ("Key locked:secret", 403, "Exhausted balance"),
    ],
)
@pytest.mark.parametrize("path", ["/fal-ai/flux-lora/requests/x/status", "/v1/models/requests/x"])
def test_the_queue_and_the_api_want_a_key(
    fal: Fal, authorization: str | None, status_code: int, detail: str, path: str
) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    with httpx.Client(verify=False) as nobody:
        answer = nobody.get(f"{fal.url}{path}", headers=headers)

    assert answer.status_code == status_code
    assert detail in answer.json()["detail"]


def test_an_unknown_endpoint_is_not_found(fal: Fal) -> None:
    answer = fal.try_submit("fal-ai/flux-lora-voxel-style", prompt="a red rocket")

    assert answer.status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[1]"])
def test_a_body_that_is_no_object_is_refused_at_once(fal: Fal, body: bytes) -> None:
    assert fal.http.post(f"/{DRAW}", content=body).status_code == 422


@pytest.mark.parametrize(
    ("endpoint_id", "arguments", "name", "error_type"),
    [
        (DRAW, {}, "prompt", "missing"),
        (DRAW, {"prompt": 5}, "prompt", "string_type"),
        (DRAW, {"prompt": "cat", "num_inference_steps": 51}, "num_inference_steps", None),
        (DRAW, {"prompt": "cat", "guidance_scale": -1}, "guidance_scale", "greater_than_equal"),
        (DRAW, {"prompt": "cat", "image_size": "huge"}, "image_size", "one_of"),
        (DRAW, {"prompt": "cat", "image_size": {"width": 0}}, "width", "greater_than_equal"),
        (DRAW, {"prompt": "cat", "output_format": "webp"}, "output_format", "one_of"),
        (DRAW, {"prompt": "cat", "seed": "one"}, "seed", "int_type"),
        (REDRAW, {"prompt": "cat"}, "image_url", "missing"),
        (CUT_OUT, {"image_url": "data:,x", "model": "Best"}, "model", "one_of"),
        (CUT_OUT, {"image_url": "data:,x"}, "image_url", "image_load_error"),
        (CUT_OUT, {"image_url": "http://127.0.0.1:9/x.png"}, "image_url", "file_download_error"),
        (TRANSLATE, {"prompt": "قطة"}, "model", "missing"),
    ],
)
def test_bad_input_completes_with_a_list_of_details(
    fal: Fal, endpoint_id: str, arguments: Json, name: str, error_type: str | None
) -> None:
    submitted = fal.submit(endpoint_id, **arguments)

    status, result = fal.finished(submitted), fal.result(submitted)

    assert result.status_code == 422
    detail = result.json()["detail"][0]
    assert detail["loc"] == ["body", name]
    assert detail["type"] == (error_type or "less_than_equal")
    assert status["error_type"] == detail["type"]
    assert result.headers["x-fal-error-type"] == detail["type"]


def test_unknown_inputs_are_ignored(fal: Fal) -> None:
    submitted = fal.submit(
        TRANSLATE, model="google/gemini-2.5-flash", prompt="cup", aspect_ratio="16:9"
    )

    assert fal.result(submitted).status_code == 200
