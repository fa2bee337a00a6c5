"""tests/sql_mutations spoils one thing at a time, and nothing else."""

from tests.sql_mutations.mutants import mutants

SQL = """
-- name: take_cups(owner_id, n) many
UPDATE cups
   SET taken_at = now()
 WHERE id IN (SELECT id
                FROM cups
               WHERE user_id = $1
                 AND state = 'clean'
                 AND washed_at < now()
               ORDER BY washed_at, id
               LIMIT $2
                 FOR UPDATE SKIP LOCKED)
"""
TYPES = {1: "uuid", 2: "bigint"}


def made(sql: str = SQL) -> dict[str, str]:
    return {one.what: one.sql for one in mutants("cups.take_cups", sql, TYPES, owner=1)}


def test_each_kind_of_thing_is_found() -> None:
    found = {one.what: one.kind for one in mutants("cups.take_cups", SQL, TYPES, owner=1)}

    [whole] = [what for what in found if what.startswith("without id IN (SELECT")]
    assert found == {
        whole: "condition",
        "without user_id = $1": "owner",
        "without state = 'clean'": "guard",
        "without washed_at < now()": "condition",
        "order not by id": "tie-break",
        "without UPDATE SKIP LOCKED": "lock",
        "waiting in UPDATE SKIP LOCKED": "lock",
        "<= in washed_at < now()": "comparison",
    }


def test_one_thing_is_changed_and_the_rest_stays() -> None:
    flipped = made()["<= in washed_at < now()"]
    whole = made()["without state = 'clean'"]

    assert flipped.count("<=") == 1
    assert "state = 'clean'" in flipped
    assert "user_id = $1 AND washed_at < now()" in " ".join(whole.split())


def test_a_parameter_that_nothing_asks_for_keeps_its_type() -> None:
    assert made()["without user_id = $1"].startswith("WITH unasked AS (SELECT CAST($1 AS uuid))")
    assert "$1" not in made()["without user_id = $1"].partition("UPDATE")[2]
