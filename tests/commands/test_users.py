"""`madar users`: who is there, closing an account, and deleting one as its person would."""

import json

import pytest
from websockets.exceptions import ConnectionClosed

from madar.realtime import listener
from tests.api.looking import finish, problem_in
from tests.api.test_create_from_picture import uploaded
from tests.commands.asking import done, refused_at_a_terminal, run, told
from tests.conftest import Start
from tests.product import AMAL, BADR, Person, Product


def test_people_are_found_and_shown_with_what_is_theirs(product: Product, amal: Person) -> None:
    product.sign_in(BADR)
    finish(product, amal.create()["id"])
    amal.create(seed=8)
    uploaded(amal)

    everybody = told(product, "users", "list")
    found = told(product, "users", "list", "AMAL@")["users"]
    first = told(product, "users", "list", "--limit", "1")
    shown = told(product, "users", "show", AMAL.upper())
    listed, plain = done(product, "users", "list"), done(product, "users", "show", shown["id"])
    nobody = run(product, "users", "show", "nobody@madar.test")

    assert {one["email"] for one in everybody["users"]} == {AMAL, BADR}
    assert [(one["email"], one["pictures"], one["isActive"]) for one in found] == [(AMAL, 2, True)]
    assert (len(first["users"]), first["hasMore"], everybody["hasMore"]) == (1, True, False)
    assert shown["pictures"] | {"bytes": 0} == {
        "completed": 1, "failed": 0, "unfinished": 1, "inTrash": 0, "bytes": 0
    }  # fmt: skip
    assert (shown["sessions"], shown["uploads"]["count"]) == (1, 1)
    assert min(shown["pictures"]["bytes"], shown["uploads"]["bytes"]) > 0
    assert "1 completed, 0 failed, 1 being made" in plain
    assert BADR in listed
    assert nobody.exit_code == 1
    assert "madar users list" in nobody.stderr


def test_who_is_deactivated_is_out_within_seconds_and_may_come_back(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "REREAD_S", 0.2)
    product = start()
    amal, badr = product.sign_in(AMAL), product.sign_in(BADR)

    with product.socket(Authorization=f"Bearer {amal.token}") as socket:
        socket.send(json.dumps({"type": "ping"}))
        socket.recv(timeout=10)
        alone = run(product, "users", "deactivate", AMAL)
        refused_at_a_terminal(product, monkeypatch, "users", "deactivate", AMAL)
        still = amal.get("/api/user/profile").status_code
        said = done(product, "users", "deactivate", AMAL, "--yes")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    problem_in(amal.get("/api/user/profile"), 401, "not_signed_in")
    with pytest.raises(AssertionError, match="account_disabled"):
        product.sign_in(AMAL)
    again = done(product, "users", "deactivate", AMAL, "--yes")
    shown = done(product, "users", "list")
    done(product, "users", "activate", AMAL)
    problem_in(amal.get("/api/user/profile"), 401, "not_signed_in")

    assert (alone.exit_code, still) == (2, 200)
    assert "end 1 session?" in alone.stderr
    assert "users activate" in said
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 4403
    assert "already" in again
    assert "deactivated" in shown
    assert product.sign_in(AMAL).get("/api/user/profile").status_code == 200
    assert badr.get("/api/user/profile").status_code == 200
    assert "active already" in done(product, "users", "activate", AMAL)


def test_an_account_is_deleted_as_by_its_person(
    product: Product, amal: Person, badr: Person
) -> None:
    finish(product, amal.create()["id"])
    amal.create(seed=8)
    uploaded(amal)
    kept = badr.create()["id"]

    alone = run(product, "users", "delete", AMAL)
    before = amal.get("/api/user/profile").status_code
    done(product, "users", "delete", AMAL, "--yes")

    assert (alone.exit_code, before) == (2, 200)
    assert "2 pictures (1 being made, 0 in the trash), 1 upload, 1 session" in alone.stderr
    problem_in(amal.get("/api/user/profile"), 401, "not_signed_in")
    assert badr.status(kept)["status"] == "queued"
    assert product.rows("SELECT generations, uploads FROM account_deletions") == [
        {"generations": 2, "uploads": 1}
    ]
    assert product.rows("SELECT count(*) AS n FROM purges") == [{"n": 3 + 2}]
    assert run(product, "users", "delete", AMAL, "--yes").exit_code == 1


def test_an_e_mail_of_several_people_is_no_name(product: Product, amal: Person) -> None:
    product.sign_in(BADR)
    product.execute("UPDATE users SET email = %s", AMAL)
    ids = [str(row["id"]) for row in product.rows("SELECT id FROM users")]

    unclear = run(product, "users", "delete", AMAL, "--yes")

    assert unclear.exit_code == 1
    assert all(one in unclear.stderr for one in ids)
    assert AMAL in done(product, "users", "show", ids[0])
    assert amal.get("/api/user/profile").status_code == 200
