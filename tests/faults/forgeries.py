"""Deliveries that are not Fal's, not whole, not of now or not for us; each made from a number.

The long form: `python -m tests.faults.forgeries [how many] [--seed 1]` prints a table by family.
Exit code 1 when one was not refused, when a row changed, or when keys were fetched too often.
"""
# ruff: noqa: T201 - the table is printed

import argparse
import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import quote
from uuid import UUID, uuid4

from tests.faults.key_server import NAMES, FalKey, serving_keys
from tests.faults.webhook_site import opened_web
from tests.product import Json, Product

PATH = "/api/webhooks/fal"
LINES = 4
_LIMIT = 2**20
# The order of the curve's base point: a signature with its second half so much larger fits the
# same equation, and is another signature.
_ORDER = 2**252 + 27742317777372353535851937790883648493


@dataclass(frozen=True, kw_only=True)
class Target:
    """Two attempts that wait for a delivery, and what an attacker would like to know."""

    token_of: Callable[[UUID], str]
    attempt_id: str
    other_attempt_id: str
    account: str
    key: FalKey

    def token(self, attempt_id: str | None = None) -> str:
        return self.token_of(UUID(attempt_id or self.attempt_id))


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Raw, as it goes over the wire; `allowed` are the statuses that refuse it."""

    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    allowed: frozenset[int] = frozenset({401})
    is_chunked: bool = False

    def header(self, name: str) -> bytes:
        return dict(self.headers)[_full(name)]

    def with_header(self, name: str, value: bytes) -> "Delivery":
        kept = tuple((one, value if one == _full(name) else old) for one, old in self.headers)
        return replace(self, headers=kept)

    def bytes_for(self, host: str) -> bytes:
        length = (b"Transfer-Encoding", b"chunked")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(self.body), self.body) if self.body else b"0\r\n\r\n"
        if not self.is_chunked:
            length, body = (b"Content-Length", str(len(self.body)).encode()), self.body
        first = b"POST %s?%s HTTP/1.1" % (PATH.encode(), self.query)
        pairs = ((b"Host", host.encode()), *self.headers, length)
        lines = (first, *(name + b": " + value for name, value in pairs))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _full(name: str) -> bytes:
    return f"X-Fal-Webhook-{name}".encode()


# What is right


def right(rng: random.Random, target: Target, **changes: object) -> Delivery:
    """What Fal would send; `changes` are fields of the body or, as `at`, `account`, `id`, others.

    One of them in another shape is another body that Fal signed; the rest is as it should be.
    """
    request_id = str(changes.pop("id", None) or UUID(int=rng.getrandbits(128), version=4))
    account = str(changes.pop("account", target.account))
    at = str(changes.pop("at", int(time.time())))
    key = changes.pop("key", target.key)
    body = changes.pop("content", None)
    assert isinstance(key, FalKey)
    fields: Json = {"request_id": request_id, **rng.choice(_SHAPES), **changes}
    content = body if isinstance(body, bytes) else json.dumps(fields).encode()
    signed = key.headers(request_id=request_id, user_id=account, at=at, body=content)
    return Delivery(
        query=_query(target.attempt_id, target.token()),
        headers=tuple((name.encode(), value.encode()) for name, value in signed.items()),
        body=content,
    )


_PICTURE: Json = {"images": [{"url": "https://v3b.fal.media/files/x.png"}], "seed": 42}
_SHAPES: tuple[Json, ...] = (
    {"status": "OK", "payload": _PICTURE},
    {"status": "OK", "payload": None, "payload_error": "not serialisable"},
    {"status": "ERROR", "error": "Invalid status code: 422", "payload": {"detail": []}},
    {"status": "COMPLETED", "progress": 100, "result": {"imageUrl": "https://x.test/y.png"}},
    {"status": "FAILED", "error": "no credit"},
    {"status": "IN_PROGRESS", "progress": 40, "logs": ["17/28"]},
)


def _query(attempt_id: str, token: str) -> bytes:
    return f"a={quote(attempt_id)}&t={quote(token)}".encode()


def _message(one: Delivery, digest: str | None = None) -> tuple[bytes, ...]:
    made = (digest or hashlib.sha256(one.body).hexdigest()).encode()
    return (one.header("Request-Id"), one.header("User-Id"), one.header("Timestamp"), made)


# What is wrong with them: each family makes one, of a number's choice

Family = Callable[[random.Random, Target], Delivery]
FAMILIES: dict[str, Family] = {}


def family(name: str) -> Callable[[Family], Family]:
    def add(make: Family) -> Family:
        FAMILIES[name] = make
        return make

    return add


def _flip(rng: random.Random, value: bytes) -> bytes:
    """One bit; not the one that makes a letter large, for hexadecimal digits mean the same then."""
    while True:
        place, bit = rng.randrange(len(value)), rng.randrange(8)
        if not (bytes([value[place]]).isalpha() and bit == 5):
            return value[:place] + bytes([value[place] ^ 1 << bit]) + value[place + 1 :]


# A flipped bit in a head may be a line's end, and the HTTP no HTTP any more.
_HEAD = frozenset({400, 401})


@family("one bit of the body")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target)
    return replace(one, body=_flip(rng, one.body))


@family("one bit of the signature")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target)
    changed = _flip(rng, one.header("Signature"))
    return replace(one.with_header("Signature", changed), allowed=_HEAD)


@family("one bit of a header")
def _(rng: random.Random, target: Target) -> Delivery:
    one, name = right(rng, target), rng.choice(NAMES[:3])
    return replace(one.with_header(name, _flip(rng, one.header(name))), allowed=_HEAD)


@family("one bit of the address")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target)
    return replace(one, query=_flip(rng, one.query), allowed=_HEAD)


@family("a signature in capitals, and one bit")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target)
    changed = bytearray(bytes.fromhex(one.header("Signature").decode()))
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return one.with_header("Signature", changed.hex().upper().encode())


@family("a header is missing or empty")
def _(rng: random.Random, target: Target) -> Delivery:
    one, name = right(rng, target), rng.choice(NAMES)
    if rng.random() < 0.5:
        return one.with_header(name, b"")
    return replace(one, headers=tuple(pair for pair in one.headers if pair[0] != _full(name)))


@family("a header twice")
def _(rng: random.Random, target: Target) -> Delivery:
    one, name = right(rng, target), rng.choice(NAMES)
    other = rng.choice((one, right(rng, target))).header(name)
    headers = [*one.headers, (rng.choice((_full(name), _full(name).lower())), other)]
    rng.shuffle(headers)
    return replace(one, headers=tuple(headers))


@family("two headers swapped")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target)
    first, second = rng.sample(NAMES, 2)
    values = one.header(first), one.header(second)
    return one.with_header(first, values[1]).with_header(second, values[0])


@family("the signature of another delivery")
def _(rng: random.Random, target: Target) -> Delivery:
    one, other = right(rng, target), right(rng, target)
    return one.with_header("Signature", other.header("Signature"))


@family("the headers of another delivery")
def _(rng: random.Random, target: Target) -> Delivery:
    return replace(right(rng, target), headers=right(rng, target).headers)


@family("one header of another delivery")
def _(rng: random.Random, target: Target) -> Delivery:
    one, name = right(rng, target), rng.choice(("Request-Id", "Signature"))
    return one.with_header(name, right(rng, target).header(name))


@family("another time than was signed")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target)
    near = int(one.header("Timestamp")) + rng.choice((-1, 1)) * rng.randint(1, 250)
    return one.with_header("Timestamp", str(near).encode())


@family("the token of another attempt")
def _(rng: random.Random, target: Target) -> Delivery:
    ids = [target.attempt_id, target.other_attempt_id, str(uuid4())]
    first, second = rng.sample(ids, 2)
    return replace(right(rng, target), query=_query(first, target.token(second)))


@family("no such token")
def _(rng: random.Random, target: Target) -> Delivery:
    token = target.token()
    wrong = rng.choice(
        (
            *("", "0" * 64, token.upper(), token[:-1], token + "0", token[::-1], f" {token}"),
            *(f"{token}\0", "صاروخ", rng.randbytes(32).hex(), hashlib.sha256(b"").hexdigest()),
            hmac.new(b"", UUID(target.attempt_id).bytes, hashlib.sha256).hexdigest(),
        )
    )
    return replace(right(rng, target), query=_query(target.attempt_id, wrong))


@family("no such attempt")
def _(rng: random.Random, target: Target) -> Delivery:
    good = target.attempt_id
    wrong = rng.choice(
        (
            *("", "null", "' OR 1=1 --", good.upper(), good.replace("-", ""), f"{{{good}}}"),
            *(f"urn:uuid:{good}", f"{good} ", f"{good}\0", "0", str(UUID(int=0)), "صاروخ"),
        )
    )
    return replace(right(rng, target), query=_query(wrong, target.token()))


@family("an address with parts twice or missing")
def _(rng: random.Random, target: Target) -> Delivery:
    good = _query(target.attempt_id, target.token())
    other = _query(target.other_attempt_id, target.token(target.other_attempt_id))
    a, t = good.split(b"&")
    query = rng.choice(
        (b"", a, t, good + b"&" + a, good + b"&" + other, other + b"&" + t, t + b"&" + t, b"&&")
    )
    return replace(right(rng, target), query=query)


@family("another account, signed by Fal")
def _(rng: random.Random, target: Target) -> Delivery:
    other = rng.choice(
        (
            *("somebody-else", target.account.upper(), target.account + "x", target.account[:-1]),
            *("null", "0", "*", f"{target.account},{target.account}", rng.randbytes(8).hex()),
        )
    )
    return right(rng, target, account=other)


@family("another account, ours in the header")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target, account=rng.randbytes(8).hex())
    return one.with_header("User-Id", target.account.encode())


@family("too old, signed by Fal")
def _(rng: random.Random, target: Target) -> Delivery:
    return right(rng, target, at=int(time.time()) - rng.choice((305, 400, 7200, 10**9)))


@family("of the future, signed by Fal")
def _(rng: random.Random, target: Target) -> Delivery:
    return right(rng, target, at=int(time.time()) + rng.choice((330, 400, 7200, 10**9)))


@family("a time that is none, signed by Fal")
def _(rng: random.Random, target: Target) -> Delivery:
    now = int(time.time())
    wrong = rng.choice(
        (
            *(f"-{now}", f"+{now}", f"{now}.0", f"{now}e0", hex(now), f"{now}000", f"{now:_}"),
            *("NaN", "Infinity", "0", "", "now", "9" * 400, "٣" * 10, f"0x{now}", f"{now} {now}"),
        )
    )
    return right(rng, target, at=wrong)


@family("JSON written anew")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target)
    parsed = json.loads(one.body)
    again = rng.choice(
        (
            json.dumps(parsed, indent=1),
            json.dumps(parsed, separators=(",", ":")),
            json.dumps(dict(reversed(parsed.items()))),
            json.dumps({**parsed, "status": "OK", "more": 1}),
            one.body.decode().replace("s", "\\u0073", 1),
            *(f"{one.body.decode()}\n", f" {one.body.decode()}", f"\ufeff{one.body.decode()}"),
        )
    )
    return replace(one, body=again.encode())


@family("cut off, or more behind it")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target)
    cut, more = one.body[: rng.randrange(len(one.body))], one.body + rng.randbytes(9)
    return replace(one, body=rng.choice((cut, more, b"", one.body * 2)), is_chunked=True)


@family("signed by another key")
def _(rng: random.Random, target: Target) -> Delivery:
    return right(rng, target, key=FalKey.of_number(rng.getrandbits(250)))


@family("signed by a key that it brings along")
def _(rng: random.Random, target: Target) -> Delivery:
    key = FalKey.of_number(rng.getrandbits(250))
    entry = key.published()
    one = right(rng, target, key=key, keys=[entry], jwk=entry)
    brought = json.dumps(entry).encode()
    here = b"data:application/json;base64," + base64.b64encode(b'{"keys":[%s]}' % brought)
    more = rng.choice(
        (
            *((b"X-Fal-Webhook-Key", brought), (b"X-Fal-Webhook-Jwks", here)),
            *((b"X-Fal-Webhook-Jwk", brought), (b"X-Fal-Webhook-Jku", here)),
            *((b"X-Fal-Webhook-Kid", b"0"), (b"Authorization", b"Bearer " + brought)),
        )
    )
    return replace(one, headers=(*one.headers, more))


@family("signed for something else")
def _(rng: random.Random, target: Target) -> Delivery:
    """By Fal's own key, but not these four lines."""
    one = right(rng, target)
    lines, digest = _message(one), hashlib.sha256(one.body)
    message = rng.choice(
        (
            *(one.body, digest.digest(), b"\n".join(lines) + b"\n", b"\r\n".join(lines)),
            *(b"".join(lines), b"\n".join(lines[::-1]), b"\n".join(lines[:3]), b".".join(lines)),
            b"\n".join(_message(one, digest.hexdigest().upper())),
            b"\n".join((*lines[:3], one.body)),
        )
    )
    return one.with_header("Signature", target.key.sign(message).hex().encode())


@family("a signature of another kind")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target)
    raw = bytes.fromhex(one.header("Signature").decode())
    message = b"\n".join(_message(one))
    larger = int.from_bytes(raw[32:], "little") + _ORDER
    wrong = rng.choice(
        (
            *(
                b"00" * 64,
                b"ff" * 64,
                b"",
                b"null",
                b"00",
                raw[:32].hex().encode(),
                raw.hex()[::-1],
            ),
            *(base64.b64encode(raw), one.header("Signature") * 2, raw[::-1].hex().encode()),
            hmac.new(target.key.public_bytes, message, hashlib.sha512).hexdigest().encode(),
            (raw[:32] + larger.to_bytes(32, "little")).hex().encode(),
            b" ".join(bytes([digit]) for digit in one.header("Signature")),
            b"ed25519=" + one.header("Signature"),
        )
    )
    return one.with_header("Signature", wrong if isinstance(wrong, bytes) else wrong.encode())


@family("another request in the body, signed by Fal")
def _(rng: random.Random, target: Target) -> Delivery:
    good = str(UUID(int=rng.getrandbits(128), version=4))
    other = rng.choice((str(uuid4()), good.upper() + " ", good[:-1], f"{good}\0", "", f" {good}"))
    return right(rng, target, id=good, request_id=other)


@family("no request in the body, signed by Fal")
def _(rng: random.Random, target: Target) -> Delivery:
    content = rng.choice((b"{}", b"null", b"[]", b'"x"', b"0", b'["request_id"]', b"true"))
    odd = rng.choice((None, 1, ["x"], {"x": 1}, True))
    if rng.random() < 0.5:
        return right(rng, target, request_id=odd)
    return right(rng, target, content=content)


@family("no JSON, signed by Fal")
def _(rng: random.Random, target: Target) -> Delivery:
    whole = right(rng, target).body
    content = rng.choice(
        (
            *(b"", b"{", b"<html>", whole[:-1], whole + b"}", b"\xff" + whole, b"\0", b"{'a': 1}"),
            *(b"request_id=1&status=OK", b"[" * 5000, b'{"a":' * 5000, b"NaN"),
            *(b'{"request_id": "\\ud800"}', b"\xef\xbb\xbf" + whole),
        )
    )
    return replace(right(rng, target, content=content), allowed=frozenset({400}))


@family("larger than a mebibyte, signed by Fal")
def _(rng: random.Random, target: Target) -> Delivery:
    one = right(rng, target, note="x" * (_LIMIT + rng.choice((1, 1000))))
    return replace(one, allowed=frozenset({413}), is_chunked=rng.random() < 0.5)


_RARE = "larger than a mebibyte, signed by Fal"


@dataclass(frozen=True)
class Forgery:
    family: str
    delivery: Delivery


def forgeries(target: Target, *, count: int, seed: int) -> Iterator[Forgery]:
    """The same for the same number, but for the time they say."""
    rng = random.Random(seed)
    usual = [name for name in FAMILIES if name != _RARE]
    for number in range(count):
        name = _RARE if number % 200 == 199 else usual[number % len(usual)]
        yield Forgery(name, FAMILIES[name](random.Random(rng.getrandbits(64)), target))


# Sending


class Line:
    """One kept connection, opened again whenever the other side ends it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, delivery: Delivery) -> tuple[int, dict[str, str], bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=20)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):  # refused before it was sent whole
            self._socket.sendall(delivery.bytes_for(f"127.0.0.1:{self._port}"))
        response = http.client.HTTPResponse(self._socket, method="POST")
        response.begin()
        body = response.read()
        if response.will_close or len(delivery.body) > _LIMIT:
            self.close()
        return response.status, dict(response.getheaders()), body

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass
class Outcome:
    answers: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    wrong: list[str] = field(default_factory=list[str])
    took_ms: list[float] = field(default_factory=list[float])

    def add(self, other: "Outcome") -> None:
        self.answers += other.answers
        self.wrong += other.wrong
        self.took_ms += other.took_ms


def send_all(port: int, made: list[Forgery], *, lines: int = LINES) -> Outcome:
    """Over some connections at once."""
    outcome = Outcome()
    with ThreadPoolExecutor(lines) as pool:
        shares = [made[number::lines] for number in range(lines)]
        for one in pool.map(partial(_send, port), shares):
            outcome.add(one)
    return outcome


def _send(port: int, made: list[Forgery]) -> Outcome:
    outcome = Outcome()
    with contextlib.closing(Line(port)) as line:
        for forgery in made:
            began = time.perf_counter()
            status, _, body = line.send(forgery.delivery)
            outcome.took_ms.append((time.perf_counter() - began) * 1000)
            outcome.answers[forgery.family, status] += 1
            if status not in forgery.delivery.allowed:
                told = f"{forgery.family}: {status} {body[:300]!r} to {forgery.delivery!r}"
                outcome.wrong.append(told[:3000])
    return outcome


# What is looked at

# Written in the background; no delivery is noted there.
_OF_USAGE = ("api_usage", "file_servings")


def state_of(product: Product) -> dict[str, str]:
    """A checksum of each table."""
    tables = [
        row["name"]
        for row in product.rows(
            "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        )
        if row["name"] not in _OF_USAGE
    ]
    sums = ", ".join(
        f"(SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {one} t)"
        f' AS "{one}"'
        for one in tables
    )
    return product.rows(f"SELECT {sums}")[0]


def target_in(product: Product, key: FalKey) -> Target:
    """Two attempts that were sent, of which nobody knows the request yet."""
    person = product.sign_in()
    ids = [person.create()["jobId"] for _ in range(2)]
    product.execute(
        "UPDATE attempts SET state = 'sent', sent_at = now(), endpoint = 'fal-ai/flux-lora',"
        " arguments = '{}'"
    )
    product.execute("UPDATE generations SET next_action_at = now() + interval '1 hour'")
    product.execute("DELETE FROM procrastinate_jobs")
    return target_of(product, key, *ids)


def target_of(product: Product, key: FalKey, attempt_id: str, other_attempt_id: str) -> Target:
    return Target(
        token_of=product.settings.webhook_token,
        attempt_id=attempt_id,
        other_attempt_id=other_attempt_id,
        account=product.settings.fal_account_id,
        key=key,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.forgeries")
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with serving_keys() as keys, opened_web(fal_jwks_url=keys.url) as product:
        target = target_in(product, keys.keys[0])
        made = list(forgeries(target, count=given.count, seed=given.seed))
        before, began = state_of(product), time.monotonic()
        outcome = send_all(product.settings.port, made)
        took_s, after = time.monotonic() - began, state_of(product)
        times, pause_s = keys.times, keys.shortest_pause_s
        with contextlib.closing(Line(product.settings.port)) as line:
            status, _, _ = line.send(right(random.Random(), target, status="OK"))
        is_taken = status == 200 and state_of(product) != after
    changed = sorted(name for name in after if after[name] != before[name])
    _print(outcome, took_s)
    print(f"rows changed: {changed or 'none'}; keys fetched {times} times in {took_s:.0f} s")
    print(f"a right one, afterwards: {'taken' if is_taken else f'NOT TAKEN ({status})'}")
    for told in outcome.wrong[:20]:
        print(f"\nNOT REFUSED {told}")
    return 1 if outcome.wrong or changed or pause_s < 60 or not is_taken else 0


def _print(outcome: Outcome, took_s: float) -> None:
    for name in FAMILIES:
        told = {status: n for (one, status), n in sorted(outcome.answers.items()) if one == name}
        print(f"{name:46}" + "  ".join(f"{status}: {n}" for status, n in told.items()))
    took = sorted(outcome.took_ms)
    n = len(took)
    print(f"{n:,} in {took_s:.0f} s, {LINES} at once; not refused: {len(outcome.wrong)}")
    print(f"p50 {took[n // 2]:.1f} ms, p99 {took[int(n * 0.99)]:.1f} ms")


if __name__ == "__main__":
    sys.exit(main())
