"""/socket.io/ by hand, where a client of Socket.IO would never do or see such a thing."""

import contextlib
import json
import logging
import select
import socket as sockets
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from madar.api import connections, engineio, socketio, transports
from madar.realtime import entrance, hub
from tests.api.looking import problem_in
from tests.api.test_socketio import change
from tests.conftest import Start
from tests.product import Json, Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing

WAIT_S = 15
ADDRESS = "/socket.io/?EIO=4&transport={}"
BY_POLLING, BY_WEBSOCKET = ADDRESS.format("polling"), ADDRESS.format("websocket")


class Poller:
    """What polls; `sid` is what Engine.IO knows it by."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        opened = http.get(BY_POLLING)
        assert opened.status_code == 200, opened.text
        self.open: Json = json.loads(opened.text.removeprefix("0"))
        self.address = f"{BY_POLLING}&sid={self.open['sid']}"

    def post(self, *packets: str) -> httpx.Response:
        return self.http.post(self.address, content="\x1e".join(packets))

    def get(self) -> list[str]:
        answer = self.http.get(self.address)
        assert answer.status_code == 200, answer.text
        return answer.text.split("\x1e")

    def is_gone(self) -> bool:
        return self.http.post(self.address, content="3").status_code == 400


@contextlib.contextmanager
def polling(product: Product, person: Person | None = None) -> Generator[Poller]:
    with product.anonymous() as http:
        poller = Poller(http)
        if person:
            assert poller.post(signed_by(person)).text == "OK"
            assert poller.get()[0].startswith("40{")
        yield poller


@contextlib.contextmanager
def by_websocket(
    product: Product,
    person: Person | None = None,
    *,
    sid: str = "",
    through: sockets.socket | None = None,
) -> Generator[ClientConnection]:
    url = product.url.replace("http://", "ws://") + BY_WEBSOCKET + (f"&sid={sid}" if sid else "")
    with connect(url, sock=through, max_queue=1, proxy=None) as socket:
        if not sid:
            assert hear(socket).startswith("0{")
        if person:
            socket.send(signed_by(person))
            assert hear(socket).startswith("40{")
        yield socket


def signed_by(person: Person) -> str:
    return "40" + json.dumps({"token": person.token})


def hear(socket: ClientConnection) -> str:
    heard = socket.recv(timeout=WAIT_S)
    assert isinstance(heard, str)
    return heard


def goodbye(socket: ClientConnection) -> int | None:
    """The code it is closed with, after whatever is said before."""
    try:
        while True:
            socket.recv(timeout=WAIT_S)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def wait_for(socket: ClientConnection, seconds: float) -> str | bytes | None:
    with contextlib.suppress(TimeoutError):
        return socket.recv(timeout=seconds)
    return None


def ask(socket: ClientConnection, packet: str) -> str:
    socket.send(packet)
    return hear(socket)


# Packets

ODD = (
    *("", "x", "0", "2", "2x", "2probe2", "4", "6", "7", "9", "44", "b", "bAAAA", "d=41", "\x00"),
    *("2probe", "5", "1\x1e5", "41\x1e5", "5\x1e3"),
    *(
        "4x",
        "43",
        "43[]",
        "431[]",
        "44{}",
        "451-[]",
        "461-[]",
        "451-[{}]",
        "47[]",
        "4-",
        "42",
        "421",
    ),
    *("42{}", "42[]", "42[5]", "42[null]", "42[[]]", '42[""]', "42null", "42x", "42[", '42["a"'),
    *('42["connect",{},{}]', '42["disconnect"]', '42["connect_error"]', '41["x"]', "415", "40[]"),
    *("40x", "401{}", '42/admin,["x"]', "41/admin,", '42²["x"]'),
    f'42{9**99}["x"]',
    f'42{10**16}["x"]',
    f'42["x",{10**200}]',
    "42" + "[" * 2000 + "]" * 2000,
    '42["x",' + '{"a":' * 600 + "1" + "}" * 600 + "]",
    "4" + "[" * 4000,
    "40" + '{"a":' * 600,
)
LARGE = ('42["' + "x" * 4096 + '"]', '42["' + "ص" * 2100 + '"]')


def test_odd_packets_end_a_websocket_and_nothing_is_logged(
    product: Product, amal: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for packet in (*ODD, *LARGE, b"4", b"", b"42"):
            with by_websocket(product, amal) as socket:
                socket.send(packet)
                assert goodbye(socket) == (1009 if packet in LARGE else 1003), packet

    assert caplog.messages == []


def test_odd_packets_end_a_poller_and_nothing_is_logged(
    product: Product, amal: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for packet in (
            *ODD,
            *LARGE,
            "3\x1e",
            "\x1e3",
            "3\x1ex",
            "\x1e".join(["3"] * 257),
            "3" * 17000,
        ):
            with polling(product, amal) as poller:
                answer = poller.post(packet)
                assert answer.status_code in {400, 413}, packet
                assert answer.headers["content-type"] == "application/problem+json"
                assert poller.is_gone(), packet
        with polling(product, amal) as poller:
            assert poller.http.post(poller.address, content=b"\xff\xfe").status_code == 400

    assert caplog.messages == []


def test_odd_requests_are_refused_and_nothing_is_logged(
    product: Product, caplog: pytest.LogCaptureFixture
) -> None:
    odd = (
        *("/socket.io/", "/socket.io/?EIO=3&transport=polling", f"{BY_POLLING}&sid=x"),
        *("/socket.io/?EIO=5", f"{BY_POLLING}&j=0", f"{BY_POLLING}&j=x", BY_WEBSOCKET),
        *("/socket.io/x", "/socket.io", f"{BY_POLLING}&sid=%00%ff", f"{BY_POLLING}&EIO=%ff"),
        *("/socket.io/?transport=x&EIO=4", f"{BY_POLLING.replace('4', '44')}"),
    )
    wrong_ways = (BY_POLLING, f"{BY_WEBSOCKET}&sid=x", f"{BY_WEBSOCKET}&j=0", "/socket.io/")

    with caplog.at_level(logging.WARNING), product.anonymous() as http:
        for path in odd:
            for method in ("GET", "POST", "PUT", "DELETE", "HEAD"):
                status = http.request(method, path).status_code
                assert 400 <= status < 500, (method, path)
        for path in wrong_ways:
            url = product.url.replace("http://", "ws://") + path
            with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
                pass
            assert 400 <= refused.value.response.status_code < 500

    assert caplog.messages == []


def test_what_comes_before_signing_in_is_not_heard(product: Product, amal: Person) -> None:
    created = amal.create()["id"]

    with by_websocket(product) as socket:
        socket.send(f'421["join:generation","{created}"]')
        socket.send("41")
        assert ask(socket, signed_by(amal)).startswith("40{")
        assert ask(socket, signed_by(amal)).startswith("44")
        answer = ask(socket, f'427["join:generation","{created}"]')

    assert answer.startswith('437[{"ok":true,')


def test_what_comes_after_leaving_is_for_nobody(
    product: Product, amal: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for leave in ("1", "41"):
            with polling(product, amal) as poller:
                poller.post(leave, signed_by(amal), '420["leave:mine"]', "3", leave)
                assert poller.is_gone()

    assert caplog.messages == []


def test_an_answer_goes_to_who_asked_for_it(product: Product, amal: Person) -> None:
    created = amal.create()["id"]
    heard: list[str] = []

    with polling(product) as poller, ThreadPoolExecutor(1) as pool:
        asked = '42["leave:mine"]', signed_by(amal), f'425["join:generation","{created}"]'
        pool.submit(poller.post, *asked)
        while len(heard) < 2:
            heard += poller.get()

    assert heard[0].startswith("40{")
    assert heard[1].startswith('435[{"ok":true,')


def test_a_flood_of_what_is_no_message_ends_too(product: Product, amal: Person) -> None:
    with by_websocket(product, amal) as socket:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(1000):
                socket.send("3")
        assert goodbye(socket) == 4429


# Polling and websocket


def test_a_poller_may_ask_for_much_at_once(product: Product, amal: Person) -> None:
    created = amal.create()["id"]
    asked = [f'42{n}["join:generation","{created}"]' for n in range(100)]
    answers: list[str] = []

    with polling(product, amal) as poller, ThreadPoolExecutor(1) as pool:
        posted = pool.submit(poller.post, *asked)
        while len(answers) < len(asked):
            answers += poller.get()

    assert posted.result().text == "OK"
    assert [one.partition("[")[0] for one in answers] == [f"43{n}" for n in range(100)]


def test_a_try_to_change_over_that_fails_leaves_polling_as_it_was(
    product: Product, amal: Person
) -> None:
    created = amal.create()["id"]

    with polling(product, amal) as poller:
        sid: str = poller.open["sid"]
        with (
            by_websocket(product, sid=sid),
            pytest.raises(InvalidStatus),
            by_websocket(product, sid=sid),
        ):
            pass
        with by_websocket(product, sid=sid) as socket:
            assert ask(socket, "2probe") == "3probe"
        assert poller.get() == ["6"]
        poller.post(f'420["join:generation","{created}"]')
        [answer] = eventually(lambda: [one for one in poller.get() if one != "6"] or None)

    assert answer.startswith('430[{"ok":true,')


def test_an_upgrade_has_little_time_and_polling_goes_on_after_it(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "UPGRADE_WITHIN_S", 0.2)

    with polling(product, amal) as poller:
        sid: str = poller.open["sid"]
        for packets in ((), ("2probe",), ("2probe", "3"), ("5",)):
            with by_websocket(product, sid=sid) as socket:
                for packet in packets:
                    socket.send(packet)
                goodbye(socket)
        assert poller.get() == ["6", "6"]
        poller.post('420["leave:mine"]')
        assert poller.get() == ['430[{"ok":true}]']
        with by_websocket(product, sid=sid) as socket:
            assert ask(socket, "2probe") == "3probe"
            socket.send("5")
            assert hear(socket) == "6"
            assert not wait_for(socket, 0.3), "who made it in time may stay"
            assert ask(socket, '421["leave:mine"]') == '431[{"ok":true}]'


def test_who_changes_over_may_ask_for_a_little_meanwhile(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engineio, "MAX_WAITING_BYTES", 2000)
    monkeypatch.setattr(engineio, "STALLED_S", 1)
    statuses: list[int] = []

    with polling(product, amal) as poller:
        sid: str = poller.open["sid"]
        with by_websocket(product, sid=sid) as socket:
            assert ask(socket, "2probe") == "3probe"
            for n in range(6):
                poller.post(f'42{n}["leave:mine"]')
        with pytest.raises(InvalidStatus), by_websocket(product, sid=sid):
            pass
        assert len(poller.get()) == 7
        with by_websocket(product, sid=sid) as socket:
            assert ask(socket, "2probe") == "3probe"
            while len(statuses) < 50 and 400 not in statuses:
                statuses.append(poller.post('420["leave:mine"]').status_code)

    assert 5 < len(statuses) < 10


def test_one_answer_to_a_poll_carries_so_much(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "PORTION_BYTES", 1)

    with polling(product, amal) as poller:
        with by_websocket(product, sid=poller.open["sid"]) as socket:
            assert ask(socket, "2probe") == "3probe"
            poller.post('420["leave:mine"]', '421["leave:mine"]')
        answers = [poller.get() for _ in "123"]

    assert answers == [["6"], ['430[{"ok":true}]'], ['431[{"ok":true}]']]


def test_a_poll_is_no_handshake(product: Product, amal: Person) -> None:
    headers = b"Connection: Upgrade\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n"

    with polling(product, amal) as poller:
        poller.post('420["leave:mine"]')
        answer = by_hand(product, f"GET {poller.address}".encode(), headers)

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"430[" in answer


def test_an_address_with_strange_bytes_is_none(product: Product, amal: Person) -> None:
    with polling(product, amal) as poller:
        for bad in (b"\xff", "é".encode()):
            line = b"POST " + poller.address.encode() + b"&x=" + bad
            assert by_hand(product, line).startswith(b"HTTP/1.1 400")
        assert not poller.is_gone()


def by_hand(product: Product, line: bytes, headers: bytes = b"") -> bytes:
    """What is answered until the connection is closed."""
    closing = b" HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n"
    with raw(product) as socket:
        socket.sendall(line + closing + headers + b"\r\n")
        return b"".join(iter(lambda: socket.recv(65536), b""))


def raw(product: Product) -> sockets.socket:
    address = urlsplit(product.url)
    return sockets.create_connection((address.hostname or "", address.port or 0), WAIT_S)


def test_a_second_poll_beside_the_first_is_refused(product: Product, amal: Person) -> None:
    both = [raw(product) for _ in "12"]

    with polling(product, amal) as poller, both[0], both[1]:
        for one in both:
            one.sendall(f"GET {poller.address} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        [answered], _, _ = select.select(both, [], [], WAIT_S)
        refusal = answered.recv(1000)

    assert refusal.startswith(b"HTTP/1.1 400")


def test_who_leaves_while_a_poll_waits_is_gone(product: Product, amal: Person) -> None:
    with polling(product, amal) as poller:
        with pytest.raises(httpx.ReadTimeout):
            poller.http.get(poller.address, timeout=0.2)

        assert eventually(lambda: poller.is_gone() or None)


def test_pages_of_other_origins_may_read_if_they_are_on_the_list(start: Start) -> None:
    listed, foreign = "https://madar.test", "https://evil.test"
    product = start(frontend_url=listed)
    wish = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-request-id",
    }

    with product.anonymous() as http:
        allowed = [
            http.get(BY_POLLING, headers={"Origin": listed}),
            http.options(BY_POLLING, headers={"Origin": listed, **wish}),
            http.get(f"{BY_POLLING}&sid=x", headers={"Origin": listed}),
        ]
        refused = [
            http.get(BY_POLLING, headers={"Origin": foreign}),
            http.options(BY_POLLING, headers={"Origin": foreign, **wish}),
        ]

    for answer in allowed:
        assert answer.headers.get_list("access-control-allow-origin") == [listed]
        assert answer.headers.get_list("access-control-allow-credentials") == ["true"]
    assert [answer.status_code for answer in allowed] == [200, 200, 400]
    assert allowed[0].headers["cache-control"] == "no-store"
    for answer in refused:
        assert not [name for name in answer.headers if name.startswith("access-control")]


# Bounds


def test_who_does_not_say_who_it_is_is_shown_the_door(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socketio, "SIGN_IN_WITHIN_S", 0.3)

    with by_websocket(product) as socket, polling(product) as poller:
        assert goodbye(socket) == 4401
        assert eventually(lambda: poller.is_gone() or None)


def test_who_does_not_answer_pings_is_gone(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketio, "PING_EVERY_S", 0.1)
    monkeypatch.setattr(socketio, "PING_WITHIN_S", 0.5)
    product = start()
    amal = product.sign_in()
    heard: list[str] = []

    with by_websocket(product) as socket:
        socket.send(signed_by(amal))
        while heard.count("2") < 3:
            heard.append(hear(socket))
            if heard[-1] == "2":
                socket.send("3")
        goodbye(socket)


def test_who_does_not_poll_is_gone_and_not_waited_for(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engineio, "STALLED_S", 0.3)

    with polling(product, amal) as poller:
        poller.post('420["leave:mine"]')
        assert poller.post('421["leave:mine"]').status_code == 200
        assert poller.is_gone()


def test_who_does_not_poll_leaves_nothing_behind(
    product: Product,
    amal: Person,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What waits to tell it and what waits to hear it give up at the same moment."""
    monkeypatch.setattr(engineio, "STALLED_S", 0.3)

    def stalled(_: int) -> int:
        with polling(product) as poller:
            poller.post(signed_by(amal), '42["leave:mine"]')
            return poller.post("3").status_code

    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(8) as pool:
        assert set(pool.map(stalled, range(8))) == {400}
        assert set(pool.map(stalled, range(8))) == {400}, "there is room for as many again"

    assert caplog.messages == []


def test_who_has_signed_out_is_not_answered_any_more(product: Product, amal: Person) -> None:
    created = amal.create()["id"]
    heard: list[str] = []

    with polling(product, amal) as poller, by_websocket(product, amal) as other:
        poller.post(f'42["join:generation","{created}"]')
        assert poller.get()[0].startswith('42["generation:progress"')
        ask(other, f'420["join:generation","{created}"]')
        with by_websocket(product, sid=poller.open["sid"]) as socket:
            assert ask(socket, "2probe") == "3probe"
            change(product, created)
            assert hear(other).startswith('42["generation:progress"')
            amal.post("/api/auth/logout")
            goodbye(other)
            poller.post(f'427["join:generation","{created}"]')
            socket.send("5")
            while not heard or heard[-1] != "41":
                heard.append(hear(socket))

    assert [one.partition("{")[0] for one in heard if one != "6"] == [
        '42["generation:progress",',
        '42["error",',
        "41",
    ]


def test_who_does_not_read_delays_nobody_and_is_cut_off(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "STALLED_S", 0.5)
    monkeypatch.setattr(connections, "FLUSH_WITHIN_S", 0.1)
    monkeypatch.setattr(hub, "MAX_SOCKETS", 2)
    created = amal.create()["id"]
    product.execute(
        "INSERT INTO generations (user_id, prompt, style, input_type, seed, step, deadline_at)"
        " SELECT user_id, repeat('x', 900), style, 'text', 1, 'draw', now() FROM generations,"
        " generate_series(1, 200)"
    )
    address = urlsplit(product.url)
    narrow = sockets.socket()
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    narrow.connect((address.hostname, address.port))

    with (
        by_websocket(product, amal, through=narrow) as stalled,
        by_websocket(product, amal) as other,
    ):
        for n in range(40):
            stalled.send(f'42{n}["join:mine"]')
        ask(other, f'420["join:generation","{created}"]')
        change(product, created)
        assert hear(other).startswith('42["generation:progress",')
        eventually(lambda: has_room(product, amal) or None)
        assert goodbye(stalled) is None
        assert ask(other, '421["leave:mine"]') == '431[{"ok":true}]'


def has_room(product: Product, person: Person) -> bool:
    with by_websocket(product) as socket:
        return ask(socket, signed_by(person)).startswith("40")


def test_too_many_at_once_are_asked_to_come_later(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "BURST", 2)
    monkeypatch.setattr(entrance, "PER_S", 0)
    product = start()

    with polling(product) as poller, by_websocket(product):
        answer = poller.http.get(BY_POLLING)
        with pytest.raises(InvalidStatus) as refused, by_websocket(product):
            pass
        assert poller.post("3").status_code == 200, "who is in may go on"

    problem_in(answer, 503, "too_busy")
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["retry-after"]


def test_too_many_that_keep_silent_are_refused(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "MAX_UNSIGNED", 2)

    with polling(product) as poller, by_websocket(product) as socket:
        problem_in(poller.http.get(BY_POLLING), 429, "too_many_unsigned_sockets")
        assert ask(socket, signed_by(amal)).startswith("40{")
        with by_websocket(product):
            pass


def test_polls_count_for_no_limit_and_for_no_usage(start: Start) -> None:
    product = start(rate_limit_reads="3/15m", rate_limit_api="3/15m")
    amal = product.sign_in()

    with polling(product, amal) as poller:
        for _ in range(5):
            poller.post('420["leave:mine"]')
            assert poller.get() == ['430[{"ok":true}]']
        answer = poller.post("3")

    assert not [name for name in answer.headers if name.startswith("ratelimit")]
    assert not product.rows("SELECT 1 FROM api_usage WHERE endpoint LIKE '/socket%%'")
