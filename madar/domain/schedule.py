"""When to come back: polls, retries, and how long an unclear submission is looked up."""

import random

POLL_FACTORS = (1, 1, 1, 1.5, 2, 3, 4.5, 6)
RETRY_BASE_S = 2.0
RETRY_CAP_S = 60.0
PROBE_S = 5.0  # between two tries of a Fal that fails
JITTER = 0.2


def next_poll_s(polls: int, *, poll_min_s: float) -> float:
    """With the default minimum of 10 s: 10, 10, 10, 15, 20, 30, 45, 60, 60 …, each ± 20 %."""
    factor = POLL_FACTORS[min(polls, len(POLL_FACTORS) - 1)]
    return poll_min_s * factor * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


def backoff_s(failures: int, *, base_s: float = RETRY_BASE_S, cap_s: float = RETRY_CAP_S) -> float:
    """Full jitter, above a tenth of the ceiling so that nothing spins."""
    ceiling = min(cap_s, base_s * 2 ** min(failures, 10))
    return random.uniform(ceiling / 10, ceiling)  # noqa: S311
