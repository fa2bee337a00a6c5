"""What is wrong with the settings: each fault with its fix, all of them in one message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from madar.settings import Settings

# `useless`: there is no value to work with. `refused`: there is one, and it may not be used.
Kind = Literal["useless", "refused"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`setting` is the field's name, `variable` the name as it was or should be written."""

    setting: str
    text: str
    fix: str
    kind: Kind = "refused"
    variable: str = ""

    @property
    def name(self) -> str:
        return self.variable or self.setting.upper()


class SettingsFault(Exception):
    """Madar cannot start. The message names settings and fixes, and no value of a secret.

    `settings` has defaults where a value is useless, for whoever looks further.
    """

    def __init__(self, faults: Sequence[Fault], settings: "Settings") -> None:
        super().__init__(_message(faults, is_production=settings.is_production))
        self.faults = tuple(faults)
        self.settings = settings


def _message(faults: Sequence[Fault], *, is_production: bool) -> str:
    where, again = "", "madar settings (on a laptop, make run sets everything)"
    if is_production:
        where, again = " in production", "madar doctor --production"
    count = "1 setting needs" if len(faults) == 1 else f"{len(faults)} settings need"
    width = max(len(fault.name) for fault in faults)
    lines = [f"  {fault.name:{width}}  {fault.text} → {fault.fix}" for fault in faults]
    return "\n".join(
        [f"Madar cannot start{where}: {count} you.", *lines, f"Check again with: {again}"]
    )
