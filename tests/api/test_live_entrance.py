"""What stands before anybody is known at /ws: how many come at once, and how many keep silent."""

import contextlib
import json

import pytest
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from madar.realtime import entrance
from tests.api.looking import is_arabic
from tests.conftest import Start
from tests.product import AMAL, Json, Product


def refusal(product: Product, **headers: str) -> tuple[Response, Json]:
    with pytest.raises(InvalidStatus) as refused, product.socket(**headers):
        pass
    response = refused.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response, json.loads(response.body or b"")


def test_too_many_at_once_are_told_when_to_come_again_and_the_api_goes_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "BURST", 2)
    monkeypatch.setattr(entrance, "PER_S", 1e-6)
    product = start()
    amal = product.sign_in(AMAL)
    shown = {"Authorization": f"Bearer {amal.token}"}

    for _ in range(2):
        with product.socket(**shown):
            pass
    response, problem = refusal(product, **shown, **{"Accept-Language": "ar"})

    assert (response.status_code, problem["code"]) == (503, "too_busy")
    assert 1 <= int(response.headers["retry-after"]) <= entrance.COME_BACK_WITHIN_S
    assert is_arabic(problem["detail"])
    assert amal.get("/api/auth/user").status_code == 200


def test_an_address_may_keep_so_many_waiting_and_no_more(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "MAX_UNSIGNED", 3)
    product = start(trusted_proxy="fly")
    amal = product.sign_in(AMAL)
    here, elsewhere = {"Fly-Client-IP": "192.0.2.1"}, {"Fly-Client-IP": "192.0.2.2"}

    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(product.socket(**here)) for _ in range(3)]
        response, problem = refusal(product, **here)
        assert (response.status_code, problem["code"]) == (429, "too_many_unsigned_sockets")
        assert response.headers["retry-after"] == "5"
        assert is_arabic(refusal(product, **here, **{"Accept-Language": "ar"})[1]["detail"])

        stack.enter_context(product.socket(**elsewhere))
        stack.enter_context(product.socket(**here, Authorization=f"Bearer {amal.token}"))
        waiting[0].send(json.dumps({"type": "auth", "token": amal.token}))
        waiting[0].send(json.dumps({"type": "ping"}))
        assert json.loads(waiting[0].recv(timeout=15)) == {"type": "pong"}
        stack.enter_context(product.socket(**here))
        refusal(product, **here)


def test_networks_of_ipv6_are_counted_as_one_address(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "MAX_UNSIGNED", 1)
    product = start(trusted_proxy="fly")

    with product.socket(**{"Fly-Client-IP": "2001:db8::1"}):
        refusal(product, **{"Fly-Client-IP": "2001:db8::2"})
        with product.socket(**{"Fly-Client-IP": "2001:db8:0:1::1"}):
            pass
