"""What parent and child say to each other: frames of a JSON head and a few parts of bytes.

A frame is the head's length (four bytes, big-endian), the head, then the parts whose sizes the head
names. The parent does not trust the child, whose decoder may have been taken over by a picture.

No asyncio is imported here: a child that loads it takes half as long again to start.
"""

import io
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Literal, Protocol, get_args

from madar.domain.transparency import Transparency

Task = Literal["finalize", "accept_upload"]
Reason = Literal[
    "not_an_image",
    "animated",
    "too_many_pixels",
    "too_small",
    "too_large",
    "all_black",
    "not_transparent",
    "decoder_failed",
]

# A 25 Mpx picture that does not compress is a PNG of 100 MB.
MAX_FRAME_BYTES = 128 * 2**20
_MAX_HEAD_BYTES = 4096
_MAX_PARTS = 3
_PIECE_BYTES = 2**20
_HEAD_LENGTH = struct.Struct(">I")


class Pipe(Protocol):
    """The parent's end, an asyncio.StreamReader."""

    async def read(self, n: int) -> bytes: ...
    async def readexactly(self, n: int) -> bytes: ...


class PictureRefused(Exception):
    """The picture cannot be used; `detail` is for the log."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.detail = detail


class BrokenFrame(Exception):
    """The other side does not keep to the protocol."""


@dataclass(frozen=True, kw_only=True)
class Finalized:
    master_png: bytes
    full_webp: bytes
    thumbnail_webp: bytes
    width_px: int
    height_px: int
    transparency: Transparency


@dataclass(frozen=True, kw_only=True)
class AcceptedUpload:
    png: bytes
    thumbnail_webp: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True, kw_only=True)
class Frame:
    facts: Mapping[str, Any]
    parts: Sequence[bytes] = ()

    def chunks(self) -> list[bytes]:
        """Give what goes into the pipe, without copying the parts together."""
        facts = {**self.facts, "sizes": [len(part) for part in self.parts]}
        head = json.dumps(facts).encode()
        return [_HEAD_LENGTH.pack(len(head)), head, *self.parts]


def request(task: Task, picture: bytes) -> Frame:
    return Frame(facts={"task": task}, parts=[picture])


def refusal(refused: PictureRefused) -> Frame:
    return Frame(facts={"refused": refused.reason, "detail": refused.detail[:500]})


def answer(made: Finalized | AcceptedUpload) -> Frame:
    facts: dict[str, Any] = {"width_px": made.width_px, "height_px": made.height_px}
    if isinstance(made, AcceptedUpload):
        return Frame(facts=facts, parts=[made.png, made.thumbnail_webp])
    facts["transparency"] = asdict(made.transparency)
    return Frame(facts=facts, parts=[made.master_png, made.full_webp, made.thumbnail_webp])


def read(stream: BinaryIO) -> Frame | None:
    """Read the next frame in the child; nothing once the parent is gone."""
    prefix = stream.read(_HEAD_LENGTH.size)
    if len(prefix) < _HEAD_LENGTH.size:
        return None
    facts, sizes = _head(stream.read(_head_size(prefix)))
    return Frame(facts=facts, parts=[stream.read(size) for size in sizes])


async def receive(stream: Pipe) -> Frame:
    """Read the next frame in the parent; raises EOFError when the child dies."""
    prefix = await stream.readexactly(_HEAD_LENGTH.size)
    facts, sizes = _head(await stream.readexactly(_head_size(prefix)))
    return Frame(facts=facts, parts=[await _part(stream, size) for size in sizes])


async def _part(stream: Pipe, size: int) -> bytes:
    """Hold a large part once: `readexactly` would gather it first and then copy it."""
    part = io.BytesIO()
    while missing := size - part.tell():
        piece = await stream.read(min(missing, _PIECE_BYTES))
        if not piece:
            raise EOFError(f"{missing} bytes of a part are missing")
        part.write(piece)
    # While nobody looks at its buffer, BytesIO hands over what it holds without copying it.
    return part.getvalue()


def finalized_of(frame: Frame) -> Finalized:
    """Raises PictureRefused if that is the answer, as `accepted_of` does."""
    _raise_refusal(frame)
    try:
        master_png, full_webp, thumbnail_webp = frame.parts
        measured = {name: float(value) for name, value in frame.facts["transparency"].items()}
        return Finalized(
            master_png=master_png,
            full_webp=full_webp,
            thumbnail_webp=thumbnail_webp,
            width_px=int(frame.facts["width_px"]),
            height_px=int(frame.facts["height_px"]),
            transparency=Transparency(**measured),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BrokenFrame("not a finalized picture") from error


def accepted_of(frame: Frame) -> AcceptedUpload:
    _raise_refusal(frame)
    try:
        png, thumbnail_webp = frame.parts
        return AcceptedUpload(
            png=png,
            thumbnail_webp=thumbnail_webp,
            width_px=int(frame.facts["width_px"]),
            height_px=int(frame.facts["height_px"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenFrame("not an accepted upload") from error


def _raise_refusal(frame: Frame) -> None:
    reason = frame.facts.get("refused")
    if reason is None:
        return
    if reason not in get_args(Reason):
        raise BrokenFrame("an unknown reason")
    raise PictureRefused(reason, str(frame.facts.get("detail", ""))[:500])


def _head_size(prefix: bytes) -> int:
    (size,) = _HEAD_LENGTH.unpack(prefix)
    if size > _MAX_HEAD_BYTES:
        raise BrokenFrame("a head too long")
    return size


def _head(raw: bytes) -> tuple[dict[str, Any], list[int]]:
    """Check the sizes before anything is read: a lying head must not fill the memory."""
    try:
        facts = dict(json.loads(raw))
        sizes = [int(size) for size in facts.pop("sizes")]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BrokenFrame("a head that cannot be read") from error
    if len(sizes) > _MAX_PARTS or min(sizes, default=0) < 0 or sum(sizes) > MAX_FRAME_BYTES:
        raise BrokenFrame("parts too many or too large")
    return facts, sizes
