"""One thing to upload, and what must become of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Fate = Literal["accepted", "refused", "either"]
Cases = Iterator["Case"]

BOUNDARY = "madar-hostile-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request's body and its content type. `either`: no 5xx, whatever else it may be."""

    family: str
    name: str
    body: bytes
    fate: Fate
    content_type: str = FORM

    @property
    def title(self) -> str:
        return f"{self.family}: {self.name}"


def file_case(
    family: str,
    name: str,
    picture: bytes,
    *,
    fate: Fate,
    filename: str = "picture.png",
    media_type: str = "image/png",
) -> Case:
    """The picture in the field where it belongs."""
    return Case(family=family, name=name, body=form(part(picture, filename, media_type)), fate=fate)


def part(
    content: bytes,
    filename: str | None = "picture.png",
    media_type: str = "image/png",
    *,
    field: str = "image",
) -> bytes:
    named = "" if filename is None else f'; filename="{filename}"'
    head = f'Content-Disposition: form-data; name="{field}"{named}\r\n'
    return f"{head}Content-Type: {media_type}\r\n\r\n".encode() + content + b"\r\n"


def form(*parts: bytes, boundary: str = BOUNDARY, is_closed: bool = True) -> bytes:
    opened = b"".join(f"--{boundary}\r\n".encode() + one for one in parts)
    return opened + (f"--{boundary}--\r\n".encode() if is_closed else b"")
