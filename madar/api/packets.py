"""The packets that a client of Socket.IO may send; the library takes any, and trips over some.

An Engine.IO packet is a digit and its data. That of a message (4) is a Socket.IO packet: a digit,
a namespace other than "/", the number under which an answer is wanted, and JSON
(github.com/socketio/engine.io-protocol and socket.io-protocol).
"""

from typing import Any

from socketio.packet import (  # pyright: ignore[reportMissingTypeStubs]
    CONNECT,
    DISCONNECT,
    EVENT,
    Packet,
)

from madar.domain.answers import text_at
from madar.realtime.follower import MAX_MESSAGE_BYTES

_MESSAGE = "4"
_OTHERS = frozenset({"1", "3"})  # close, pong; for those of an upgrade see transports.py
_MAX_BRACKETS = 32  # messages of ours have three at most
_MAX_NUMBER = 2**53
_RESERVED = frozenset({"connect", "connect_error", "disconnect"})


class Unfit(ValueError):
    """Nothing that a client would send."""


class TooLarge(Unfit):
    pass


def check(packet: str) -> None:
    """Raises Unfit, or TooLarge."""
    if len(packet.encode(errors="replace")) > MAX_MESSAGE_BYTES:
        raise TooLarge
    if packet in _OTHERS:
        return
    if not packet.startswith(_MESSAGE):
        raise Unfit
    _read(packet.removeprefix(_MESSAGE))


def wants_answer(text: str) -> bool:
    """Of a message that was checked."""
    return _read(text).id is not None


def _read(text: str) -> Any:
    """The library's own reading, with whatever it raises."""
    if not text or text.count("[") + text.count("{") > _MAX_BRACKETS:
        raise Unfit
    try:
        message: Any = Packet(encoded_packet=text)
    except (ValueError, IndexError) as error:
        raise Unfit from error
    fits = _FITS.get(message.packet_type)
    if fits is None or not fits(message):
        raise Unfit
    return message


def _is_connect(message: Any) -> bool:
    return message.id is None and (message.data is None or isinstance(message.data, dict))


def _is_disconnect(message: Any) -> bool:
    return message.id is None and message.data is None and _is_ours(message)


def _is_event(message: Any) -> bool:
    """A name and what goes with it; the library would take reserved names for its own."""
    name = text_at(message.data, 0)
    if not name or name in _RESERVED:
        return False
    return (message.id or 0) < _MAX_NUMBER and _is_ours(message)


def _is_ours(message: Any) -> bool:
    return message.namespace in {None, "/"}


_FITS = {CONNECT: _is_connect, DISCONNECT: _is_disconnect, EVENT: _is_event}
