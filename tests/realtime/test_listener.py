"""The LISTEN connection: it proves that it hears, and one that never could is refused in words."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from madar.realtime import listener
from madar.supervision import NOT_CONFIGURED
from tests.api.test_live import change, hear, join, live
from tests.conftest import Start
from tests.faults.worker_process import environment_of
from tests.pooler import needs_pgbouncer, pooling
from tests.processes.proxy import DeafProxy, proxied
from tests.product import Product, settings_for
from tests.simulator.harness import Fal, eventually

# As `madar serve`, but quicker to lose patience.
SERVE = """
import sys
from madar.app import serve
from madar.realtime import listener
from madar.settings import load_settings
listener.HEARD_WITHIN_S = 1
sys.exit(serve(load_settings()))
"""
STARTS_WITHIN_S = 60


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for it before the product: what takes half a minute takes a second, and nothing hides it.

    Without the re-reading, only a bell or a connection made anew can bring news.
    """
    monkeypatch.setattr(listener, "PULSE_EVERY_S", 0.3)
    monkeypatch.setattr(listener, "HEARD_WITHIN_S", 0.6)
    monkeypatch.setattr(listener, "REREAD_S", 600)


def hears(product: Product) -> bool | None:
    """Whether the process says of itself that it would hear a bell."""
    with product.anonymous() as http:
        checks = http.get("/api/health").json()["checks"]
    return checks["live"] == "ok" or None


@pytest.mark.usefixtures("_impatient")
def test_a_connection_that_died_without_a_word_is_found_and_nothing_is_missed(
    dsn: str, start: Start
) -> None:
    with proxied(dsn) as (proxy, address):
        product = start(database_direct_url=address)
        amal = product.sign_in()
        created = amal.create()["id"]
        with live(product, amal) as socket:
            join(socket, created)

            proxy.swallow()
            change(product, created, progress=5)  # its bell is swallowed
            eventually(lambda: proxy.swallowed or None)
            proxy.heal()
            event = hear(socket)

            assert (event["version"], event["progress"]) == (2, 5)
            eventually(lambda: hears(product))
            change(product, created, progress=6)
            assert hear(socket)["version"] == 3


@pytest.mark.usefixtures("_impatient")
def test_one_connection_hears_everything_and_proves_it_again_and_again(
    dsn: str, start: Start
) -> None:
    with proxied(dsn) as (proxy, address):
        product = start(database_direct_url=address)
        eventually(lambda: hears(product))
        time.sleep(2)  # several proofs; that nothing happens has no signal

        assert proxy.connections == 1
        assert hears(product)


@pytest.mark.usefixtures("_impatient")
def test_what_was_missed_of_all_that_is_theirs_is_found_after_a_silence(
    dsn: str, start: Start
) -> None:
    with proxied(dsn) as (proxy, address):
        product = start(database_direct_url=address)
        amal = product.sign_in()
        with live(product, amal) as socket:
            socket.send('{"type": "join:mine"}')
            assert hear(socket)["mine"]

            proxy.swallow()
            created = amal.create()["id"]
            eventually(lambda: proxy.swallowed or None)
            proxy.heal()

            assert hear(socket)["generationId"] == created


# At the start


@contextlib.contextmanager
def serving(dsn: str, fal: Fal, folder: Path, **urls: str) -> Generator[subprocess.Popen[str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = settings_for(dsn=dsn, fal=fal, port=port, storage=str(folder), **urls)
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        env=environment_of(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def refused(process: subprocess.Popen[str]) -> str:
    """What it said before it ended as one does whose settings are wrong."""
    said, _ = process.communicate(timeout=STARTS_WITHIN_S)
    assert process.returncode == NOT_CONFIGURED, said
    assert "code=listen_unheard" in said
    assert "postgres@" not in said
    return said


def test_an_address_that_never_delivers_ends_the_start_with_words(
    dsn: str, fal: Fal, tmp_path: Path
) -> None:
    with (
        proxied(dsn, DeafProxy) as (_, address),
        serving(dsn, fal, tmp_path, database_direct_url=address) as process,
    ):
        said = refused(process)

    assert "DATABASE_DIRECT_URL leads to a pooler" in said
    assert "give the server's own address" in said


def test_the_only_address_is_refused_with_the_setting_that_is_missing(
    dsn: str, fal: Fal, tmp_path: Path
) -> None:
    with (
        proxied(dsn, DeafProxy) as (_, address),
        serving(address, fal, tmp_path) as process,
    ):
        assert "set DATABASE_DIRECT_URL to the server's own address" in refused(process)


def test_a_database_that_is_not_there_yet_is_waited_for(dsn: str, fal: Fal, tmp_path: Path) -> None:
    with (
        proxied(dsn, DeafProxy) as (proxy, address),
        serving(address, fal, tmp_path) as process,
    ):
        proxy.swallow()
        eventually(lambda: proxy.swallowed > 2 or None, deadline_s=STARTS_WITHIN_S)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)  # three times what it would take to be refused


# A pooler


@needs_pgbouncer
@pytest.mark.parametrize("is_only_one", [False, True], ids=["for listening", "for everything"])
def test_a_pooler_that_shares_connections_is_refused(
    dsn: str, fal: Fal, tmp_path: Path, open_folder: Path, *, is_only_one: bool
) -> None:
    """As Neon's is, which refuses a session of one's own; and one that only never delivers."""
    taken = "extra_float_digits, options, statement_timeout, lock_timeout, plan_cache_mode, "
    taken += "idle_in_transaction_session_timeout"
    changed = {"ignore_startup_parameters": taken} if is_only_one else {}
    with pooling(dsn, open_folder, **changed) as address:
        urls = {} if is_only_one else {"database_direct_url": address}
        with serving(address if is_only_one else dsn, fal, tmp_path, **urls) as process:
            assert "leads to a pooler" in refused(process)
