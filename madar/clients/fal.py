"""Fal: submit once, ask, fetch the answer, cancel, and look an unclear submission up.

`fal-client` does the talking. Two of its habits are switched off here, in one place: it repeats
a POST up to ten times, and it follows the addresses in Fal's answers. Facts about both:
fal-client 1.0.3, client.py, `_async_maybe_retry_request` and `AsyncRequestHandle`.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import fal_client
import fal_client.client
import httpx
from asyncstdlib import cached_property

from madar.clients.tls import tls_context
from madar.domain.answers import dig, text_at
from madar.domain.failures import ProviderFailure, failure_of
from madar.settings import Settings

log = logging.getLogger(__name__)

START_TIMEOUT_S = 300  # how long a request may wait in Fal's queue; then it ends by itself
SUBMIT_TIMEOUT_S = 15
ASK_TIMEOUT_S = 10
HISTORY_PAGES = 10
LOOK_BACK = timedelta(seconds=10)  # clocks differ a little
LOOK_AHEAD = timedelta(seconds=120)  # a request is sent at most seconds after it was marked sent
MAX_POSITION = 2**31 - 1

# What an answer of another shape than promised raises inside fal-client.
_MALFORMED = (KeyError, ValueError, TypeError, AttributeError, RecursionError)
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,255}")

fal_client.client.MAX_ATTEMPTS = 1


class NotSent(Exception):
    """Nothing left this machine, or Fal said to come again: it may be sent again later."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class KeyRefused(NotSent):
    """Our key or balance is refused (401, 403): everybody waits, the operator is called."""


class SubmissionUnclear(Exception):
    """Fal may have it or not; look it up, never repeat it."""


class SubmissionRejected(Exception):
    """Fal refused this request for good."""

    def __init__(self, failure: ProviderFailure) -> None:
        super().__init__(failure.error_type)
        self.failure = failure


class FalUnreachable(Exception):
    """A question got no usable answer; ask again later."""


class RemovalRefused(Exception):
    """Our key may not remove what Fal keeps: that takes one of admin scope."""


class RequestGone(Exception):
    """Fal does not know this request (any more)."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """In Fal's queue; `position` is the number of requests ahead, where Fal says it."""

    position: int | None


@dataclass(frozen=True, kw_only=True)
class Running:
    log_lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Finished, well or badly: only the result tells."""


@dataclass(frozen=True, kw_only=True)
class Sightings:
    """Request ids, newest first: with the arguments asked for, and with none that could be read.

    Fal shows no input of a request whose copies were removed.
    """

    carrying: list[str]
    without_input: list[str]


class _Transport(httpx.AsyncHTTPTransport):
    """Sends what fal-client addresses to Fal's queue to the configured host instead."""

    def __init__(self, queue_url: str) -> None:
        super().__init__(verify=tls_context())
        self._queue = httpx.URL(queue_url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        target = self._queue
        request.url = request.url.copy_with(
            scheme=target.scheme, host=target.host, port=target.port
        )
        request.headers["host"] = request.url.netloc.decode()
        return await super().handle_async_request(request)


class _Client(fal_client.AsyncClient):
    http: httpx.AsyncClient

    @cached_property(asyncio.Lock)
    async def _client(self) -> httpx.AsyncClient:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.http


class Fal:
    """One per process and event loop."""

    def __init__(
        self, settings: Settings, queue: httpx.AsyncClient, web: httpx.AsyncClient
    ) -> None:
        self._settings = settings
        self._key = str(settings.fal_api_key)
        self._client = _Client(key=self._key, default_timeout=SUBMIT_TIMEOUT_S)
        self._client.http = queue
        self._web = web

    async def submit(self, *, endpoint: str, arguments: Mapping[str, Any], webhook_url: str) -> str:
        """Exactly one POST; answers Fal's request id.

        Raises NotSent, KeyRefused, SubmissionRejected or SubmissionUnclear.
        """
        try:
            async with asyncio.timeout(SUBMIT_TIMEOUT_S):
                handle = await self._client.submit(
                    endpoint,
                    dict(arguments),
                    webhook_url=webhook_url,
                    start_timeout=START_TIMEOUT_S,
                )
        except fal_client.client.FalClientHTTPError as error:
            raise _refusal(error) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(type(error).__name__) from error
        except (httpx.HTTPError, OSError, *_MALFORMED) as error:
            # An OSError here is TLS breaking after the request went out: Fal may have read it.
            raise SubmissionUnclear(type(error).__name__) from error
        request_id = str(handle.request_id)
        if not _REQUEST_ID.fullmatch(request_id):
            raise SubmissionUnclear("no request id")
        return request_id

    async def ask(self, *, endpoint: str, request_id: str) -> Waiting | Running | Ended:
        """Raises FalUnreachable or RequestGone."""
        handle = await self._client.get_handle(endpoint, request_id)
        async with _answers():
            status = await handle.status(with_logs=True)
        if isinstance(status, fal_client.Queued):
            return Waiting(position=_position(status.position))
        if isinstance(status, fal_client.InProgress):
            logs: object = status.logs
            lines = cast("list[object]", logs) if isinstance(logs, list) else []
            return Running(log_lines=tuple(text_at(line, "message") or "" for line in lines))
        return Ended()

    async def fetch_result(self, *, endpoint: str, request_id: str) -> dict[str, Any]:
        """What the model answered; to be called when the request has ended.

        Raises FalUnreachable, RequestGone, or SubmissionRejected with the model's refusal.
        """
        handle = await self._client.get_handle(endpoint, request_id)
        try:
            async with _answers():
                return await handle.get()
        except fal_client.client.FalClientHTTPError as error:
            raise SubmissionRejected(_failure(error)) from error

    async def cancel(self, *, endpoint: str, request_id: str) -> None:
        """Best effort: too late, or unknown, is fine."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                await self._client.cancel(endpoint, request_id)
        except (fal_client.client.FalClientError, httpx.HTTPError, OSError) as error:
            log.info("fal.cancel_failed", extra={"fal_request_id": request_id, "why": str(error)})

    async def withdraw(self, *, endpoint: str, request_id: str) -> None:
        """Cancel it, certainly told; that it has ended or never was is fine too.

        Raises FalUnreachable.
        """
        try:
            async with _answers():
                await self._client.cancel(endpoint, request_id)
        except RequestGone:
            return
        except fal_client.client.FalClientHTTPError as error:
            if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise FalUnreachable(f"answered {error.status_code}") from error

    async def remove_copies(self, *, request_id: str) -> None:
        """What went in and came out, and the files it made; gone already is fine.

        Only once the request has ended. Fal demands a key of admin scope for it
        (fal.ai/docs/platform-apis/v1/models/requests/payloads). Raises FalUnreachable,
        RemovalRefused.
        """
        response = await self._call(
            "DELETE", f"/v1/models/requests/{quote(request_id, safe='')}/payloads"
        )
        if response.status_code in (404, 410):
            return
        if response.status_code in (401, 403):
            raise RemovalRefused(f"answered {response.status_code}")
        if not response.is_success:
            raise FalUnreachable(f"answered {response.status_code}")
        results: object = dig(_body(response), "cdn_delete_results")
        files = cast("list[object]", results) if isinstance(results, list) else []
        if any(dig(file, "exception") for file in files):
            raise FalUnreachable("some files stay")

    async def look_up(
        self,
        *,
        endpoint: str,
        arguments: dict[str, Any],
        sent_at: datetime,
        sent_until: datetime | None = None,
        key_of: Callable[[str], str | None] = lambda _: None,
    ) -> Sightings:
        """The requests in Fal's history that may be the one with these arguments.

        The seed and the prompt are among them; what Fal added does not matter. Two links to a
        picture are the same where `key_of` has the same key for both. That it is not there is
        taken as proof, so a history that cannot be read to its end raises FalUnreachable.
        """
        items = await self._list_history(endpoint, sent_at, sent_until or sent_at)
        return Sightings(
            carrying=_ids_of(item for item in items if _carries(item, arguments, key_of)),
            without_input=_ids_of(item for item in items if dig(item, "json_input") is None),
        )

    async def _list_history(
        self, endpoint: str, sent_at: datetime, sent_until: datetime
    ) -> list[object]:
        query: dict[str, str | int] = {
            "endpoint_id": endpoint,
            "start": (sent_at - LOOK_BACK).isoformat(),
            "end": (sent_until + LOOK_AHEAD).isoformat(),
            "expand": "payloads",
            "limit": 100,
        }
        items: list[object] = []
        for _ in range(HISTORY_PAGES):
            page = await self._history(query)
            listed: object = dig(page, "items")
            if not isinstance(listed, list):
                raise FalUnreachable("the history has no items")
            items += cast("list[object]", listed)
            cursor = text_at(page, "next_cursor")
            if not cursor:
                return items
            query["cursor"] = cursor
        raise FalUnreachable("the history is too long to read")

    async def recall_result(self, *, endpoint: str, request_id: str) -> dict[str, Any]:
        """What Fal's history says the model answered, when the queue has forgotten the request.

        Raises FalUnreachable or RequestGone.
        """
        query = {"endpoint_id": endpoint, "request_id": request_id, "expand": "payloads"}
        answer = dig(await self._history(query), "items", 0, "json_output")
        if not isinstance(answer, dict):
            raise RequestGone
        return cast("dict[str, Any]", answer)

    async def _history(self, query: Mapping[str, str | int]) -> object:
        response = await self._call("GET", "/v1/models/requests/by-endpoint", query)
        if not response.is_success:
            raise FalUnreachable(f"answered {response.status_code}")
        return _body(response)

    async def _call(
        self, method: str, path: str, query: Mapping[str, str | int] | None = None
    ) -> httpx.Response:
        """One call of Fal's platform API, whatever it answers."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                return await self._web.request(
                    method,
                    f"{self._settings.fal_api_url}{path}",
                    params=dict(query or {}),
                    headers={"Authorization": f"Key {self._key}"},
                )
        except (httpx.HTTPError, OSError) as error:
            raise FalUnreachable(type(error).__name__) from error


@asynccontextmanager
async def open_fal(settings: Settings) -> AsyncGenerator[Fal]:
    timeout = httpx.Timeout(SUBMIT_TIMEOUT_S, connect=3)
    transport = _Transport(settings.fal_queue_url)
    headers = {"Authorization": f"Key {settings.fal_api_key}"}
    async with (
        httpx.AsyncClient(transport=transport, headers=headers, timeout=timeout) as queue,
        httpx.AsyncClient(timeout=timeout, verify=tls_context()) as web,
    ):
        yield Fal(settings, queue, web)


@asynccontextmanager
async def _answers() -> AsyncGenerator[None]:
    """Sort what can go wrong with a question; a model's own refusal (4xx) passes through."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            yield
    except fal_client.client.FalClientHTTPError as error:
        if error.status_code in (404, 410):
            raise RequestGone from error
        if error.status_code in (401, 403, 408, 425, 429):
            raise FalUnreachable(f"answered {error.status_code}") from error
        if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and not _failure(error).is_named:
            raise FalUnreachable(f"answered {error.status_code}") from error
        raise
    except (httpx.HTTPError, OSError, *_MALFORMED) as error:
        raise FalUnreachable(type(error).__name__) from error


def _position(written: object) -> int | None:
    if isinstance(written, bool) or not isinstance(written, int):
        return None
    return written if 0 <= written <= MAX_POSITION else None


def _body(response: httpx.Response) -> object:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _carries(
    item: object, arguments: Mapping[str, Any], key_of: Callable[[str], str | None]
) -> bool:
    def is_same(told: object, value: object) -> bool:
        if isinstance(told, str) and isinstance(value, str) and (key := key_of(value)):
            return key_of(told) == key
        return told == value

    return all(is_same(dig(item, "json_input", name), value) for name, value in arguments.items())


def _ids_of(items: Iterable[object]) -> list[str]:
    """Raises FalUnreachable when one has no usable id."""
    ids = [text_at(item, "request_id") or "" for item in items]
    if not all(_REQUEST_ID.fullmatch(request_id) for request_id in ids):
        raise FalUnreachable("the history has an unreadable id")
    return ids


def _refusal(error: fal_client.client.FalClientHTTPError) -> Exception:
    """What a refused submission means (reliability table B0.4)."""
    status = error.status_code
    if status in (401, 403):
        return KeyRefused(f"answered {status}")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = error.response_headers.get("retry-after", "")
        is_seconds = wait.isascii() and wait.isdigit() and len(wait) < 6  # noqa: PLR2004
        return NotSent("answered 429", retry_after_s=float(wait) if is_seconds else None)
    if status in (400, 404, 422):
        return SubmissionRejected(_failure(error))
    return SubmissionUnclear(f"answered {status}")


def _failure(error: fal_client.client.FalClientHTTPError) -> ProviderFailure:
    return failure_of(error.status_code, _body(error.response), error.error_type)
