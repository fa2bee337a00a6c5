"""docs/operations.md, the alert rules and the dashboard speak of metrics that there are."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

import yaml

from jobs.measuring import DatabaseCollector
from madar import metrics
from madar.db.pool import open_pool
from madar.liveness import Liveness
from madar.settings import ROOT

DOCS = ROOT / "docs" / "operations"
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
GROUPS: list[dict[str, Any]] = yaml.safe_load((DOCS / "alerts.yaml").read_text())["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((DOCS / "dashboard.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES: list[str] = [target["expr"] for panel in PANELS for target in panel.get("targets", ())]
NAME = re.compile(r"\b(?:madar|process)_[a-z_]+\b")


def told(dsn: str) -> Iterator[str]:
    """Every name a scrape of web and worker may have, with the endings of its kind."""

    async def collect() -> list[Any]:
        async with open_pool(dsn) as pool:
            collectors = (
                metrics.LoopCollector(Liveness()),
                metrics.PoolCollector(pool),
                metrics.LiveCollector(lambda: 0),
                DatabaseCollector(pool),
            )
            with metrics.telling(*collectors):
                return await asyncio.to_thread(lambda: list(metrics.REGISTRY.collect()))

    for family in asyncio.run(collect()):
        ending = "_total" if family.type == "counter" else ""
        yield family.name + ending
        if family.type == "histogram":
            yield family.name + "_bucket"


def named(texts: Iterable[str]) -> set[str]:
    return {name for text in texts for name in NAME.findall(text)}


def test_every_metric_that_is_asked_for_is_told(dsn: str) -> None:
    known = set(told(dsn))

    rules = [cast("str", rule["expr"]) for rule in RULES]
    assert len(known) > 50
    assert named(rules) - known == set()
    assert named(QUERIES) - known == set()
    assert named([TEXT]) - known == set()


def test_every_metric_of_ours_is_explained_and_shown(dsn: str) -> None:
    ours = {name for name in told(dsn) if name.startswith("madar_")}

    assert {name for name in ours if not name.endswith("_bucket")} - named([TEXT]) == set()
    shown = {name.removesuffix("_bucket") for name in named(QUERIES)}
    assert {name.removesuffix("_bucket") for name in ours} - shown == set()


def test_every_alert_has_its_line_in_the_runbook() -> None:
    lines = re.findall(r"^- \*\*(Madar\w+)\*\* \((page|ticket)\): .{80,}", TEXT, re.MULTILINE)

    assert [(rule["alert"], rule["labels"]["severity"]) for rule in RULES] == lines
    assert all(rule["annotations"]["summary"] for rule in RULES)


def test_the_dashboard_has_a_title_for_everything_once() -> None:
    ids = [panel["id"] for panel in PANELS]
    titles = [panel["title"] for panel in PANELS]

    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    assert all(panel["type"] == "row" or panel["targets"] for panel in PANELS)
