"""POST /api/uploads/image, some 250 hostile files; `python -m tests.hostile` sends thousands."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from madar.local import postgres
from tests.hostile.__main__ import closing_faults, warm_up
from tests.hostile.case import BOUNDARY, FORM, form, part
from tests.hostile.families import good, hostile
from tests.hostile.run import send_all
from tests.hostile.seeds import seeds
from tests.hostile.site import Memory, Site, opened_site
from tests.simulator.harness import Fal

DAMAGED = 20
AT_ONCE = 20


@pytest.fixture(scope="module")
def site(
    postgres_server: postgres.Server, shared_fal: Fal, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Site]:
    dsn = postgres_server.create_database("hostile", template="template_madar")
    files = tmp_path_factory.mktemp("hostile") / "files"
    with opened_site(dsn=dsn, fal=shared_fal, storage=files) as site:
        warm_up(site)
        yield site


def test_every_seed_is_a_picture_and_nothing_private_leaves(site: Site) -> None:
    outcome = send_all(site, good())

    assert outcome.faults == []
    assert outcome.families["good"].accepted == len(seeds())


def test_hostile_files_are_refused_or_made_harmless(site: Site) -> None:
    with Memory(site.process) as memory:
        memory.look()
        before_mib = memory.web_mib
        outcome = send_all(site, hostile(DAMAGED))

    assert outcome.faults == []
    assert outcome.sent > 230
    assert closing_faults(site, memory, before_mib) == []


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"Content-Type: {FORM}\r\nContent-Length: 99999\r\n", form(part(b"x"))),
        (f"Content-Type: {FORM}\r\nContent-Length: 10\r\n", form(part(b"x"))),
        (f"Content-Type: {FORM}\r\nContent-Length: -1\r\n", form(part(b"x"))),
        (f"Content-Type: {FORM}\r\nContent-Length: 5\r\nContent-Length: 9\r\n", b"x" * 9),
        (f"Content-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n", b"zz\r\nx\r\n0\r\n\r\n"),
        (f"Content-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\nx"),
        ("Content-Type: multipart/form-data; boundary=\x01\x02\r\nContent-Length: 1\r\n", b"x"),
        (f"Content-Type: {FORM}\r\nContent-Length: 300\r\n", f"--{BOUNDARY}\r\n".encode()),
    ],
    ids=[
        *("longer than told", "shorter than told", "less than nothing", "two lengths"),
        *("odd chunks", "a huge chunk", "control characters", "gone in the middle"),
    ],
)
def test_broken_requests_leave_nothing_behind(site: Site, head: str, body: bytes) -> None:
    answer = site.raw(head, body)

    assert not answer.startswith(b"HTTP/1.1 5")
    assert not answer.startswith(b"HTTP/1.1 2")
    assert site.kept() == (0, 0)
    assert send_all(site, list(good())[:1]).faults == []


def test_twenty_at_once_are_taken_or_told_to_come_back(site: Site) -> None:
    body = form(part(seeds()["jpeg from a phone"]))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        sent = [pool.submit(site.upload, body, FORM) for _ in range(AT_ONCE)]
    answers = [one.result()[0] for one in sent]

    assert 201 in {answer.status_code for answer in answers}
    for answer in answers:
        assert answer.status_code in {201, 429, 503}, answer.text
        assert answer.status_code == 201 or int(answer.headers["Retry-After"]) > 0
    accepted = sum(answer.status_code == 201 for answer in answers)
    assert site.kept() == (accepted, 2 * accepted)
    site.forget()
