"""GET /api/generations/{id}/events: one generation as server-sent events (HTML standard, 9.2)."""

import asyncio
import random
from asyncio import Transport
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from madar.api import events
from madar.api.operations import operation
from madar.api.request import LastEventId, State, WireModel, language_of
from madar.db.sessions import Viewer
from madar.errors import Forbidden, MadarError, MalformedRequest, Unauthenticated
from madar.realtime.endings import FORBIDDEN, NOT_SIGNED_IN, Ending
from madar.realtime.follower import Follower, following
from madar.realtime.messages import Message

TAG = "live"
EVENT_STREAM = "text/event-stream"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep the events until it has a page of them
    "Connection": "close",  # it is the stream: it ends with it, read or not
}
COMMENT, COMMENT_EVERY_S = ": still here\n\n", 15  # proxies cut what is silent for a minute
MAX_UNREAD_BYTES = 64 * 1024  # of one stream in our memory; more waits until some of it is read
WRITE_WITHIN_S = 10
FLUSH_WITHIN_S = 2  # what is left at the end; a drain waits for it
RETRY_MS = (1000, 3000)
# The other endings say nothing: coming again is all there is to do, and browsers do so.
LAST_WORDS: Mapping[Ending, MadarError] = {
    NOT_SIGNED_IN: Unauthenticated(),
    FORBIDDEN: Forbidden("account_closed"),
}


def written(message: Message) -> str:
    """As one event; `id` is what comes back as `Last-Event-ID`, so only what has a version has it.

    JSON as we write it has no line breaks.
    """
    named = f"id: {message.version}\n" if message.generation_id and message.version else ""
    return f"{named}event: {message.type}\ndata: {message.text}\n\n"


def _example(model: type[WireModel]) -> str:
    told: Any = model.model_config.get("json_schema_extra")
    fields = told["examples"][0]
    return written(
        Message(
            type=fields["type"],
            body={name: value for name, value in fields.items() if name != "type"},
            generation_id=UUID(fields["generationId"]),
            version=fields["version"],
        )
    )


EXAMPLE = "retry: 1871\n\n" + "".join(map(_example, (events.Joined, events.Completed)))


@operation(
    "Follow one generation",
    tag=TAG,
    answers={200: EVENT_STREAM, 204: None},
    problems=("too_many_sockets",),
    example=EXAMPLE,
)
async def get_events(
    request: Request[State], viewer: Viewer, id: UUID, seen: LastEventId
) -> Response:
    """Server-sent events for `EventSource`: `joined` with a snapshot, then news as they happen.

    `data` is the message of that type in `docs/contract/events.schema.json`, `id` its version.
    After `generation:completed`, `generation:failed` or `generation:deleted` the stream ends, and
    whoever comes back with that version is answered 204. It counts as one of ten sockets.
    """
    request.state["entrance"].admit()
    async with AsyncExitStack() as held:
        connected = following(request.state["live"], viewer, language_of(request))
        follower = await held.enter_async_context(connected)
        joined = await follower.join(id)
        is_known = seen == joined.version
        if is_known and joined.is_final:
            return Response(status_code=204, headers={"Cache-Control": "no-store"})
        first = None if is_known else joined
        return EventStream(follower, first, held.pop_all())


class EventStream(Response):
    """Holds the follower until the stream has ended, by whichever side."""

    media_type = EVENT_STREAM

    def __init__(self, follower: Follower, first: Message | None, held: AsyncExitStack) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)
        self._follower = follower
        self._first = first
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["madar.is_stream"] = True
        line = _Line(scope, send)
        async with self._held:
            await line.begin(self.status_code, self.raw_headers)
            if scope["method"] != "HEAD":
                await self._follow(line, receive)
        await line.end()

    async def _follow(self, line: "_Line", receive: Receive) -> None:
        async with asyncio.TaskGroup() as tasks:
            parts = [
                tasks.create_task(part)
                for part in (self._tell(line), _give_signs(line), _until_gone(receive))
            ]
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in parts:
                part.cancel()

    async def _tell(self, line: "_Line") -> None:
        """Until there is nothing more to tell."""
        told = self._first
        await line.write(f"retry: {random.randint(*RETRY_MS)}\n\n")  # noqa: S311
        while True:
            if told:
                await line.write(written(told))
                if told.is_final:
                    return
            news = await self._follower.next()
            if isinstance(news, Ending):
                if error := LAST_WORDS.get(news):
                    await line.write(written(self._follower.refusal(error, None)))
                return
            told = news


class _Line:
    """The answer's bytes; a reader that takes none for a while is cut off."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._transport: Transport = scope["madar.transport"]
        if not self._transport.is_closing():  # the client may be gone already
            self._transport.set_write_buffer_limits(MAX_UNREAD_BYTES)

    async def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, text: str, *, is_last: bool = False) -> None:
        """Waits while too much is unread."""
        message = {"type": "http.response.body", "body": text.encode(), "more_body": not is_last}
        try:
            async with asyncio.timeout(WRITE_WITHIN_S):
                await self._send(message)
        except TimeoutError:
            self._transport.abort()

    async def end(self) -> None:
        """The server waits for what is unread, for ever, before it lets a connection go."""
        await self.write("", is_last=True)
        if self._transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(FLUSH_WITHIN_S, self._transport.abort)


async def _give_signs(line: _Line) -> None:
    while True:
        await asyncio.sleep(COMMENT_EVERY_S)
        await line.write(COMMENT)


async def _until_gone(receive: Receive) -> None:
    """A body is read and means nothing; one that is too large or slow ends the stream."""
    with suppress(MalformedRequest):
        while (await receive())["type"] != "http.disconnect":
            pass
