"""Every route, while the database does not answer."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.looking import is_arabic, problem_in
from tests.api.test_get_user import signed
from tests.conftest import Start
from tests.product import ROCKET, Person, Product

NEEDS = (
    ("GET", "/api/auth/google/url"),
    ("GET", "/api/auth/google/callback?code=x&state=y"),
    ("GET", "/api/auth/user"),
    ("POST", "/api/auth/logout"),
    ("GET", "/api/generations"),
    ("POST", "/api/generations"),
    ("GET", f"/api/generations/{uuid4()}"),
    ("GET", f"/api/generations/{uuid4()}/download"),
    ("POST", "/api/uploads/image"),
    ("GET", "/api/styles"),
    ("GET", "/"),
)


def a_token(product: Product) -> str:
    """Well signed; whether its session lives, only the database knows."""
    claims = {"sid": str(uuid4()), "userId": str(uuid4()), "exp": int(time.time()) + 60}
    return signed(claims, secret=str(product.settings.jwt_secret))


def test_each_answers_soon_that_it_cannot_now(start: Start, tmp_path: Path) -> None:
    product = start(database_url=f"postgresql://postgres@/madar?host={tmp_path}")
    token = a_token(product)

    def ask(request: tuple[str, str]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": "ar"}
        with product.anonymous(**headers) as http:
            body = ROCKET if request == ("POST", "/api/generations") else None
            return http.request(*request, json=body)

    with ThreadPoolExecutor(len(NEEDS)) as pool:
        started = time.monotonic()
        answers = dict(zip(NEEDS, pool.map(ask, NEEDS), strict=True))
        took_s = time.monotonic() - started

    for answer in answers.values():
        body = problem_in(answer, 503, "database_unavailable")
        assert is_arabic(body["detail"])
        assert answer.headers["retry-after"] == "2"
    assert took_s < 5


def test_a_socket_is_told_to_come_again_not_that_nobody_is_signed_in(
    start: Start, tmp_path: Path
) -> None:
    product = start(database_url=f"postgresql://postgres@/madar?host={tmp_path}")
    token = a_token(product)

    with product.socket() as socket:
        socket.send(json.dumps({"type": "auth", "token": token}))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    with (
        pytest.raises(InvalidStatus) as refused,
        product.socket(Authorization=f"Bearer {token}"),
    ):
        pass

    assert closed.value.rcvd
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "try_again")
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["retry-after"] == "2"


def test_a_lost_connection_costs_a_reader_nothing(product: Product, amal: Person) -> None:
    created = amal.create()
    product.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip

    answers = [amal.get(f"/api/generations/{created['id']}") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200] * 5
