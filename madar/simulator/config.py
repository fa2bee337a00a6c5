"""What a simulator is told when it starts; it reads nothing else from its surroundings."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JsonObject = dict[str, Any]

# Tests run many requests at once; with "no waiting at all" time-based things still need some unit.
_FULL_SPEED = 50.0


@dataclass(frozen=True, kw_only=True)
class GoogleClient:
    """The one program that may sign people in here."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SimulatorConfig:
    """`speed` 1 is Fal's pace, 10 ten times faster, 0 waits for nothing."""

    directory: Path
    public_url: str
    speed: float = 1.0
    faults: frozenset[str] = frozenset()
    concurrency: int = 2
    max_side_px: int = 2048
    drawing_processes: int = os.cpu_count() or 1
    webhook_user_id: str = "madar-simulator"
    google: GoogleClient | None = None

    def run_s(self, seconds: float) -> float:
        """How long something that takes Fal so many seconds takes here."""
        return seconds / self.speed if self.speed else 0.0

    def pause_s(self, seconds: float) -> float:
        """How long to leave between two tries; never nothing, or a loop would spin."""
        return seconds / (self.speed or _FULL_SPEED)
