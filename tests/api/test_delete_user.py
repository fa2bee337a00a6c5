"""DELETE /api/user."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from jobs import maintenance
from madar.actions import fal_purging, purging, users
from tests.api.looking import finish, is_arabic, problem_in
from tests.api.test_export import fill, upload
from tests.imaging.pictures import photo, png
from tests.product import AMAL, Json, Person, Product
from tests.simulator.harness import eventually

URL = "/api/user"
PROMPT, ARABIC_PROMPT = "a quokka in amber", "ثعلب من الكهرمان"


@pytest.fixture(autouse=True)
def _purges_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PURGE_EVERY_S", 0.1)
    monkeypatch.setattr(fal_purging, "LOOK_UP_SLACK_S", 0)
    monkeypatch.setattr(fal_purging, "RETRY_BASE_S", 0.5)


def leave(person: Person) -> httpx.Response:
    answer = person.http.delete(URL)
    assert answer.status_code == 202, answer.text
    return answer


def files(product: Product) -> list[Path]:
    return [path for path in product.settings.storage_dir.glob("*/*") if path.is_file()]


def everything_in(product: Product) -> dict[str, str]:
    """Each table as text."""
    tables = product.rows(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    )
    return {
        table["name"]: json.dumps(
            product.rows(f'SELECT to_jsonb(t)::text AS row FROM "{table["name"]}" t'),
            ensure_ascii=False,
        )
        for table in tables
    }


def lived_in(product: Product, amal: Person) -> None:
    """An account with something of everything."""
    amal.http.patch("/api/user/profile", json={"displayName": "Amal Quokka"})
    source = upload(amal)
    done = amal.create(textPrompt=PROMPT)["id"]
    finish(product, done)
    amal.create(textPrompt=PROMPT, inputType="image", sourceUploadId=source["id"])
    amal.http.delete(f"/api/generations/{amal.create(textPrompt=PROMPT)['id']}")
    translated = amal.create(textPrompt=ARABIC_PROMPT)["id"]
    product.execute(
        "UPDATE generations SET translation = 'done', prompt_english = 'a fox of amber'"
        " WHERE id = %s",
        translated,
    )
    product.execute(
        "INSERT INTO translations (prompt_hash, model, english) VALUES ('x', 'm', 'a fox of amber')"
    )
    product.execute(
        "UPDATE attempts SET endpoint = 'e', arguments = jsonb_build_object('prompt', %s::text),"
        " state = 'sent', sent_at = now()",
        PROMPT,
    )
    amal.post(
        "/api/generations",
        json={"style": "voxel-3d", "textPrompt": PROMPT},
        headers={"Idempotency-Key": "once", "User-Agent": "QuokkaBrowser/1"},
    )
    eventually(
        lambda: product.rows("SELECT id FROM api_usage WHERE user_agent LIKE 'Quokka%%'") or None
    )


def test_at_once_nobody_is_there_any_more(product: Product, amal: Person) -> None:
    second = product.sign_in(AMAL)
    done = amal.create()["id"]
    finish(product, done)

    answer = leave(amal)

    assert answer.content == b""
    assert "Max-Age=0" in answer.headers["set-cookie"]
    for person in (amal, second):
        for path in (f"/api/generations/{done}", "/api/generations", "/api/user/profile"):
            problem_in(person.get(path), 401, "not_signed_in")
        with product.anonymous(Cookie=f"madar={person.cookie}") as http:
            problem_in(http.get("/api/auth/user"), 401, "not_signed_in")
        problem_in(person.http.delete(URL), 401, "not_signed_in")


def test_open_sockets_are_closed(product: Product, amal: Person) -> None:
    with product.socket(Authorization=f"Bearer {amal.token}") as socket:
        socket.send('{"type": "ping"}')
        socket.recv(timeout=10)

        leave(amal)

        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 4403


def test_the_next_sign_in_begins_anew(product: Product, amal: Person) -> None:
    amal.http.patch("/api/user/profile", json={"displayName": "Old", "language": "ar"})
    before = amal.get("/api/user/profile").json()
    amal.create()

    leave(amal)
    anew = product.sign_in(AMAL)

    profile = anew.get("/api/user/profile").json()
    assert profile["id"] != before["id"]
    assert (profile["displayName"], profile["language"], profile["email"]) == ("Amal", "en", AMAL)
    assert anew.get("/api/generations").json()["generations"] == []
    assert anew.get("/api/user/stats").json()["totalGenerations"] == 0


def test_objects_go_within_a_minute_and_others_stay(
    product: Product, amal: Person, badr: Person
) -> None:
    lived_in(product, amal)
    upload(badr)
    finish(product, badr.create()["id"])
    theirs = 2 + 3
    assert len(files(product)) == theirs + 2 + 3

    leave(amal)
    with product.working():
        eventually(lambda: len(files(product)) == theirs or None)

    assert product.rows("SELECT id FROM purges") == []


def test_no_word_of_the_person_stays_in_the_database(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "ROWS_AFTER_S", 0)
    lived_in(product, amal)
    row = product.rows("SELECT id::text, google_id FROM users")[0]
    words = [AMAL, "amal@", "Amal", row["google_id"], PROMPT, "quokka", ARABIC_PROMPT, "Quokka"]
    words += ["a fox of amber", "once", row["id"]]
    before = "".join(everything_in(product).values())
    assert [word for word in words if word not in before] == []

    leave(amal)
    at_once = everything_in(product)
    swept(product)

    for word in (AMAL, "amal@", "Amal", row["google_id"], "Quokka", "a fox of amber", "once"):
        places = [name for name, text in at_once.items() if word in text]
        assert set(places) <= {"generations"} if word == "a fox of amber" else places == [], word
    afterwards = everything_in(product)
    for word in words:
        places = [name for name, text in afterwards.items() if word in text]
        # The limit of creations is kept by a number that is nobody's any more.
        assert set(places) <= ({"rate_limits"} if word == row["id"] else set()), word


def swept(product: Product) -> None:
    """A worker's round, as the clock would have it."""
    with product.working():
        product.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args)"
            " VALUES ('generations', 'maintenance.sweep', '{\"timestamp\": 0}')"
        )
        eventually(lambda: not product.rows("SELECT id FROM users") or None)
        eventually(lambda: not product.rows("SELECT id FROM purges") or None)
        eventually(lambda: not product.rows("SELECT id FROM fal_purges") or None)


def test_what_was_done_is_from_now_on_nobodys(product: Product, amal: Person) -> None:
    lived_in(product, amal)
    n = product.rows("SELECT count(*) AS n FROM api_usage")[0]["n"]

    leave(amal)

    assert (
        product.rows(
            "SELECT user_id, ip_address, user_agent FROM api_usage"
            " WHERE user_id IS NOT NULL OR user_agent LIKE 'Quokka%%'"
        )
        == []
    )
    assert product.rows("SELECT count(*) AS n FROM api_usage")[0]["n"] >= n
    assert product.rows("SELECT key FROM idempotency_keys") == []


def test_a_worker_forgets_what_is_too_much_for_one_moment(
    product: Product, amal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "ROWS_AFTER_S", 0)
    monkeypatch.setattr(purging, "USAGE_BATCH", 2)
    monkeypatch.setattr(users, "USAGE_AT_ONCE", 1)
    product.execute(
        "INSERT INTO api_usage (user_id, endpoint, method, status_code, ip_address, user_agent)"
        " SELECT id, '/api/styles', 'GET', 200, '192.0.2.1', 'Quokka' FROM users,"
        " generate_series(1, 7)"
    )

    leave(amal)
    swept(product)

    rest = "SELECT id FROM api_usage WHERE user_id IS NOT NULL OR user_agent = 'Quokka'"
    assert product.rows(rest) == []
    assert product.rows("SELECT count(*) AS n FROM api_usage")[0]["n"] >= 7


def test_a_proof_stays_that_says_nothing_of_whose(product: Product, amal: Person) -> None:
    lived_in(product, amal)

    leave(amal)

    proof = product.rows("SELECT * FROM account_deletions")
    assert [(one["generations"], one["uploads"]) for one in proof] == [(4, 1)]
    assert proof[0].keys() == {"id", "generations", "uploads", "asked_at"}
    assert proof[0]["id"] not in {row["id"] for row in product.rows("SELECT id FROM users")}


def test_an_old_sign_in_is_not_enough(product: Product, amal: Person) -> None:
    product.execute("UPDATE user_sessions SET created_at = now() - interval '10 minutes'")

    refused = amal.http.delete(URL, headers={"Accept-Language": "ar"})

    assert is_arabic(problem_in(refused, 403, "sign_in_again")["detail"])
    assert amal.get("/api/user/profile").status_code == 200
    leave(product.sign_in(AMAL))
    problem_in(amal.get("/api/user/profile"), 401, "not_signed_in")


def test_what_waits_is_never_submitted(product: Product, amal: Person, badr: Person) -> None:
    for _ in range(3):
        amal.create(textPrompt="never drawn")

    leave(amal)
    with product.working():
        badr.finished(badr.create()["id"])

    prompts = [one["input"].get("prompt", "") for one in product.submissions()]
    assert prompts
    assert not any("never drawn" in prompt for prompt in prompts)


def test_a_thousand_pictures_are_no_trouble(
    product: Product,
    amal: Person,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(purging, "ROWS_AFTER_S", 0)
    fill(product, pictures=1000)
    for row in product.rows("SELECT master_key, result_image_key, thumbnail_key FROM generations"):
        for key in row.values():
            path = product.settings.storage_dir / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    began = time.perf_counter()

    leave(amal)
    left_ms = round((time.perf_counter() - began) * 1000)
    with product.working():
        eventually(lambda: not files(product) or None, deadline_s=60)
        removed_s = round(time.perf_counter() - began, 1)
        eventually(lambda: not product.rows("SELECT id FROM purges") or None)
    swept(product)

    with capsys.disabled():
        print(f"\n[1,000 pictures: answered in {left_ms} ms, gone in {removed_s} s]")  # noqa: T201
    assert product.rows("SELECT id FROM generations") == []


def test_whatever_happens_at_the_same_time_is_before_it_or_refused(
    product: Product, amal: Person
) -> None:
    """Nothing made in the last moment outlives the account, and nothing breaks."""
    others = [product.sign_in(AMAL) for _ in range(4)]
    content = png(photo())

    def keep_on(person: Person) -> set[int]:
        seen: set[int] = set()
        while 401 not in seen:
            seen.add(person.post("/api/generations", json={"style": "voxel-3d"}).status_code)
            seen.add(person.http.patch("/api/user/profile", json={"displayName": "X"}).status_code)
            picture = {"image": ("a.png", content)}
            seen.add(person.post("/api/uploads/image", files=picture).status_code)
        return seen

    with ThreadPoolExecutor(len(others)) as pool:
        going_on = [pool.submit(keep_on, person) for person in others]
        eventually(lambda: product.rows("SELECT id FROM uploads") or None)
        leave(amal)
        seen = set[int]().union(*(one.result() for one in going_on))

    # A style looks as if it were not offered to somebody who leaves at that very moment.
    assert seen <= {200, 201, 401, 422, 429, 503}
    gone = product.rows("SELECT display_name, email, deleted_at FROM users")
    assert [(row["display_name"], row["email"]) for row in gone] == [("", "")]
    assert product.rows("SELECT id FROM generations WHERE deleted_at IS NULL") == []
    assert product.rows("SELECT key FROM idempotency_keys") == []
    with product.working():
        eventually(lambda: not product.rows("SELECT id FROM purges") or None)
    eventually(lambda: not files(product) or None)


def test_a_creation_at_the_very_moment_waits_and_is_refused(
    product: Product, amal: Person, conn: psycopg.Connection[Any]
) -> None:
    """The test holds the person's row as a deletion does."""
    owner = UUID(amal.get("/api/user/profile").json()["id"])
    with ThreadPoolExecutor(1) as pool:
        with conn.transaction():
            conn.execute("UPDATE users SET google_id = 'held', deleted_at = now()")
            late = pool.submit(amal.post, "/api/generations", json={"style": "voxel-3d"})
            eventually(lambda: _waits(product))
        answer = late.result()

    assert answer.status_code in {401, 422}
    assert product.rows("SELECT id FROM generations WHERE user_id = %s", owner) == []


def _waits(product: Product, *, query: str = "WITH owner AS") -> Json | None:
    rows = product.rows(
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        "   AND query LIKE %s AND datname = current_database()",
        f"%{query}%",
    )
    return rows[0] if rows else None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            "INSERT INTO idempotency_keys (user_id, route, key, body_hash, response)"
            " SELECT id, 'uploads', 'k', 'x', 'null' FROM users",
            "SELECT FROM users WHERE deleted_at IS NULL FOR NO KEY UPDATE",
            id="an upload with a key",
        ),
        pytest.param(
            "UPDATE generations SET deleted_at = now(), next_action_at = NULL",
            "INSERT INTO purges (object_key) SELECT master_key FROM generations"
            " ON CONFLICT DO NOTHING",
            id="one picture thrown away",
        ),
        pytest.param(
            "SELECT FROM generations ORDER BY id LIMIT 1 FOR NO KEY UPDATE",
            "SELECT FROM generations ORDER BY id FOR NO KEY UPDATE",
            id="servings counted",
        ),
    ],
)
def test_what_is_under_way_is_waited_for_and_never_waits_in_turn(
    product: Product, amal: Person, conn: psycopg.Connection[Any], first: str, second: str
) -> None:
    """The test does what those transactions do, and the deletion comes in between."""
    ids = sorted(amal.create()["id"] for _ in range(2))
    for one in ids:
        finish(product, one)
    # On the disk, the first by its id now comes after the second.
    product.execute("UPDATE generations SET is_liked = true WHERE id = %s", ids[0])

    with ThreadPoolExecutor(1) as pool:
        with conn.transaction():
            conn.execute(first.encode())
            leaving = pool.submit(leave, amal)
            eventually(lambda: _waits(product, query=""))
            conn.execute(second.encode())
        leaving.result()

    assert product.rows("SELECT id FROM generations WHERE deleted_at IS NULL") == []
    waiting = "SELECT g.id FROM generations g JOIN purges ON object_key = master_key"
    assert len(product.rows(waiting)) == len(ids)


def test_a_translation_that_comes_at_the_very_moment_does_not_stay(
    product: Product, amal: Person, conn: psycopg.Connection[Any]
) -> None:
    """The test does what a worker does whose translator has answered."""
    amal.create(textPrompt=ARABIC_PROMPT)
    with ThreadPoolExecutor(1) as pool:
        with conn.transaction():
            conn.execute(
                "UPDATE generations SET translation = 'done', prompt_english = 'a fox of amber'"
            )
            conn.execute("INSERT INTO translations VALUES ('x', 'm', 'a fox of amber')")
            leaving = pool.submit(leave, amal)
            eventually(lambda: _waits(product, query=""))
        leaving.result()

    assert product.rows("SELECT english FROM translations") == []


def test_strangers_keep_everything(amal: Person, badr: Person) -> None:
    theirs = badr.create()["id"]
    before = badr.status(theirs)

    leave(amal)

    assert badr.status(theirs) == before
    assert badr.get("/api/user/profile").json()["displayName"] == "Badr"
