"""The lock behind which a person's wishes are counted, seen from the database's side."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from tests.api.looking import problem_in
from tests.conftest import Start
from tests.product import ROCKET
from tests.simulator.harness import eventually

_ANOTHER = """
INSERT INTO generations
       (user_id, prompt, style, input_type, seed, state, step, deadline_at, next_action_at)
SELECT user_id, prompt, style, input_type, seed, state, step, deadline_at, next_action_at
  FROM generations
"""


def test_what_another_process_has_not_committed_yet_counts_too(
    start: Start, conn: psycopg.Connection[Any], dsn: str
) -> None:
    product = start(quota_generations="2/1d")
    amal = product.sign_in()
    amal.create()

    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn, autocommit=True) as witness:
        with conn.transaction():
            conn.execute("SELECT FROM rate_limits WHERE key LIKE '%generations%' FOR UPDATE")
            conn.execute(_ANOTHER)
            asked = pool.submit(amal.post, "/api/generations", json=ROCKET)
            waits = "SELECT 1 FROM pg_locks WHERE NOT granted"
            eventually(lambda: asked.done() or witness.execute(waits).fetchone())
            was_early = asked.done()
        answer = asked.result()

    assert not was_early
    problem_in(answer, 429, "quota_exceeded")
