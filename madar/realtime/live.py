"""What live connections of all kinds share in one process."""

from dataclasses import dataclass, field

from madar.db.pool import Pool
from madar.realtime.endings import Ending
from madar.realtime.exit import Exit
from madar.realtime.hub import Hub
from madar.realtime.messages import Finish


@dataclass(kw_only=True)
class Live:
    """`finish` makes of what PostgreSQL built what a reader of a language sees."""

    hub: Hub
    pool: Pool
    finish: Finish
    exit: Exit = field(default_factory=Exit)
    is_leaving: bool = False  # nobody new should be sent to this process

    def leave(self) -> None:
        """Everything goes on for a moment, but whoever asks is told to go elsewhere next."""
        self.is_leaving = True

    def stop(self, ending: Ending) -> None:
        """Every connection ends by itself then, whatever its kind."""
        self.leave()
        self.hub.end_all(ending)
