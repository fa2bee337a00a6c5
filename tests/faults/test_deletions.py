"""Pictures deleted at any moment of their making leave nothing: no object, no copy at Fal."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs import maintenance
from madar.actions import fal_purging
from tests.conftest import Start
from tests.product import AMAL, Person, Product
from tests.simulator.harness import eventually

DELETIONS = 30
AT_ONCE = 6
MOMENTS = ("queued", "sent", "drawn", "finalizing", "completed")
LONGEST_PAUSE_S = 0.4
# How far a picture has come, as a number of the moments above.
MOMENT = """
SELECT CASE g.state
           WHEN 'completed' THEN 4
           WHEN 'finalizing' THEN 3
           ELSE CASE WHEN g.step = 'cutout' THEN 2
                     WHEN EXISTS (SELECT FROM attempts
                                   WHERE generation_id = g.id AND sent_at IS NOT NULL) THEN 1
                     ELSE 0 END
       END AS moment
  FROM generations g
 WHERE id = %s
"""


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """When, how long after that moment has come, and whether by way of the trash."""

    moment: str
    pause_s: float
    is_permanent: bool


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PURGE_EVERY_S", 0.2)
    monkeypatch.setattr(fal_purging, "RETRY_BASE_S", 0.5)
    monkeypatch.setattr(fal_purging, "LOOK_UP_SLACK_S", 0)


def objects(product: Product) -> list[Path]:
    return [path for path in product.settings.storage_dir.glob("*/*") if path.is_file()]


def moment_of(product: Product, generation_id: str) -> int:
    moment: int = product.rows(MOMENT, generation_id)[0]["moment"]
    return moment


def make_and_delete(product: Product, person: Person, asked: Deletion) -> str:
    """Answers the moment in which it was deleted."""
    created: str = person.create(textPrompt="deleted")["id"]
    earliest = MOMENTS.index(asked.moment)
    eventually(lambda: moment_of(product, created) >= earliest or None, deadline_s=60)
    threading.Event().wait(asked.pause_s)
    query = {"permanent": "true"} if asked.is_permanent else {}
    assert person.http.delete(f"/api/generations/{created}", params=query).status_code == 204
    if not asked.is_permanent:
        # Not there where there was nothing to restore.
        assert person.http.delete(f"/api/trash/{created}").status_code in {204, 404}
    return MOMENTS[moment_of(product, created)]


def test_deleted_at_any_moment_nothing_is_left(
    start: Start, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    product = start(trash_days=30, fal_concurrency=8)
    people = [product.sign_in(AMAL) for _ in range(AT_ONCE)]
    chance = random.Random(4)
    wanted = [
        Deletion(
            moment=chance.choice(MOMENTS),
            pause_s=chance.uniform(0, LONGEST_PAUSE_S),
            is_permanent=chance.random() < 0.5,
        )
        for _ in range(DELETIONS)
    ]

    with product.working():
        with ThreadPoolExecutor(AT_ONCE) as pool:
            deleting = [
                pool.submit(make_and_delete, product, people[n % AT_ONCE], one)
                for n, one in enumerate(wanted)
            ]
            moments = [one.result() for one in deleting]
        eventually(lambda: not objects(product) or None, deadline_s=60)
        eventually(lambda: product.rows("SELECT 1 FROM purges") == [] or None, deadline_s=60)
        eventually(lambda: product.rows("SELECT 1 FROM fal_purges") == [] or None, deadline_s=60)

    counted = {moment: moments.count(moment) for moment in MOMENTS}
    with capsys.disabled():
        print(f"\n[{DELETIONS} deleted: {counted}]")  # noqa: T201
    assert all(counted.values()), counted
    assert "generation.stumbled" not in caplog.text
    assert objects(product) == []
    assert people[0].get("/api/generations").json()["pagination"]["total"] == 0
    assert people[0].get("/api/trash").json()["pagination"]["total"] == 0
    submissions = product.submissions()
    assert [one for one in submissions if one["input"] is not None] == []
    assert all(one["state"] == "COMPLETED" for one in submissions)
