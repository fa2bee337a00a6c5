"""How large and how slow the head of a request may be; uvicorn would take and await any.

What is complete and too large is refused in words (bounds.py). This is for what never ends: a
line, a list of headers, or what may stand between and behind the chunks of a body.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from madar.realtime.live import Live

MAX_BARE_BYTES = 256 * 1024  # of one request, without its body
MAX_UNREAD_BYTES = 256 * 1024  # of pongs and what else one socket was sent
FLUSH_WITHIN_S = 2  # for the last words of a socket


class Connection(HttpToolsProtocol):
    """uvicorn's, with a limit for a head, and with keep-alive as the time in which one comes."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._bare_bytes = 0
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._bare_bytes += len(data)
        super().data_received(data)
        if self not in self.connections:  # it is a socket now
            self._stop_waiting()
            self._end_socket_without_handshake()
            self.parser = None  # pyright: ignore[reportAttributeAccessIssue]  # which knows this
        elif self._bare_bytes > MAX_BARE_BYTES:
            self.transport.close()
        elif self.cycle is None or self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        self.scope["madar.transport"] = self.transport  # pyright: ignore[reportGeneralTypeIssues]
        self._stop_waiting()
        super().on_headers_complete()
        live: Live = self.app_state["live"]
        if live.is_leaving:
            self.let_go()

    def on_body(self, body: bytes) -> None:
        self._bare_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._bare_bytes = 0
        self._stop_waiting()

    def let_go(self) -> None:
        """Says `Connection: close` with what is being answered, and closes after it.

        Only so does who keeps connections learn of the end before a request gets lost in it.
        """
        if self.cycle and not self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]
            self.cycle.keep_alive = False

    def _wait_for_head(self) -> None:
        """More of it gives it no more time, else a byte now and then would be enough."""
        if self._waiting is None:
            self._waiting = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None

    def _end_socket_without_handshake(self) -> None:
        """One that `websockets` finds too large or odd to answer, and uvicorn then forgets."""
        protocol: Any = self.transport.get_protocol()
        if not protocol.handshake_initiated:
            self.transport.close()


class Socket(WebSocketsSansIOProtocol):
    """uvicorn's, but who never reads is cut off: what it was sent would wait here for ever."""

    _lost_by: Exception | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is sent or read from here on; who serves it hears of it in its turn.

        Ten thousand may be lost in one round of the loop, so each does only what cannot wait.
        """
        self._lost_by = exc
        if not self.handshake_complete:
            self._depart()
            return
        self.disconnected, self.read_paused = True, False
        live: Live = self.app_state["live"]
        live.exit.pass_through(self._depart)

    def _depart(self) -> None:
        super().connection_lost(self._lost_by)
        self._lost_by = None
        self.conn.parser.close()  # which knows `conn`: a circle would have to be collected

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if self.transport.get_write_buffer_size():
            self.loop.call_later(FLUSH_WITHIN_S, self.transport.abort)

    def shutdown(self) -> None:
        """Who does not even take the goodbye would hold up the end of the process."""
        if self.disconnected:
            return  # and is on the way out
        super().shutdown()
        self.loop.call_later(FLUSH_WITHIN_S, self.transport.abort)
