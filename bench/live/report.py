"""Figures beside their limits: medians over rounds, as a table to read and as JSON to keep."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from madar.local import postgres

WHOLE_FROM, TENTHS_FROM = 1000, 10
PLACE = Path("build/bench/live.json")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of each round, and the limit's of the same round."""

    case: str
    figure: str
    unit: str
    madar: Sequence[float]
    limit: Sequence[float] = ()
    limit_is: str = ""

    @property
    def ratio(self) -> float | None:
        """Madar's to the limit's, round by round: what moves both moves it least."""
        ratios = [
            ours / limit for ours, limit in zip(self.madar, self.limit, strict=False) if limit
        ]
        return statistics.median(ratios) if ratios else None


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def show(rows: Sequence[Row]) -> None:
    print("| case | figure | Madar | limit | times the limit | the limit is |")
    print("|---|---|--:|--:|--:|---|")
    for row in rows:
        limit = _said(row.limit, row.unit) if row.limit else ""
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        ours = _said(row.madar, row.unit)
        print(f"| {row.case} | {row.figure} | {ours} | {limit} | {ratio} | {row.limit_is} |")


def _said(values: Sequence[float], unit: str) -> str:
    """The median; where rounds differ, from which to which."""
    low, middle, high = min(values), statistics.median(values), max(values)
    text = f"{_number(middle)} {unit}".strip()
    if _number(low) == _number(high):
        return text
    return f"{text} ({_number(low)}–{_number(high)})"


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= WHOLE_FROM:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= TENTHS_FROM else f"{value:.2f}"


def keep(rows: Sequence[Row], sizes: dict[str, float], notes: Sequence[str]) -> None:
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "machine": machine(),
        "sizes": sizes,
        "notes": list(notes),
        "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
    }
    PLACE.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> dict[str, str]:
    version = [postgres.binary("postgres"), "--version"]
    return {
        "processors": str(os.cpu_count()),
        "python": platform.python_version(),
        "postgres": subprocess.run(version, check=True, capture_output=True, text=True).stdout,
        "system": platform.platform(),
        "load": " ".join(f"{one:.1f}" for one in os.getloadavg()),
    }
