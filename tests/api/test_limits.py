"""How often somebody may ask, at every address: counted, told, and never forgotten."""

import contextlib
import math
import re
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx
import psycopg
import pytest

from tests.api.looking import is_arabic, problem_in, written
from tests.imaging.pictures import photo, png
from tests.limits.asking import closed_port
from tests.product import BADR, ROCKET, Json, Person, Product
from tests.simulator.harness import eventually

URL, UPLOADS = "/api/generations", "/api/uploads/image"
PICTURE = png(photo(60, 40))
Start = Callable[..., Product]
Answer = TypeVar("Answer")


def at_once(n: int, ask: Callable[[int], Answer], *, threads: int = 40) -> list[Answer]:
    with ThreadPoolExecutor(min(n, threads)) as pool:
        return list(pool.map(ask, range(n)))


def statuses(answers: Iterable[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def policies(answer: httpx.Response) -> dict[str, tuple[int, int]]:
    """What the headers say: quota and window by policy."""
    told = answer.headers.get("ratelimit-policy", "")
    found = re.findall(r'"([a-z-]+)";q=(\d+);w=(\d+)', told)
    return {name: (int(quota), int(window)) for name, quota, window in found}


def left(answer: httpx.Response) -> dict[str, int]:
    found = re.findall(r'"([a-z-]+)";r=(\d+);t=\d+', answer.headers.get("ratelimit", ""))
    return {name: int(remaining) for name, remaining in found}


def wide(person: Person) -> httpx.Client:
    """A client of the same person that opens as many connections as are wanted."""
    limits = httpx.Limits(max_connections=None)
    return httpx.Client(
        base_url=person.http.base_url,
        headers=person.http.headers,
        limits=limits,
        timeout=60,
        trust_env=False,
    )


def test_two_hundred_wishes_at_once_make_five_pictures(start: Start) -> None:
    product = start(rate_limit_generations="5/1h")
    amal = product.sign_in()

    with wide(amal) as http:
        answers = at_once(200, lambda n: http.post(URL, json={**ROCKET, "seed": n}), threads=200)

    assert statuses(answers) == {201: 5, 429: 195}
    for answer in answers:
        if answer.status_code == 429:
            body = problem_in(answer, 429, "rate_limited")
            assert body["params"]["policy"] == "generations"
            assert 1 <= int(answer.headers["retry-after"]) <= 720
            assert policies(answer)["generations"] == (5, 3600)
            assert left(answer)["generations"] == 0
    counts = written(product)
    assert counts["generations"] == counts["attempts"] == counts["procrastinate_jobs"] == 5


def test_two_processes_count_together(start: Start) -> None:
    first, second = start(rate_limit_generations="5/1h"), start(rate_limit_generations="5/1h")
    amal = first.sign_in()
    there = Person(second.url, amal.token, amal.cookie)

    with wide(amal) as here, wide(there) as other, there.http:
        answers = at_once(
            100, lambda n: (here if n % 2 else other).post(URL, json=ROCKET), threads=100
        )

    assert statuses(answers) == {201: 5, 429: 95}
    assert written(first)["generations"] == 5


def test_others_are_served_while_one_persons_wishes_wait(
    start: Start, conn: psycopg.Connection[Any]
) -> None:
    """A hundred waiters of one person hold one connection of the pool's ten."""
    product = start()
    amal, badr = product.sign_in(), product.sign_in(BADR)
    amal.create()

    with conn.transaction(), wide(amal) as http, ThreadPoolExecutor(100) as pool:
        conn.execute("SELECT FROM rate_limits WHERE key LIKE '%generations%' FOR UPDATE")
        waiting = [pool.submit(http.post, URL, json=ROCKET) for _ in range(100)]
        others = [badr.post(URL, json=ROCKET) for _ in range(20)]
        mine = [amal.get(URL) for _ in range(5)]
        conn.execute("ROLLBACK")
        answers = [one.result() for one in waiting]

    assert statuses(others) == {201: 20}
    assert statuses(mine) == {200: 5}
    assert set(statuses(answers)) <= {201, 503}


def test_after_the_wait_that_was_told_one_more_passes(start: Start) -> None:
    product = start(rate_limit_generations="3/3s")
    amal = product.sign_in()
    for _ in range(3):
        amal.create()

    refused = amal.post(URL, json=ROCKET)
    wait_s = int(problem_in(refused, 429, "rate_limited")["retryAfterSeconds"])
    threading.Event().wait(wait_s)
    passes = amal.post(URL, json=ROCKET)
    again = amal.post(URL, json=ROCKET)

    assert wait_s == 1
    assert (passes.status_code, again.status_code) == (201, 429)


def test_a_refused_wish_costs_nothing(start: Start) -> None:
    product = start(rate_limit_generations="2/1h")
    amal = product.sign_in()

    for _ in range(5):
        problem_in(amal.post(URL, json={**ROCKET, "style": "oil"}), 422, "style_unknown")
    created = [amal.post(URL, json=ROCKET) for _ in range(3)]

    assert [one.status_code for one in created] == [201, 201, 429]
    assert [left(one)["generations"] for one in created] == [1, 0, 0]


def test_the_limit_of_creations_touches_nothing_else(start: Start) -> None:
    product = start(rate_limit_generations="1/1h")
    amal = product.sign_in()
    created = amal.create()
    problem_in(amal.post(URL, json=ROCKET), 429, "rate_limited")
    badr = product.sign_in(BADR)

    path = f"{URL}/{created['id']}"
    others = [
        *(amal.get(URL), amal.get(path), amal.http.patch(path, json={"isLiked": True})),
        *(amal.post(UPLOADS, files={"image": ("a.png", PICTURE)}), badr.post(URL, json=ROCKET)),
        amal.http.delete(path),
    ]

    assert [one.status_code for one in others] == [200, 200, 200, 201, 201, 204]


def test_each_request_counts_for_its_limit_and_is_told_so(start: Start) -> None:
    product = start(
        rate_limit_api="50/15m",
        rate_limit_reads="300/15m",
        rate_limit_sign_in="20/1m",
        rate_limit_generations="5/1m",
    )
    amal = product.sign_in()
    created = amal.post(URL, json=ROCKET)
    path = f"{URL}/{created.json()['id']}"
    api, reads, sign_in, five = (50, 900), (300, 900), (20, 60), (5, 60)
    with product.anonymous() as http:
        told: list[tuple[httpx.Response, int, Json]] = [
            (created, 201, {"api": api, "generations": five}),
            (amal.post(URL, json={}), 422, {"api": api}),
            (amal.post(URL, content=b"{"), 415, {"api": api}),
            (amal.http.patch(path, json={"isLiked": True}), 200, {"api": api}),
            (amal.post(UPLOADS, files={"image": ("a.png", PICTURE)}), 201, {"api": api}),
            (amal.http.delete(f"{URL}/x"), 404, {"api": api}),
            (amal.get(path), 200, {"reads": reads}),
            (amal.get(f"{URL}/x"), 404, {"reads": reads}),
            (amal.get(URL), 200, {"reads": reads}),
            (amal.get("/api/user/profile"), 200, {"reads": reads}),
            (http.get(path), 401, {"api": api}),
            (http.get(URL), 401, {"api": api}),
            (http.get("/api/styles"), 200, {"api": api}),
            (http.post(URL, json=ROCKET), 401, {"api": api}),
            (http.get("/api/auth/google/url"), 200, {"sign-in": sign_in}),
            (http.post("/api/auth/google/callback", json={}), 422, {"sign-in": sign_in}),
            (http.get("/api/health"), 200, {}),
            (http.post("/api/webhooks/fal", content=b"{}"), 401, {}),
        ]
    for answer, status, expected in told:
        assert answer.status_code == status, answer.text
        assert policies(answer) == expected, answer.request.url
        assert left(answer).keys() == expected.keys()
        assert "retry-after" not in answer.headers
    assert left(created) == {"api": 49, "generations": 4}
    assert left(told[1][0]) == {"api": 48}


def test_who_is_over_a_limit_is_told_when_to_come_again(start: Start) -> None:
    product = start(rate_limit_api="4/1h", rate_limit_reads="6/1h")
    amal = product.sign_in()
    origin = {"Origin": "https://madar.ai", "Accept-Language": "ar"}

    writes = [amal.post(URL, json=ROCKET, headers=origin) for _ in range(5)]
    reads = [amal.get(URL, headers=origin) for _ in range(7)]
    with product.anonymous(**origin) as http:
        nobodys = [http.get("/api/styles") for _ in range(5)]

    for answers, policy, limit in ((writes, "api", 4), (reads, "reads", 6), (nobodys, "api", 4)):
        *passed, refused = answers
        assert all(one.is_success for one in passed)
        assert [left(one)[policy] for one in answers] == [*reversed(range(limit)), 0]
        body = problem_in(refused, 429, "rate_limited")
        assert is_arabic(body["detail"])
        assert body["params"]["policy"] == policy
        assert policies(refused) == {policy: (limit, 3600)}
        assert 0 < int(refused.headers["retry-after"]) <= math.ceil(3600 / limit)
        exposed = set(refused.headers["access-control-expose-headers"].split(", "))
        assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= exposed
        assert refused.headers["access-control-allow-origin"] == "https://madar.ai"


def test_health_and_webhooks_are_never_limited(start: Start) -> None:
    product = start(rate_limit_api="1/1h", rate_limit_sign_in="1/1h")

    with product.anonymous() as http:
        for _ in range(5):
            assert http.get("/api/health").status_code == 200
            assert http.post("/api/webhooks/fal", content=b"{}").status_code == 401
        assert http.get("/api/styles").status_code == 200
        assert http.get("/api/styles").status_code == 429


def test_signing_in_has_a_limit_of_its_own_by_address(start: Start) -> None:
    product = start(rate_limit_sign_in="20/1m", rate_limit_api="1/1h")

    with product.anonymous() as http:
        answers = [http.get("/api/auth/google/url") for _ in range(21)]
        callback = http.post("/api/auth/google/callback", json={"code": "x", "state": "y"})

    assert statuses(answers[:20]) == {200: 20}
    for refused in (answers[20], callback):
        assert problem_in(refused, 429, "rate_limited")["params"]["policy"] == "sign-in"


def test_without_upstash_requests_go_on_and_are_counted_here(start: Start) -> None:
    product = start(
        upstash_redis_rest_url=closed_port(),
        upstash_redis_rest_token="x",
        rate_limit_reads="20/1h",
    )
    amal = product.sign_in()

    answers = at_once(25, lambda _: amal.get(URL), threads=5)

    assert statuses(answers) == {200: 20, 429: 5}
    assert amal.create()


def test_twenty_uploads_of_one_person_at_once_are_all_kept(amal: Person) -> None:
    pictures = [png(photo(60 + n, 40)) for n in range(20)]

    with wide(amal) as http:
        answers = at_once(20, lambda n: http.post(UPLOADS, files={"image": pictures[n]}))

    assert statuses(answers) == {201: 20}
    widths = {answer.json()["dimensions"]["width"] for answer in answers}
    assert widths == set(range(60, 80))


@pytest.mark.parametrize("path", [UPLOADS, URL])
def test_a_person_has_two_forms_under_way_and_a_short_line(start: Start, path: str) -> None:
    """Forty come whose bodies never do; a stranger is served all the while."""
    product = start()
    amal, badr = product.sign_in(), product.sign_in(BADR)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {amal.token}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9999\r\n\r\n--x\r\n"
    )
    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", product.settings.port)
        sent = [stack.enter_context(socket.create_connection(address)) for _ in range(40)]
        for one in sent:
            one.sendall(head.encode())

        refused = eventually(lambda: found if len(found := _answered(sent)) == 18 else None)
        stranger = badr.post(UPLOADS, files={"image": PICTURE})
        mine = amal.post(URL, json=ROCKET)

    for answer in refused:
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 1\r\n" in answer
        assert b'"policy":"uploads"' in answer
    assert (stranger.status_code, mine.status_code) == (201, 201)


def _answered(sent: list[socket.socket]) -> list[bytes]:
    readable, _, _ = select.select(sent, [], [], 0)
    return [one.recv(65536, socket.MSG_PEEK) for one in readable]
