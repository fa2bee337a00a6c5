"""GET /v1/models/requests/by-endpoint and DELETE /v1/models/requests/{id}/payloads."""

from pathlib import Path

import pytest

from tests.simulator.harness import DRAW, TRANSLATE, Fal, eventually, serving


def test_lists_newest_first_page_by_page(tmp_path: Path) -> None:
    with serving(tmp_path) as fal:
        submitted = [fal.translate(str(number)) for number in range(5)]
        for one in submitted:
            fal.finished(one)

        pages = [fal.history(TRANSLATE, limit=2)]
        while cursor := pages[-1]["next_cursor"]:
            pages.append(fal.history(TRANSLATE, limit=2, cursor=cursor))

    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert [page["has_more"] for page in pages] == [True, True, False]
    ids = [item["request_id"] for page in pages for item in page["items"]]
    assert ids == [one["request_id"] for one in reversed(submitted)]
    assert "json_input" not in pages[0]["items"][0]


def test_lists_what_still_runs_with_its_input(tmp_path: Path) -> None:
    with serving(tmp_path, speed=1) as fal:
        submitted = fal.submit(DRAW, prompt="", seed=5)
        waiting = fal.submit(TRANSLATE, model="m", prompt="cup [sim:slow]")
        eventually(lambda: fal.status(waiting)["status"] == "IN_PROGRESS" or None)

        (item,) = fal.history(TRANSLATE, expand="payloads")["items"]
        (other,) = fal.history(f"{DRAW},fal-ai/none", expand="payloads")["items"]

    assert item["json_input"] == {"model": "m", "prompt": "cup [sim:slow]"}
    assert item["started_at"] is not None
    assert (item["ended_at"], item["status_code"], item["duration"]) == (None, None, None)
    assert item["json_output"] is None
    assert other["request_id"] == submitted["request_id"]


def test_filters_by_outcome_time_and_id(fal: Fal) -> None:
    good = fal.translate()
    bad = fal.submit(TRANSLATE, prompt="cup")
    for one in (good, bad):
        fal.finished(one)
    sent_at = fal.history(TRANSLATE, request_id=good["request_id"])["items"][0]["sent_at"]

    def ids(**filters: str) -> set[str]:
        return {item["request_id"] for item in fal.history(TRANSLATE, **filters)["items"]}

    assert good["request_id"] in ids(status="success")
    assert bad["request_id"] in ids(status="user_error")
    assert bad["request_id"] not in ids(status="success")
    assert good["request_id"] in ids(start=sent_at)
    assert good["request_id"] not in ids(end=sent_at)
    assert ids(request_id=bad["request_id"]) == {bad["request_id"]}


@pytest.mark.parametrize(
    "query", ["", "endpoint_id=x&limit=101", "endpoint_id=x&status=odd", "endpoint_id=x&cursor=%3F"]
)
def test_a_bad_question_is_refused(fal: Fal, query: str) -> None:
    assert fal.http.get(f"/v1/models/requests/by-endpoint?{query}").status_code == 422


def test_payloads_not_to_be_stored_are_not_shown(fal: Fal) -> None:
    answer = fal.http.post(
        f"/{TRANSLATE}", json={"model": "m", "prompt": "secret"}, headers={"X-Fal-Store-IO": "0"}
    )
    request_id = answer.json()["request_id"]
    fal.finished(answer.json())

    (item,) = fal.history(TRANSLATE, request_id=request_id, expand="payloads")["items"]

    assert (item["json_input"], item["json_output"]) == (None, None)


def test_deleting_payloads_takes_input_output_and_files(fal: Fal) -> None:
    submitted = fal.submit(DRAW, prompt="toy cup")
    url = fal.result(submitted).json()["images"][0]["url"]
    address = f"/v1/models/requests/{submitted['request_id']}/payloads"

    answer = fal.http.delete(address)

    assert answer.json() == {"cdn_delete_results": [{"link": url, "exception": None}]}
    assert fal.http.get(url).status_code == 404
    assert fal.http.get(submitted["response_url"]).status_code == 404
    (item,) = fal.history(DRAW, request_id=submitted["request_id"], expand="payloads")["items"]
    assert (item["json_input"], item["json_output"]) == (None, None)
    assert fal.http.delete(address).json() == {"cdn_delete_results": []}


def test_payloads_of_an_unknown_request_are_not_found(fal: Fal) -> None:
    assert fal.http.delete("/v1/models/requests/none/payloads").status_code == 404
