"""Among 100,000 pictures no query reads what it need not: pages are counted, never milliseconds.

A budget is what a query may look at, in pages of 8 KiB, with a plan of its own and with one for any
values. Badr has a hundred pictures, Amal ten thousand. `python -m bench.sql` tells all there is to
know, up to a million.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from madar.local import postgres
from tests.sql.asked import AMAL, BADR, Case, cases
from tests.sql.crowd import make_backlog, seed
from tests.sql.plans import Cost, cost_of, plannings_of

# To seed is most of it, and a busy machine is no failure.
pytestmark = pytest.mark.timeout(600)

TOTAL = 100_000
# So few sentences, each of which has its search document made once; a prime number.
SENTENCES = 1_999
# Tables that grow with the pictures; people are a hundredth of them.
LARGE = {"generations", "attempts", "uploads", "api_usage"}

# Of a person with a hundred pictures.
BUDGETS = {
    # list
    "list_newest_documents: first page": 140,
    "list_newest_documents: from a cursor": 140,
    "find_documents: oldest": 240,
    "find_documents: of a style": 240,
    "find_documents: liked": 240,
    "find_documents: failed": 240,
    "get_trash": 20,
    # search within a user
    "find_documents: a word in many": 240,
    "find_documents: an Arabic word": 240,
    "find_documents: a rare word": 240,
    "find_documents: nothing there": 240,
    "find_documents: two words by relevance": 240,
    # status
    "get_seen_generation": 20,
    "get_generation_document": 10,
    "get_viewer": 10,
    "get_mine": 180,
    "get_mine_since": 40,
    "list_changed_ids": 20,
    # claim
    "claim_generation_to_advance": 50,
    "get_attempt_to_advance": 20,
    "mark_attempt_sent": 60,
    "mark_generation_progress": 60,
    "complete_generation": 60,
    "postpone_generation": 60,
    # reconcile, of sixty that are under way
    "list_due_generations": 80,
    "get_seconds_until_due": 120,
    "has_line": 5,
    "grant_turns": 1_500,
    "extend_leases": 900,
    # limits
    "take_rate": 10,
    "get_quota_use": 20,
    "get_upload_use": 40,
    # stats
    "get_stats_document": 130,
    "get_backlog": 60,
    "list_states": 100,
    "list_attempts": 150,
    "get_sizes": 10,
}
# Of a person with ten thousand: the page itself costs no more, the total is in an index.
AMALS = {
    "list_newest_documents: first page": 260,
    "list_newest_documents: from a cursor": 260,
    "get_seen_generation": 20,
    "get_mine": 220,
    "get_mine_since": 500,
    "get_quota_use": 100,
    "get_stats_document": 10_500,  # each of hers once
    "find_documents: nothing there": 200,
    "find_documents: a rare word": 400,
}
# While three hundred more wait than statistics know of: some twenty pages for each of them, or
# what a write of each takes; compared each with each they would be ninety thousand.
WAITING = 300
BACKLOG = {
    "insert_generation": 8_000,
    "renumber_line": 20_000,
    "grant_turns": 8_000,
    "list_unfinished": 4_000,
    "count_unfinished": 4_000,
    "count_waiting": 4_000,
    "list_attempts": 400,
    "pause_gate": 20_000,
    "get_seconds_until_due": 1_000,
}
# Whoever reads one of the large tables through does it seldom, and says why.
READ_THROUGH = {
    "get_masters_bytes": "a hundredth of its pages, by TABLESAMPLE",
    "get_uploads_bytes": "a hundredth of its pages, by TABLESAMPLE",
    "delete_unused_uploads": "every five minutes: nothing says of an upload that it was never used",
}


@dataclass(frozen=True, kw_only=True)
class Looked:
    case: Case
    costs: list[Cost]

    @property
    def pages(self) -> int:
        return max(cost.buffers for cost in self.costs)


@pytest.fixture(scope="module")
def looked(postgres_server: postgres.Server) -> Generator[dict[int, dict[str, Looked]]]:
    dsn = postgres_server.create_database("crowd", template="template_madar")
    seed(dsn, TOTAL, sentences=SENTENCES)
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as conn:
        every = {owner: list(cases(conn, TOTAL, owner)) for owner in (BADR, AMAL)}
        hers = [case for case in every[AMAL] if case.name in AMALS]
        found: dict[int, dict[str, Looked]] = {BADR: {}, AMAL: {}}
        # What is undone leaves traces that have to be read over, so writes come last.
        for owner, several in ((AMAL, hers), (BADR, sorted(every[BADR], key=_writes))):
            for case in several:
                found[owner][case.name] = _look(conn, case)
        make_backlog(conn, WAITING)
        for case in every[BADR]:
            if case.query.name in BACKLOG:
                found[BADR][f"backlog: {case.name}"] = _look(conn, case)
        yield found
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as conn:
        conn.execute("DROP DATABASE crowd")


def _writes(case: Case) -> bool:
    return case.writes


def _look(conn: psycopg.Connection[Any], case: Case) -> Looked:
    return Looked(case=case, costs=[cost_of(conn, case, way) for way in plannings_of(case)])


@pytest.mark.parametrize("name", BUDGETS)
def test_it_stays_within_its_budget(looked: dict[int, dict[str, Looked]], name: str) -> None:
    assert looked[BADR][name].pages <= BUDGETS[name]


@pytest.mark.parametrize("name", AMALS)
def test_it_does_with_ten_thousand_of_ones_own(
    looked: dict[int, dict[str, Looked]], name: str
) -> None:
    assert looked[AMAL][name].pages <= AMALS[name]


@pytest.mark.parametrize("name", BACKLOG)
def test_a_young_queue_costs_a_look_at_each_in_it(
    looked: dict[int, dict[str, Looked]], name: str
) -> None:
    assert looked[BADR][f"backlog: {name}"].pages <= BACKLOG[name]


def test_no_query_reads_a_large_table_through(looked: dict[int, dict[str, Looked]]) -> None:
    found = {
        name
        for one in looked.values()
        for name, of in one.items()
        if any(LARGE & cost.read_through for cost in of.costs)
    }

    assert found == set(READ_THROUGH)


def test_what_has_a_budget_finds_something(looked: dict[int, dict[str, Looked]]) -> None:
    """An empty answer would be cheap."""
    idle = [name for name in BUDGETS if not max(cost.rows for cost in looked[BADR][name].costs)]

    assert set(idle) <= {"list_changed_ids", "mark_attempt_sent", "extend_leases"}
