"""What live connections of all kinds share in one process."""

import asyncio
from dataclasses import dataclass, field

from madar.db.pool import Pool
from madar.realtime.endings import Ending
from madar.realtime.exit import Exit
from madar.realtime.hub import Hub
from madar.realtime.messages import Finish


@dataclass(frozen=True, kw_only=True)
class Live:
    """`finish` makes of what PostgreSQL built what a reader of a language sees."""

    hub: Hub
    pool: Pool
    finish: Finish
    exit: Exit = field(default_factory=Exit)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_leaving(self) -> bool:
        """Whether nobody new should be sent to this process."""
        return self.leaving.is_set()

    def leave(self) -> None:
        """Everything goes on for a moment, but whoever asks is told to go elsewhere next."""
        self.leaving.set()

    def stop(self, ending: Ending) -> None:
        """Every connection ends by itself then, whatever its kind."""
        self.leave()
        self.hub.end_all(ending)
