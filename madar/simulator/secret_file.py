"""Key files: readable by their owner only, and whole even when the writer is killed."""

from pathlib import Path


def write_secret(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    unfinished.replace(path)
