"""The simulator's CDN: result files in one folder, each with its hidden transparent twin."""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

_SUFFIXES = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}


class FileStore:
    """Writes are whole or absent: a file appears under its name only when it is complete."""

    def __init__(self, folder: Path, public_url: str) -> None:
        self._folder = folder
        self._public_url = public_url
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, content: bytes, content_type: str, *, twin: bytes | None = None) -> str:
        """Keep a picture and, beside it, the same picture cut out; returns the file's name."""
        name = f"{secrets.token_urlsafe(16)}.{_SUFFIXES[content_type]}"
        if twin is not None:
            self._write(_twin_of(name), twin)
        self._write(name, content)
        return name

    def url_of(self, name: str) -> str:
        return f"{self._public_url}/files/{name}"

    def name_in(self, url: str) -> str | None:
        """Give the name a URL of this store would have.

        Names are unguessable, so the host may differ: the simulator is often reached as
        `localhost` and as `127.0.0.1`.
        """
        path = urlsplit(url).path
        return path.removeprefix("/files/") if path.startswith("/files/") else None

    def path_of(self, name: str) -> Path:
        return self._folder / name

    def read(self, name: str) -> bytes:
        return self.path_of(name).read_bytes()

    def read_twin(self, name: str) -> bytes | None:
        path = self._folder / _twin_of(name)
        return path.read_bytes() if path.exists() else None

    def delete(self, name: str) -> None:
        for path in (self.path_of(name), self._folder / _twin_of(name)):
            path.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        unfinished = self._folder / f"{name}.part"
        unfinished.write_bytes(content)
        unfinished.replace(self._folder / name)


def _twin_of(name: str) -> str:
    return f"{name}.twin"
