"""`madar jobs`: what is under way, and a push that pays for nothing twice."""

import psycopg

from tests.commands.asking import done, run, told
from tests.product import Person, Product


def sent(product: Product, generation_id: str, state: str) -> None:
    product.execute(
        "UPDATE attempts SET state = %s, sent_at = now(), request_id = 'r' || id, endpoint = 'e',"
        " arguments = '{}' WHERE generation_id = %s",
        *(state, generation_id),
    )
    product.execute(
        "UPDATE generations SET next_action_at = now() + interval '1 minute' WHERE id = %s",
        generation_id,
    )


def failed(product: Product, generation_id: str, code: str) -> None:
    product.execute(
        "UPDATE generations SET state = 'failed', error_code = %s, next_action_at = NULL"
        " WHERE id = %s",
        *(code, generation_id),
    )
    product.execute("UPDATE attempts SET state = 'failed' WHERE generation_id = %s", generation_id)


def test_what_is_under_way_is_counted_listed_and_shown(product: Product, amal: Person) -> None:
    queued, turn, fal, unclear, running = [amal.create(seed=n)["id"] for n in range(5)]
    for one, state in ((turn, "prepared"), (fal, "accepted"), (unclear, "unknown")):
        sent(product, one, state)
    product.execute("UPDATE generations SET stumbles = 2 WHERE id = %s", fal)
    product.execute(
        "UPDATE generations SET lease_until = now() + interval '1 minute', lease_owner = 'host:1'"
        " WHERE id = %s",
        running,
    )
    product.execute(
        "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 minute', attempts = 1"
        " WHERE args->>'generation_id' = %s",
        queued,
    )

    overview = told(product, "jobs")
    listed = told(product, "jobs", "list")["jobs"]
    stumbled = told(product, "jobs", "list", "--only", "stumbled")["jobs"]
    few = told(product, "jobs", "list", "--limit", "2")
    shown = told(product, "jobs", "show", fal)
    [job] = product.rows(
        "SELECT id FROM procrastinate_jobs WHERE args->>'generation_id' = %s", queued
    )
    one_job = told(product, "jobs", "show", job["id"])
    plain = [done(product, "jobs"), done(product, "jobs", "list")]
    plain += [done(product, "jobs", "show", word) for word in (fal, str(job["id"]))]

    counted = {(one["state"], one["waitsFor"]): one["count"] for one in overview["pictures"]}
    assert counted == {
        ("queued", None): 1,
        ("running", None): 1,
        ("waiting", "turn"): 1,
        ("waiting", "fal"): 1,
        ("waiting", "proof"): 1,
    }
    [queue] = overview["queues"]
    numbers = [queue[name] for name in ("queued", "running", "waiting", "stumbled")]
    assert (queue["taskName"], numbers) == ("generations.advance", [4, 0, 1, 1])
    assert [one["id"] for one in listed] == [queued, turn, fal, unclear, running]
    assert [one["id"] for one in stumbled] == [fal]
    assert (len(few["jobs"]), few["hasMore"]) == (2, True)
    assert (shown["state"], shown["attempts"][0]["state"]) == ("queued", "accepted")
    assert "red rocket" not in str(shown) + "".join(plain), "what a person wrote is theirs"
    assert one_job["args"] == {"generationId": queued}
    assert "for a turn at Fal" in plain[1]
    assert "draw: accepted" in plain[2]


def test_a_push_makes_due_what_is_in_nobodys_hands(product: Product, amal: Person) -> None:
    waiting, held = [amal.create(seed=n)["id"] for n in range(2)]
    sent(product, waiting, "accepted")
    product.execute("UPDATE generations SET stumbles = 2, crashes = 2 WHERE id = %s", waiting)
    product.execute("DELETE FROM procrastinate_jobs")
    product.execute(
        "UPDATE generations SET lease_until = now() + interval '1 minute', lease_owner = 'host:1'"
        " WHERE id = %s",
        held,
    )
    with psycopg.connect(str(product.settings.database_url), autocommit=True) as hearing:
        hearing.execute('LISTEN "procrastinate_queue_v1#generations"')

        done(product, "jobs", "retry", waiting)
        refused = run(product, "jobs", "retry", held)

        assert list(hearing.notifies(timeout=5, stop_after=1))
    [row] = product.rows(
        "SELECT next_action_at <= now() AS is_due, stumbles, crashes FROM generations"
        " WHERE id = %s",
        waiting,
    )
    assert row == {"is_due": True, "stumbles": 0, "crashes": 0}
    assert product.rows("SELECT args->>'generation_id' AS id FROM procrastinate_jobs") == [
        {"id": waiting}
    ]
    assert product.rows("SELECT DISTINCT state FROM attempts WHERE state <> 'prepared'") == [
        {"state": "accepted"}
    ]
    assert refused.exit_code == 1
    assert "host:1" in refused.stderr


def test_a_failed_one_is_asked_for_again_once(product: Product, amal: Person) -> None:
    ours, theirs, cancelled = [amal.create(seed=n)["id"] for n in range(3)]
    failed(product, ours, "timeout")
    failed(product, theirs, "content_policy")
    failed(product, cancelled, "cancelled")

    alone = run(product, "jobs", "retry", ours)
    anew = run(product, "jobs", "retry", ours, "--yes").stdout.strip()
    twice = run(product, "jobs", "retry", ours, "--yes")
    in_vain = run(product, "jobs", "retry", theirs, "--yes")
    unwanted = run(product, "jobs", "retry", cancelled, "--yes")

    assert amal.status(anew)["parentId"] == ours
    exits = [result.exit_code for result in (alone, twice, in_vain, unwanted)]
    assert exits == [2, 1, 1, 1]
    assert "paid for" in alone.stderr
    assert anew in twice.stderr
    assert "fail in the same way" in in_vain.stderr
    assert "cancelled it" in unwanted.stderr


def test_what_is_not_there_or_has_ended_is_told(product: Product, amal: Person) -> None:
    done_one = amal.create()["id"]
    product.execute("UPDATE generations SET deleted_at = now(), next_action_at = NULL")
    [job] = product.rows("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 h',"
                         " attempts = 1 RETURNING id")  # fmt: skip

    unknown = run(product, "jobs", "show", "0f8d3c1e-5b7a-4e0c-9d55-2f6b1f6f4a10")
    no_id = run(product, "jobs", "show", "rocket")
    no_job = run(product, "jobs", "retry", "99" * 20)
    deleted = run(product, "jobs", "retry", done_one)
    done(product, "jobs", "retry", job["id"])
    product.execute("UPDATE procrastinate_jobs SET status = 'failed'")
    ended = run(product, "jobs", "retry", job["id"])

    exits = [result.exit_code for result in (unknown, no_id, no_job, deleted, ended)]
    assert exits == [1, 2, 1, 1, 1]
    assert "is deleted" in deleted.stderr
    assert "is failed" in ended.stderr
    assert product.rows("SELECT scheduled_at FROM procrastinate_jobs") == [{"scheduled_at": None}]
