"""The file: a plain tar, written and read as a stream, that shows by itself whether it is whole.

    manifest.json      who wrote it and when, which migrations, which tables and columns
    rows/<table>.0001  COPY's text format, cut into parts between two rows
    objects/<key>      as they lie in storage
    missing.0001       objects that rows name and that were not there any more, and why
    SHA256SUMS.0001    of every member since the sums before, for `sha256sum -c`
    summary.json       what there is of everything, and the SHA-256 of every byte before its header

Whatever the whole is as large as, no more of it is in memory than one member and the sums since
the last ones. The tar module's own reader and writer would keep a note of every member.
"""

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

MANIFEST, SUMMARY, SUMS, MISSING = "manifest.json", "summary.json", "SHA256SUMS", "missing"
ROWS, OBJECTS = "rows/", "objects/"
PART_BYTES = 8 * 2**20
MAX_MEMBER_BYTES = 256 * 2**20  # a row or a picture is far smaller; a damaged size may be anything
_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)

Json = dict[str, Any]


class Damaged(Exception):
    """The file is not what was written; the message says what of it."""


@dataclass(frozen=True, kw_only=True)
class Member:
    name: str
    content: bytes


class Writer:
    """`written` counts bytes."""

    def __init__(self, file: BinaryIO, *, mtime: int) -> None:
        self._file = file
        self._mtime = mtime
        self._whole = hashlib.sha256()
        self._sums = Parts(self._put, SUMS)
        self.written = 0

    def add(self, name: str, content: bytes) -> None:
        self._put(name, content)
        self._sums.add(_sum_line(name, content))

    def close(self, summary: Json) -> str:
        """Answers the SHA-256 of all that stands before the summary."""
        self._sums.flush()
        whole = self._whole.hexdigest()
        self._put(SUMMARY, as_json({**summary, "sha256": whole}))
        self._write(_END)
        return whole

    def _put(self, name: str, content: bytes) -> None:
        assert len(content) <= MAX_MEMBER_BYTES, name
        header = tarfile.TarInfo(name)
        header.size, header.mode, header.mtime = len(content), 0o600, self._mtime
        self._write(header.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
        self._write(content)
        self._write(bytes(-len(content) % _BLOCK))

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._whole.update(content)
        self.written += len(content)


class Parts:
    """Lines that become members of about PART_BYTES each."""

    def __init__(self, add: Callable[[str, bytes], None], name: str) -> None:
        self._add = add
        self._name = name
        self._number = 0
        self._waiting = bytearray()

    def add(self, line: bytes) -> None:
        self._waiting += line
        if len(self._waiting) >= PART_BYTES:
            self.flush()

    def flush(self) -> None:
        """What waits becomes the last part; of nothing there is none."""
        if self._waiting:
            self._number += 1
            self._add(f"{self._name}.{self._number:04}", bytes(self._waiting))
            self._waiting.clear()


class Reader:
    """Reads from where the file stands; `summary` is there after the last member."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._whole = hashlib.sha256()
        self._sums = bytearray()
        self.summary: Json = {}
        self.position = 0

    def members(self) -> Iterator[Member]:
        """All but sums and summary. Raises Damaged, for a member as late as with its sums."""
        while True:
            whole = self._whole.hexdigest()
            name, content = self._next()
            if name == SUMMARY:
                return self._finish(content, whole)
            if name.startswith(f"{SUMS}."):
                self._compare(name, content)
            else:
                self._sums += _sum_line(name, content)
                yield Member(name=name, content=content)

    def _next(self) -> tuple[str, bytes]:
        try:
            header = tarfile.TarInfo.frombuf(self._read(_BLOCK), "ascii", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise Damaged(f"it is unreadable from byte {self.position - _BLOCK:,} on") from error
        if not header.isreg() or header.size > MAX_MEMBER_BYTES:
            raise Damaged(f"there is something at byte {self.position:,} that no backup holds")
        content = self._read(header.size)
        if any(self._read(-header.size % _BLOCK)):
            raise Damaged(f"there is something behind {header.name} that no backup holds")
        return header.name, content

    def _read(self, size: int) -> bytes:
        content = self._file.read(size)
        if len(content) < size:
            raise Damaged(f"it ends in the middle, after {self.position + len(content):,} bytes")
        self._whole.update(content)
        self.position += size
        return content

    def _compare(self, name: str, told: bytes) -> None:
        found = bytes(self._sums)
        if told != found:
            pairs = zip(told.splitlines(), found.splitlines(), strict=False)
            altered = [ours.decode() for theirs, ours in pairs if theirs != ours]
            what = altered[0].partition("  ")[2] if altered else name
            raise Damaged(f"{what} was altered")
        self._sums.clear()

    def _finish(self, content: bytes, whole: str) -> None:
        if self._sums:
            raise Damaged("the sums of its last members are missing")
        self.summary = parsed(content, SUMMARY)
        self.summary.pop("sha256", None)
        if content != as_json({**self.summary, "sha256": whole}):
            raise Damaged(f"its parts are sound, but together not what {SUMMARY} tells")
        rest = self._file.read(len(_END))
        if rest != _END:
            raise Damaged("its end is missing")
        while rest := self._file.read(PART_BYTES):  # some tools fill up with zeros
            if any(rest):
                raise Damaged("there is something behind its end")


def parsed(content: bytes, name: str) -> Json:
    try:
        found: object = json.loads(content)
    except ValueError as error:
        raise Damaged(f"{name} is not JSON") from error
    if not isinstance(found, dict):
        raise Damaged(f"{name} is not what a backup holds")
    return found  # pyright: ignore[reportUnknownVariableType] - whatever it holds is looked at


def as_json(content: Json) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"


def _sum_line(name: str, content: bytes) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()
