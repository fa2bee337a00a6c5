"""The closed lists of words the simulator's protocol uses."""

from typing import Literal

State = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]

FaultName = Literal[
    "slow",
    "flaky",
    "down",
    "refuse",
    "nsfw",
    "duplicate",
    "lost",
    "no-webhooks",
    "opaque",
]
