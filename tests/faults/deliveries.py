"""Jobs whose deliveries come early, doubled, shuffled and against each other: one transition each.

The long form: `python -m tests.faults.deliveries [jobs] [--seed 1]` prints what was counted.
Exit code 1 when anything happened twice, backwards or not at all.

A proxy in front of Fal sends the first deliveries of a request before it hands on the answer to the
submission, so they are there before we can have written that answer down; of every fifth request
it hands on none at all.
"""
# ruff: noqa: T201 - the counts are printed

import argparse
import contextlib
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.faults.forgeries import Delivery, Line, Target, right, target_of
from tests.faults.key_server import FalKey, serving_keys
from tests.faults.webhook_site import opened_web
from tests.faults.worker_process import WorkerProcess
from tests.product import Json, Person, Product
from tests.simulator.harness import eventually

MOST = 100  # deliveries of one job
EARLY = 3
LOST_EVERY = 5
LINES = 4
SOCKETS = 10  # as many as one person may have
FINAL = {"generation:completed", "generation:failed"}
# Seldom asked, so that deliveries are what moves them.
PACE: dict[str, Any] = {"poll_min_s": 2, "fal_concurrency": 8, "worker_concurrency": 8}
_STEPS = 2  # a drawing, and its background cut out
_SAID = ("OK", "OK", "ERROR", "COMPLETED", "FAILED", "IN_PROGRESS", "IN_QUEUE", "UNHEARD_OF")


@dataclass
class Deck:
    """Deliveries that are still to be sent; whichever is drawn next is chance."""

    rng: random.Random
    _cards: list[Delivery] = field(default_factory=list[Delivery])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, cards: list[Delivery]) -> None:
        with self._lock:
            self._cards += cards

    def draw(self) -> Delivery | None:
        with self._lock:
            if not self._cards:
                return None
            place = self.rng.randrange(len(self._cards))
            self._cards[place], self._cards[-1] = self._cards[-1], self._cards[place]
            return self._cards.pop()


@dataclass
class Sender:
    """Everything that is said to the product in Fal's name."""

    key: FalKey
    rng: random.Random
    most: int = MOST
    product: Product | None = None
    answers: Counter[int] = field(default_factory=Counter[int])
    sent: list[Delivery] = field(default_factory=list[Delivery])
    submissions: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.deck = Deck(self.rng)

    def on_submission(self, webhook_url: str, request_id: str) -> bool:
        """Whether our answer to it is to be handed on."""
        with self._lock:
            self.submissions += 1
            number, count = self.submissions, self.rng.randint(1, self.most // _STEPS)
            made = [self._delivery(webhook_url, request_id) for _ in range(count)]
        line = self._line()
        for delivery in made[:EARLY]:
            self._send(line, delivery)
        line.close()
        self.deck.add(made[EARLY:])
        return number % LOST_EVERY != 0

    @contextlib.contextmanager
    def dealing(self) -> Generator[None]:
        """Until the block ends, and all that is left is sent."""
        threads = [threading.Thread(target=self._deal) for _ in range(LINES)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join()

    def send_again(self) -> None:
        """All of it, in another order."""
        self.deck.add(self.sent)
        self.sent = []
        with self.dealing():
            pass

    def _deal(self) -> None:
        line, pause = self._line(), threading.Event()
        while True:
            if delivery := self.deck.draw():
                self._send(line, delivery)
            elif self.stopping.is_set():
                break
            else:
                line.close()  # before the other side finds it idle
                pause.wait(0.01)
        line.close()

    def _send(self, line: Line, delivery: Delivery) -> None:
        status, _, _ = line.send(delivery)
        with self._lock:
            self.answers[status] += 1
            self.sent.append(delivery)

    def _line(self) -> Line:
        assert self.product
        return Line(self.product.settings.port)

    def _delivery(self, webhook_url: str, request_id: str) -> Delivery:
        query = urlsplit(webhook_url).query
        [attempt_id] = parse_qs(query)["a"]
        made = right(
            self.rng, self._target(attempt_id), id=request_id, status=self.rng.choice(_SAID)
        )
        return replace(made, query=query.encode())

    def _target(self, attempt_id: str) -> Target:
        assert self.product
        return target_of(self.product, self.key, attempt_id, attempt_id)


@contextlib.contextmanager
def standing_before_fal(sender: Sender) -> Generator[str]:
    """The proxy's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            assert sender.product
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            answer = httpx.request(
                self.command,
                f"{sender.product.fal.url}{self.path}",
                headers={"Authorization": self.headers["authorization"]},
                content=body,
                timeout=30,
                trust_env=False,
                verify=False,
            )
            webhook_urls = parse_qs(urlsplit(self.path).query).get("fal_webhook")
            if webhook_urls and answer.status_code == 200:
                request_id = answer.json()["request_id"]
                if not sender.on_submission(webhook_urls[0], request_id):
                    self.close_connection = True
                    return
            self.send_response(answer.status_code)
            self.send_header("content-type", answer.headers.get("content-type", ""))
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def do_GET(self) -> None:
            self._forward()

        def do_POST(self) -> None:
            self._forward()

        def do_PUT(self) -> None:
            self._forward()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True  # the worker keeps its connections

        def handle_error(self, request: Any, client_address: Any) -> None:
            """The worker ends and lets go of what it asked."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


# Witnesses

_WATCH = """
CREATE TABLE transitions (n bigserial, what text, id uuid, was text, became text);
CREATE FUNCTION note_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transitions (what, id, was, became)
    VALUES (TG_TABLE_NAME, NEW.id, OLD.state, NEW.state);
    RETURN NULL;
END $$;
CREATE TRIGGER noted AFTER UPDATE ON generations
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION note_transition();
CREATE TRIGGER noted AFTER UPDATE ON attempts
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION note_transition();
"""


@dataclass
class Listeners:
    """Sockets that joined every job, and how often each was told its end."""

    product: Product
    ends: Counter[str] = field(default_factory=Counter[str])
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def join(self, person: Person, ids: list[str]) -> None:
        headers = {"Authorization": f"Bearer {person.token}"}
        for number in range(SOCKETS):
            socket = self._stack.enter_context(self.product.socket(**headers))
            for count, one in enumerate(ids[number::SOCKETS], 1):
                if count % 15 == 0:  # a socket may say twenty things a second
                    time.sleep(1)
                socket.send(json.dumps({"type": "join:generation", "generationId": one}))
            thread = threading.Thread(target=self._hear, args=[socket])
            thread.start()
            self._threads.append(thread)

    def _hear(self, socket: Any) -> None:
        for told in socket:
            event: Json = json.loads(told)
            if event["type"] in FINAL:
                self.ends[event["generationId"]] += 1

    def close(self) -> None:
        self._stack.close()
        for thread in self._threads:
            thread.join()


@dataclass(kw_only=True)
class Counted:
    jobs: int
    deliveries: int
    answers: dict[int, int]
    faults: list[str]


def run(product: Product, sender: Sender, jobs: int, working: Any) -> Counted:
    """`working`: a worker runs within it."""
    product.execute(_WATCH)
    product.fal.turn("no-webhooks")
    person = product.sign_in()
    listeners = Listeners(product)
    with contextlib.closing(listeners):
        ids = [person.create(textPrompt=f"a red rocket {n}")["id"] for n in range(jobs)]
        listeners.join(person, ids)
        with sender.dealing(), working:
            _wait(product, jobs)
            # The last bells may still be on their way.
            eventually(lambda: len(listeners.ends) == jobs or None)
    before = _rows(product)
    sender.send_again()
    faults = [*_faults(product, jobs), *_twice(listeners.ends, "told its end")]
    if _rows(product) != before:
        faults.append("what came after the end changed a row")
    if set(sender.answers) != {200}:
        faults.append(f"answers: {dict(sender.answers)}")
    if sender.submissions != jobs * _STEPS:
        faults.append(f"{sender.submissions} submissions for {jobs} jobs")
    return Counted(
        jobs=jobs,
        deliveries=sender.answers.total(),
        answers=dict(sender.answers),
        faults=faults,
    )


def _wait(product: Product, jobs: int) -> None:
    query = "SELECT count(*) AS n FROM generations WHERE state IN ('completed', 'failed')"
    eventually(lambda: product.rows(query)[0]["n"] == jobs or None, deadline_s=60 + 3 * jobs)


def _rows(product: Product) -> list[Json]:
    return product.rows(
        "SELECT md5(string_agg(g::text, '|' ORDER BY g.id)) AS generations,"
        " (SELECT md5(string_agg(a::text, '|' ORDER BY a.id)) FROM attempts a) AS attempts,"
        " (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo') AS jobs,"
        " (SELECT count(*) FROM fal_purges) AS purges,"
        " (SELECT count(*) FROM transitions) AS transitions FROM generations g"
    )


def _faults(product: Product, jobs: int) -> list[str]:
    noted = product.rows("SELECT what, id::text, was, became FROM transitions ORDER BY n")
    times = Counter((one["what"], one["id"], one["became"]) for one in noted)
    ends = [what for what in times if what[0] == "generations" and what[2] == "completed"]
    out = [one for one in noted if one["was"] in {"completed", "failed", "succeeded"}]
    won = [what for what in times if what[0] == "attempts" and what[2] == "succeeded"]
    purges = product.rows("SELECT count(*) AS n FROM fal_purges")[0]["n"]
    checks = {
        f"{len(ends)} of {jobs} completed": len(ends) == jobs,
        f"{len(won)} attempts succeeded": len(won) == jobs * _STEPS,
        f"out of an end: {out[:3]}": not out,
        f"purges at Fal: {purges}": purges == 0,
    }
    return [
        *(what for what, holds in checks.items() if not holds),
        *_twice(Counter({f"{a} {b} {c}": n for (a, b, c), n in times.items()}), "happened"),
    ]


def _twice(times: Counter[str], what: str) -> list[str]:
    return [f"{one} {what} {n} times" for one, n in times.items() if n != 1][:5]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.deliveries")
    parser.add_argument("jobs", type=int, nargs="?", default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with serving_keys() as keys:
        sender = Sender(keys.keys[0], random.Random(given.seed))
        with (
            standing_before_fal(sender) as url,
            opened_web(fal_jwks_url=keys.url, fal_queue_url=url, **PACE) as product,
        ):
            sender.product = product
            began = time.monotonic()
            counted = run(product, sender, given.jobs, _worker(product))
    print(f"{counted.jobs:,} jobs, {counted.deliveries:,} deliveries: {counted.answers}")
    print(f"{time.monotonic() - began:.0f} s; not as it must be: {counted.faults or 'nothing'}")
    return 1 if counted.faults else 0


@contextlib.contextmanager
def _worker(product: Product) -> Generator[None]:
    worker = WorkerProcess(product.settings)
    try:
        yield
    finally:
        worker.stop()


if __name__ == "__main__":
    sys.exit(main())
