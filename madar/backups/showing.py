"""What backup and restore tell of how far they are, to whoever shows it."""

from typing import Literal, Protocol

Stage = Literal["rows", "pictures", "checking", "migrating"]


class Report(Protocol):
    """`done` of `total` rows, pictures or (checking) bytes; `size`: bytes that went through."""

    def __call__(self, stage: Stage, *, done: int, total: int, size: int = 0) -> None: ...
