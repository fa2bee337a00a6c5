"""Result files: from where they may come, and no more of them than we can hold."""

import asyncio
import gzip
import itertools
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from madar.clients.fal import FalUnreachable
from madar.clients.media import MAX_RESULT_BYTES, Media, Patience, Reason, ResultRefused
from madar.settings import Settings
from tests.clients.addresses import FORBIDDEN, HOSTS, OPEN, URLS
from tests.clients.wire import (
    Internet,
    Script,
    Server,
    certificate_for,
    hangs,
    says,
    sends,
    serving,
    then,
)
from tests.faults.odd_fal import OddFal, odd_settings

CHUNK = bytes(2**20)
BOMB = gzip.compress(64 * CHUNK)
HOST = "v3.fal.media"
URL = f"https://{HOST}/files/x.png?signed=1#part"
HERE = "127.0.0.1"
PUBLIC = "93.184.216.34"
# So long that another limit has to be the one that ends a test.
ENDLESS = Patience(connect_s=900, first_byte_s=900, total_s=900, grace_s=900, slowest_bytes_s=1)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    fal = OddFal(url="http://localhost:1")
    folder = tmp_path_factory.mktemp("media")
    return odd_settings(
        "postgresql:///nowhere", fal, folder, fal_media_hosts=f"localhost {HERE} ::1 {HOST} .test"
    )


@pytest.fixture(scope="module")
def production(settings: Settings) -> Settings:
    return settings.model_copy(update={"app_env": "production", "fal_media_hosts": HOSTS})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_for(HOST, tmp_path_factory.mktemp("tls"))


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


class Dns:
    """Gives each question the next answer, the last one for good; it keeps what was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def fetched(
    settings: Settings,
    script: Script,
    *,
    host: str = HERE,
    patience: Patience | None = None,
) -> bytes:
    """Over plain HTTP from this machine, as while developing."""

    async def main() -> bytes:
        async with serving(script) as server:
            media = Media(settings, patience=patience)
            return await media.download(f"http://{host}:{server.port}/files/x.png")

    return asyncio.run(main())


def refusal(settings: Settings, script: Script) -> Reason:
    with pytest.raises(ResultRefused) as caught:
        fetched(settings, script)
    return caught.value.reason


# From where


@pytest.mark.parametrize("kind", URLS)
def test_production_asks_nobody_for_another_address(production: Settings, kind: str) -> None:
    async def main() -> None:
        dns, internet = Dns([PUBLIC]), Internet()
        media = Media(production, look_up=dns, network=internet)
        reasons: dict[str, Reason] = {}
        for url in URLS[kind]:
            with pytest.raises(ResultRefused) as caught:
                await media.download(url)
            reasons[url] = caught.value.reason
        assert reasons == dict.fromkeys(URLS[kind], kind)
        assert (dns.asked, internet.called) == ([], [])

    asyncio.run(main())


@pytest.mark.parametrize("kind", FORBIDDEN)
@pytest.mark.parametrize("mixed", ["alone", "first", "last"])
def test_a_name_that_leads_inside_is_not_followed(
    settings: Settings, production: Settings, kind: str, mixed: str
) -> None:
    def answer(address: str) -> list[str]:
        return {"alone": [address], "first": [address, PUBLIC], "last": [PUBLIC, address]}[mixed]

    async def main() -> None:
        async with serving(says(b"a secret")) as inside:
            urls = {False: f"http://{HOST}:{inside.port}/x.png", True: f"https://{HOST}/x.png"}
            for one, address in itertools.product((settings, production), FORBIDDEN[kind]):
                internet = Internet(inside.port)
                media = Media(one, look_up=Dns(answer(address)), network=internet)
                with pytest.raises(ResultRefused, match="address"):
                    await media.download(urls[one.is_production])
                assert internet.called == []
        assert inside.connections == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    "found", ["127.0.0.1", "127.1", "0.0.0.0", "::ffff:127.0.0.1", "localhost"]
)
def test_nothing_reaches_a_server_inside_by_the_real_network(
    settings: Settings, found: str
) -> None:
    async def main() -> None:
        async with serving(says(b"a secret")) as inside:
            for host in (HOST, "a.test"):
                media = Media(settings, look_up=Dns([found]))
                with pytest.raises(ResultRefused, match="address"):
                    await media.download(f"http://{host}:{inside.port}/x.png")
        assert inside.connections == 0

    asyncio.run(main())


@pytest.mark.parametrize("address", OPEN)
def test_the_address_that_was_looked_at_is_the_one_called(
    production: Settings, certificate: Path, address: str
) -> None:
    """A name that means this machine at the second question is harmless: there is no second one."""

    async def main() -> None:
        async with serving(says(b"a picture"), certificate=certificate) as server:
            dns, internet = Dns([address], [HERE]), Internet(server.port)
            media = Media(production, look_up=dns, network=internet, tls=trusting(certificate))
            assert await media.download(URL) == b"a picture"
        assert dns.asked == [(HOST, 443)]
        assert internet.called == [(address, 443)]

    asyncio.run(main())


def test_each_download_looks_anew(settings: Settings) -> None:
    async def main() -> None:
        async with serving(says(b"a picture")) as server:
            dns, internet = Dns([PUBLIC], [HERE]), Internet(server.port)
            media = Media(settings, look_up=dns, network=internet)
            await media.download(f"http://{HOST}/x.png")
            with pytest.raises(ResultRefused, match="address"):
                await media.download(f"http://{HOST}/x.png")
        assert (len(dns.asked), internet.called) == (2, [(PUBLIC, 80)])

    asyncio.run(main())


def test_the_host_stays_the_name_over_tls(production: Settings, certificate: Path) -> None:
    async def main() -> Server:
        async with serving(says(b""), certificate=certificate) as server:
            media = Media(
                production,
                look_up=Dns([PUBLIC]),
                network=Internet(server.port),
                tls=trusting(certificate),
            )
            await media.download(URL)
        return server

    server = asyncio.run(main())
    (request,) = server.requests
    assert server.names == [HOST]
    assert request.startswith(b"GET /files/x.png?signed=1 HTTP/1.1\r\n")
    assert f"\r\nHost: {HOST}\r\n".encode() in request
    assert b"\r\nAccept-Encoding: identity\r\n" in request


@pytest.mark.parametrize("name", ["elsewhere.test", "fal.media", PUBLIC])
def test_a_certificate_of_another_name_is_not_believed(
    production: Settings, tmp_path: Path, name: str
) -> None:
    certificate = certificate_for(name, tmp_path)

    async def main() -> Server:
        async with serving(says(b"a picture"), certificate=certificate) as server:
            media = Media(
                production,
                look_up=Dns([PUBLIC]),
                network=Internet(server.port),
                tls=trusting(certificate),
            )
            with pytest.raises(FalUnreachable, match="ConnectError"):
                await media.download(URL)
        return server

    assert asyncio.run(main()).requests == []


def test_a_certificate_that_nobody_trusts_is_not_believed(
    production: Settings, certificate: Path
) -> None:
    async def main() -> Server:
        async with serving(says(b"a picture"), certificate=certificate) as server:
            media = Media(production, look_up=Dns([PUBLIC]), network=Internet(server.port))
            with pytest.raises(FalUnreachable, match="ConnectError"):
                await media.download(URL)
        return server

    assert asyncio.run(main()).requests == []


@pytest.mark.parametrize(
    "url",
    [
        f"https://{HOST}/x.png",
        f"HTTPS://{HOST.upper()}/x.png",
        f"https://{HOST}:443/x.png",
        f"https://{HOST}:/x.png",
        f"https://{HOST}",
        f"https://{PUBLIC}/x.png",
        "https://a.cdn.fal.media/x.png",
        "https://b.a.cdn.fal.media/x.png",
        f"https://{HOST}/a/../%2e%2e/@evil.test:80/%0d%0a?b=http://evil.test",
    ],
)
def test_fals_own_addresses_are_asked(production: Settings, url: str) -> None:
    async def main() -> None:
        dns, internet = Dns([PUBLIC]), Internet(away=[PUBLIC])
        with pytest.raises(FalUnreachable):
            await Media(production, look_up=dns, network=internet).download(url)
        assert internet.called == [(PUBLIC, 443)]

    asyncio.run(main())


def test_the_next_address_is_tried_when_one_is_away(settings: Settings) -> None:
    async def main() -> None:
        async with serving(says(b"a picture")) as server:
            internet = Internet(server.port, away=["8.8.8.8"])
            media = Media(settings, look_up=Dns(["8.8.8.8", PUBLIC]), network=internet)
            assert await media.download(f"http://{HOST}/x.png") == b"a picture"
        assert [host for host, _ in internet.called] == ["8.8.8.8", PUBLIC]

    asyncio.run(main())


@pytest.mark.parametrize("answer", [[], OPEN[:9]])
def test_a_host_that_is_nowhere_may_come_back(settings: Settings, answer: list[str]) -> None:
    async def main() -> None:
        internet = Internet(away=OPEN)
        media = Media(settings, look_up=Dns(answer), network=internet)
        with pytest.raises(FalUnreachable):
            await media.download(f"http://{HOST}/x.png")
        assert len(internet.called) <= 4

    asyncio.run(main())


def test_a_name_that_cannot_be_looked_up_may_come_back(settings: Settings) -> None:
    async def nobody(host: str, _: int) -> Sequence[str]:
        raise UnicodeError(host)

    async def main() -> None:
        for look_up in (nobody, Media(settings)._look_up):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            with pytest.raises(FalUnreachable):
                await Media(settings, look_up=look_up).download("http://no-such-name.test/x.png")

    asyncio.run(main())


@pytest.mark.parametrize("host", ["localhost", HERE])
def test_while_developing_this_machine_is_asked_when_named(settings: Settings, host: str) -> None:
    assert fetched(settings, says(b"a picture"), host=host) == b"a picture"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://localhost:0/x.png", "port"),
        ("http://localhost:99999/x.png", "port"),
        ("http://127.0.0.2/x.png", "host"),
        ("http://user:word@localhost/x.png", "url"),
        ("ftp://localhost/x.png", "url"),
        ("http:///x.png", "host"),
    ],
)
def test_while_developing_other_places_are_refused_too(
    settings: Settings, url: str, reason: Reason
) -> None:
    with pytest.raises(ResultRefused, match=reason):
        asyncio.run(Media(settings).download(url))


@pytest.mark.parametrize("host", [HERE, "localhost", "::1"])
def test_in_production_this_machine_is_not_even_asked_when_named(
    production: Settings, host: str
) -> None:
    careless = production.model_copy(update={"fal_media_hosts": (host,)})
    url = f"https://[{host}]/x.png" if ":" in host else f"https://{host}/x.png"

    async def main() -> None:
        internet = Internet()
        with pytest.raises(ResultRefused, match="address"):
            await Media(careless, network=internet).download(url)
        assert internet.called == []

    asyncio.run(main())


def test_no_proxy_of_the_environment_is_asked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(hangs) as proxy, serving(says(b"a picture")) as server:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, f"http://{HERE}:{proxy.port}")
                monkeypatch.setenv(name.upper(), f"http://{HERE}:{proxy.port}")
            media = Media(settings)
            assert await media.download(f"http://{HERE}:{server.port}/x.png") == b"a picture"
        assert proxy.connections == 0

    asyncio.run(main())


# Answers


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_not_followed(settings: Settings, status: int) -> None:
    async def main() -> None:
        async with serving(says(b"a secret")) as inside:
            location = f"Location: http://{HERE}:{inside.port}/secret"
            script = says(b"", location, "Content-Length: 0", status=f"{status} Elsewhere")
            async with serving(script) as server:
                with pytest.raises(ResultRefused, match="redirect"):
                    await Media(settings).download(f"http://{HERE}:{server.port}/x.png")
        assert (inside.connections, server.connections) == (0, 1)

    asyncio.run(main())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 416, 451])
def test_a_file_that_is_gone_stays_gone(settings: Settings, status: int) -> None:
    assert refusal(settings, says(b"", status=f"{status} No")) == "gone"


@pytest.mark.parametrize("status", [201, 204, 206, 408, 425, 429, 500, 502, 503, 504, 599])
def test_another_answer_may_pass(settings: Settings, status: int) -> None:
    with pytest.raises(FalUnreachable, match=str(status)):
        fetched(settings, says(b"", "Content-Length: 0", status=f"{status} Later"))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"a picture",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1e9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/9.9 999 \xff\r\n\r\n",
    ],
    ids=lambda answer: answer[:40].decode("latin-1"),
)
def test_what_is_no_answer_may_become_one(settings: Settings, answer: bytes) -> None:
    with pytest.raises(FalUnreachable):
        fetched(settings, sends(answer))


# How much


def test_a_file_without_a_length_is_read_to_its_end(settings: Settings) -> None:
    assert fetched(settings, says(b"a picture", "X: y")) == b"a picture"


def test_a_file_in_chunks_is_put_together(settings: Settings) -> None:
    script = says(b"2\r\na \r\n7\r\npicture\r\n0\r\n\r\n", "Transfer-Encoding: chunked")

    assert fetched(settings, script) == b"a picture"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x", "GZIP", ""])
def test_what_is_packed_is_refused(settings: Settings, encoding: str) -> None:
    script = says(BOMB, f"Content-Encoding: {encoding}", f"Content-Length: {len(BOMB)}")

    assert refusal(settings, script) == "encoding"


def test_a_second_encoding_counts_too(settings: Settings) -> None:
    script = says(b"", "Content-Encoding: identity", "content-encoding: gzip")

    assert refusal(settings, script) == "encoding"


def test_a_packed_file_that_does_not_say_so_is_not_unpacked(settings: Settings) -> None:
    script = says(BOMB, "Content-Encoding: identity", f"Content-Length: {len(BOMB)}")

    assert fetched(settings, script) == BOMB


def test_a_file_may_have_25_megabytes(settings: Settings) -> None:
    whole = bytes(MAX_RESULT_BYTES)

    assert fetched(settings, says(whole)) == whole
    assert fetched(settings, says(whole, "X: y")) == whole
    assert refusal(settings, says(whole + b"x", "X: y")) == "size"


class Flood:
    """Megabytes, five thousand of them if somebody takes them all."""

    def __init__(self) -> None:
        self.sent_bytes = 0

    def __iter__(self) -> "Flood":
        return self

    def __next__(self) -> bytes:
        if self.sent_bytes >= 5000 * len(CHUNK):
            raise StopIteration
        self.sent_bytes += len(CHUNK)
        return CHUNK


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("declared", [MAX_RESULT_BYTES + 1, 5 * 2**30, 10**19])
def test_a_file_that_is_declared_too_large_is_not_begun(settings: Settings, declared: int) -> None:
    flood = Flood()
    script = then(HEAD + f"Content-Length: {declared}\r\n\r\n".encode(), flood)

    assert refusal(settings, script) == "size"
    assert flood.sent_bytes < 8 * len(CHUNK)


def test_a_file_larger_than_declared_is_read_as_far_as_declared(settings: Settings) -> None:
    flood = Flood()

    picture = fetched(settings, then(HEAD + b"Content-Length: 9\r\n\r\na picture", flood))

    assert picture == b"a picture"
    assert flood.sent_bytes < 8 * len(CHUNK)


def test_a_file_without_end_is_cut_off(settings: Settings) -> None:
    flood = Flood()

    assert refusal(settings, then(HEAD + b"\r\n", flood)) == "size"
    assert flood.sent_bytes < 2 * MAX_RESULT_BYTES


def test_chunks_without_end_are_cut_off(settings: Settings) -> None:
    flood = Flood()
    chunks = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in flood)

    assert refusal(settings, then(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunks)) == "size"
    assert flood.sent_bytes < 2 * MAX_RESULT_BYTES


@pytest.mark.parametrize("declared", [10, MAX_RESULT_BYTES])
def test_a_file_shorter_than_declared_may_become_whole(settings: Settings, declared: int) -> None:
    with pytest.raises(FalUnreachable, match="RemoteProtocolError"):
        fetched(settings, says(b"a picture", f"Content-Length: {declared}"))


def test_chunks_without_their_end_may_become_whole(settings: Settings) -> None:
    with pytest.raises(FalUnreachable, match="RemoteProtocolError"):
        fetched(settings, says(b"9\r\na picture\r\n", "Transfer-Encoding: chunked"))


# How long


def patient(**limits: float) -> Patience:
    return Patience(**{**vars(ENDLESS), **limits})


def test_a_name_that_is_never_found_is_given_up(settings: Settings) -> None:
    async def never(_: str, __: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    media = Media(settings, look_up=never, patience=patient(connect_s=0.02))
    with pytest.raises(FalUnreachable, match="TimeoutError"):
        asyncio.run(media.download(f"http://{HOST}/x.png"))


def test_tls_that_is_never_spoken_is_given_up(production: Settings) -> None:
    async def main() -> None:
        async with serving(hangs) as server:
            media = Media(
                production,
                look_up=Dns([PUBLIC]),
                network=Internet(server.port),
                patience=patient(connect_s=0.1),
            )
            with pytest.raises(FalUnreachable, match="TimeoutError"):
                await media.download(URL)
        assert server.connections == 1

    asyncio.run(main())


PIECES = {
    "nothing": itertools.repeat(b""),
    "headers": (b"X-%d: x\r\n" % number for number in itertools.count()),
    "interim answers": itertools.repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@pytest.mark.parametrize("pieces", PIECES)
def test_an_answer_that_never_begins_is_given_up(settings: Settings, pieces: str) -> None:
    first = HEAD if pieces == "headers" else b""
    script = then(first, PIECES[pieces], every_s=0.01)

    with pytest.raises(FalUnreachable, match="TimeoutError"):
        fetched(settings, script, patience=patient(first_byte_s=0.1))


@pytest.mark.parametrize("piece", [b"", b"x"], ids=["stalls", "drips"])
@pytest.mark.parametrize("head", [b"\r\n", b"Content-Length: 1000000\r\n\r\n"])
def test_a_file_that_comes_too_slowly_is_given_up(
    settings: Settings, head: bytes, piece: bytes
) -> None:
    script = then(HEAD + head, itertools.repeat(piece), every_s=0.01)

    with pytest.raises(FalUnreachable, match="TimeoutError"):
        fetched(settings, script, patience=patient(grace_s=0.1, slowest_bytes_s=32 * 1024))


def test_a_fast_beginning_buys_time_but_not_for_ever(settings: Settings) -> None:
    """At 10 MB a second a megabyte is worth a tenth of one."""
    script = then(HEAD + b"\r\n" + CHUNK, itertools.repeat(b"x"), every_s=0.01)

    with pytest.raises(FalUnreachable, match="TimeoutError"):
        fetched(settings, script, patience=patient(grace_s=0, slowest_bytes_s=10 * 2**20))


def test_a_file_that_is_fast_enough_may_take_longer_than_its_first_seconds(
    settings: Settings,
) -> None:
    script = then(HEAD + b"\r\n" + CHUNK, [b"x"] * 20, every_s=0.01)

    picture = fetched(settings, script, patience=patient(grace_s=0.05, slowest_bytes_s=1024))

    assert picture == CHUNK + b"x" * 20


def test_within_its_first_seconds_a_file_may_be_slow(settings: Settings) -> None:
    script = then(HEAD + b"\r\n", [b"x"] * 5, every_s=0.01)

    assert fetched(settings, script, patience=patient(slowest_bytes_s=2**40)) == b"xxxxx"


def test_a_steady_file_has_its_time_as_well(settings: Settings) -> None:
    script = then(HEAD + b"\r\n", itertools.repeat(b"x" * 1000), every_s=0.01)

    with pytest.raises(FalUnreachable, match="TimeoutError"):
        fetched(settings, script, patience=patient(total_s=0.2))


def test_a_cancelled_download_hangs_up(settings: Settings) -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def script(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            task.cancel()
            await reader.read(1)
            ended.set()

        async with serving(script) as server, asyncio.TaskGroup() as tasks:
            url = f"http://{HERE}:{server.port}/x.png"
            task = tasks.create_task(Media(settings, patience=ENDLESS).download(url))
            await ended.wait()
        assert task.cancelled()

    asyncio.run(main())
