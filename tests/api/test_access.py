"""Who may do what with whose: every operation, asked by everybody, about everything."""

import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from madar.api.routes import resources
from tests.api.looking import finish, problem_in, without_id
from tests.imaging.pictures import photo, png
from tests.product import BADR, ROCKET, Json, Person, Product

pytestmark = pytest.mark.standing(trash_days=30)

PICTURE = png(photo())
DIFFERS = {"x-request-id", "date", "ratelimit"}  # the last counts down


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a good request of it brings along, and what is answered to whom."""

    anybody: int = 401
    owner: int = 200
    given: Json = field(default_factory=dict[str, Any])

    @property
    def is_public(self) -> bool:
        return self.anybody != 401 or not self.owner


# Public ones answer everybody alike; 401 with `owner=0` is the refusal of what was sent.
MATRIX: dict[tuple[str, str], Operation] = {
    ("GET", "/api/auth/google/url"): Operation(anybody=200),
    ("GET", "/api/auth/google/callback"): Operation(owner=0),
    ("POST", "/api/auth/google/callback"): Operation(
        owner=0, given={"json": {"code": "x", "state": "x"}}
    ),
    ("GET", "/api/auth/user"): Operation(),
    ("POST", "/api/auth/logout"): Operation(),
    ("GET", "/api/auth/sessions"): Operation(),
    ("DELETE", "/api/auth/sessions"): Operation(owner=204),
    ("DELETE", "/api/auth/sessions/{id}"): Operation(owner=204),
    ("GET", "/api/generations"): Operation(),
    ("POST", "/api/generations"): Operation(owner=201, given={"json": ROCKET}),
    ("GET", "/api/generations/{id}"): Operation(),
    ("PATCH", "/api/generations/{id}"): Operation(given={"json": {"isLiked": True}}),
    ("DELETE", "/api/generations/{id}"): Operation(owner=204),
    ("GET", "/api/generations/{id}/events"): Operation(),
    ("GET", "/api/generations/{id}/download"): Operation(),
    # Neither has anything to do for what is completed, but says so to its owner only.
    ("POST", "/api/generations/{id}/cancel"): Operation(owner=409),
    ("POST", "/api/generations/{id}/retry"): Operation(owner=409),
    ("POST", "/api/generations/{id}/restore"): Operation(),
    ("POST", "/api/live/ticket"): Operation(owner=201),
    ("GET", "/api/trash"): Operation(),
    ("DELETE", "/api/trash"): Operation(owner=204),
    ("DELETE", "/api/trash/{id}"): Operation(owner=204),
    ("DELETE", "/api/user"): Operation(owner=202),
    ("GET", "/api/user/profile"): Operation(),
    ("PATCH", "/api/user/profile"): Operation(given={"json": {"language": "en"}}),
    ("GET", "/api/user/stats"): Operation(),
    ("GET", "/api/user/export"): Operation(),
    ("POST", "/api/uploads/image"): Operation(
        owner=201, given={"files": {"image": ("a.png", PICTURE)}}
    ),
    ("GET", "/api/styles"): Operation(anybody=200),
    ("GET", "/api/health"): Operation(anybody=200),
    ("POST", "/api/webhooks/fal"): Operation(owner=0, given={"json": {}}),
}
SIGNED_IN = {key: one for key, one in MATRIX.items() if not one.is_public}
PUBLIC = {key: one for key, one in MATRIX.items() if one.is_public}
WITH_ID = {key: one for key, one in SIGNED_IN.items() if "{id}" in key[1]}


@dataclass(frozen=True, kw_only=True)
class Things:
    """Ids that an operation may be asked about, by what they are."""

    generations: dict[str, str]
    trash: dict[str, str]
    sessions: dict[str, str]

    def of(self, path: str) -> dict[str, str]:
        if "{id}" not in path:
            return {"": ""}
        if "trash" in path or "restore" in path:
            return self.trash
        return self.sessions if "sessions" in path else self.generations


def with_malformed(existing: str, deleted: str) -> dict[str, str]:
    return {
        "existing": existing,
        "deleted": deleted,
        "random": str(uuid4()),
        "a word": "not-an-id",
        "a number": "1",
        "upper case": existing.upper() if existing.upper() != existing else "A" * 36,
        "no dashes": existing.replace("-", ""),
        "braces": f"{{{existing}}}",
        "urn": f"urn:uuid:{existing}",
        "space": f"{existing} ",
        "NUL": "%00",
        "letters": "صورة",
        "Arabic digits": f"{existing[:-1]}٣",
        "long": "a" * 1000,
    }


def things_of(product: Product, person: Person) -> Things:
    """Completed, trashed and deleted pictures, living and ended sessions."""
    existing, trashed, deleted = (person.create()["id"] for _ in range(3))
    for one in (existing, trashed, deleted):
        finish(product, one)
    for one, permanent in ((trashed, "false"), (deleted, "true")):
        query = {"permanent": permanent}
        answer = person.http.delete(f"/api/generations/{one}", params=query)
        assert answer.status_code == 204
    here = person.get("/api/auth/sessions").json()["sessions"][0]["id"]
    email = person.get("/api/user/profile").json()["email"]
    other = product.sign_in(email)
    ended = next(
        one["id"] for one in other.get("/api/auth/sessions").json()["sessions"] if one["isCurrent"]
    )
    assert other.post("/api/auth/logout").status_code == 200
    return Things(
        generations=with_malformed(existing, deleted),
        trash=with_malformed(trashed, deleted),
        sessions=with_malformed(here, ended),
    )


def credentials(product: Product, person: Person | None) -> Iterator[tuple[str, Json]]:
    """Cookie, as from one of our pages, and bearer token."""
    if person is None:
        yield "nothing", {"Origin": product.url}
        return
    yield "cookie", {"Cookie": f"madar={person.cookie}", "Origin": product.url}
    yield "bearer", {"Authorization": f"Bearer {person.token}", "Origin": product.url}


def verbs(verb: str) -> tuple[str, ...]:
    return ("GET", "HEAD") if verb == "GET" else (verb,)


def seen(answer: httpx.Response) -> Json:
    """All that could tell two answers apart."""
    headers = {name: value for name, value in answer.headers.items() if name not in DIFFERS}
    body = without_id(answer) if answer.content else None
    return {"status": answer.status_code, "headers": headers, "body": body}


@pytest.fixture
def dead(product: Product) -> dict[str, Person | None]:
    """People that may do nothing, and nobody."""
    people = {
        name: product.sign_in(f"{name}@madar.test")
        for name in ("deactivated", "deleted", "expired", "out")
    }
    for person in people.values():
        person.create()
    product.execute("UPDATE users SET is_active = false WHERE email LIKE 'deactivated%%'")
    product.execute(
        "UPDATE user_sessions SET expires_at = now() - interval '1 second' FROM users u"
        " WHERE u.id = user_id AND u.email LIKE 'expired%%'"
    )
    assert people["deleted"].http.delete("/api/user").status_code == 202
    assert people["out"].post("/api/auth/logout").status_code == 200
    return {"anonymous": None, **people}


def test_every_operation_has_its_row() -> None:
    declared = {
        (verb, resource.path): operation
        for resource in resources
        for verb, operation in resource.operations.items()
    }

    assert declared.keys() == MATRIX.keys()
    for key, operation in declared.items():
        assert operation.is_signed_in == (key in SIGNED_IN), key


def test_who_is_nobody_any_more_learns_nothing(
    product: Product, amal: Person, dead: dict[str, Person | None]
) -> None:
    things = things_of(product, amal)
    own = product.rows(
        "SELECT g.id::text FROM generations g JOIN users u ON u.id = g.user_id"
        " WHERE u.email NOT LIKE 'amal%%'"
    )
    things.generations.update({f"own {n}": row["id"] for n, row in enumerate(own)})
    before = product.rows("SELECT * FROM generations ORDER BY id")
    asked = 0

    for (verb, path), operation in SIGNED_IN.items():
        for method in verbs(verb):
            first: Json = {}
            for name, person in dead.items():
                for kind, headers in credentials(product, person):
                    with product.anonymous(**headers) as http:
                        for what, thing in things.of(path).items():
                            url = path.replace("{id}", thing)
                            answer = http.request(method, url, **operation.given)
                            first = first or seen(answer)
                            asked += 1
                            assert seen(answer) == first, (method, path, name, kind, what)
            assert first["status"] == 401, (method, path)
            assert method == "HEAD" or first["body"]["code"] == "not_signed_in"

    assert asked > 1000
    assert product.rows("SELECT * FROM generations ORDER BY id") == before


def test_who_asks_comes_before_what_is_asked(
    product: Product, dead: dict[str, Person | None]
) -> None:
    wrong = {
        "/api/generations": {"page": "x", "secret": "1"},
        "/api/auth/user": {"x": "1"},
        f"/api/generations/{uuid4()}/download": {"x": "1"},
    }
    for path, query in wrong.items():
        for person in dead.values():
            for _, headers in credentials(product, person):
                with product.anonymous(**headers) as http:
                    problem_in(http.get(path, params=query), 401, "not_signed_in")


def test_what_is_public_is_the_same_for_everybody(
    product: Product, badr: Person, dead: dict[str, Person | None]
) -> None:
    for (verb, path), operation in PUBLIC.items():
        for method in verbs(verb):
            for name, person in {**dead, "badr": badr}.items():
                for kind, headers in credentials(product, person):
                    with product.anonymous(**headers) as http:
                        answer = http.request(method, path, **operation.given)
                    assert answer.status_code == operation.anybody, (method, path, name, kind)


def test_what_is_not_yours_is_what_is_not_there(
    product: Product, amal: Person, badr: Person
) -> None:
    things = things_of(product, amal)
    mine = things_of(product, badr)
    before = product.rows("SELECT * FROM generations ORDER BY id")
    asked = 0

    for (verb, path), operation in WITH_ID.items():
        ids = {**things.of(path), "own deleted": mine.of(path)["deleted"]}
        for method in verbs(verb):
            first: Json = {}
            for kind, headers in credentials(product, badr):
                with product.anonymous(**headers) as http:
                    for what, thing in ids.items():
                        url = path.replace("{id}", thing)
                        answer = http.request(method, url, **operation.given)
                        first = first or seen(answer)
                        asked += 1
                        assert seen(answer) == first, (method, path, kind, what)
            assert first["status"] == 404, (method, path)
            assert method == "HEAD" or first["body"]["code"] == "not_found"

    assert asked > 200
    assert product.rows("SELECT * FROM generations ORDER BY id") == before
    assert amal.get("/api/auth/user").status_code == 200


def test_nor_does_a_wrong_body_tell_them_apart(
    product: Product, amal: Person, badr: Person
) -> None:
    things = things_of(product, amal)
    bodies: tuple[Any, ...] = ({"isLiked": 1}, {"userId": "x"}, [])
    for body in bodies:
        answers = [
            badr.http.patch(f"/api/generations/{things.generations[what]}", json=body)
            for what in ("existing", "deleted", "random")
        ]

        assert answers[0].status_code in {400, 422}
        assert [seen(answer) for answer in answers] == [seen(answers[0])] * 3


def test_what_is_yours_is_yours(product: Product) -> None:
    """So that the refusals above mean something: the same requests, by the owner."""
    for n, ((verb, path), operation) in enumerate(SIGNED_IN.items()):
        for kind in ("cookie", "bearer"):
            for method in verbs(verb):
                owner = product.sign_in(f"owner-{n}-{kind}-{method}@madar.test".lower())
                things = things_of(product, owner) if "{id}" in path else None
                thing = things.of(path)["existing"] if things else ""
                headers = dict(credentials(product, owner))[kind]
                with product.anonymous(**headers) as http:
                    url = path.replace("{id}", thing)
                    answer = http.request(method, url, **operation.given)
                assert answer.status_code == operation.owner, (method, path, kind, answer.text)


def test_a_file_of_somebody_else_is_no_source(product: Product, amal: Person, badr: Person) -> None:
    source = amal.post("/api/uploads/image", files={"image": ("a.png", PICTURE)}).json()
    wish = {**ROCKET, "inputType": "image"}

    def ask(**source_of: str) -> Json:
        return seen(badr.post("/api/generations", json={**wish, **source_of}))

    foreign, absent = ask(sourceUploadId=source["id"]), ask(sourceUploadId=str(uuid4()))
    foreign_url = ask(sourceImageUrl=source["url"])

    assert foreign == absent
    assert (foreign["status"], foreign["body"]["code"]) == (422, "source_unknown")
    assert (foreign_url["status"], foreign_url["body"]["code"]) == (422, "source_unknown")
    assert product.rows("SELECT id FROM generations") == []


def test_sockets_keep_the_same_secrets(
    product: Product, amal: Person, dead: dict[str, Person | None]
) -> None:
    things = things_of(product, amal)
    badr = product.sign_in(BADR)
    with product.socket(Authorization=f"Bearer {badr.token}") as socket:
        answers: list[Json] = []
        for thing in things.generations.values():
            socket.send(json.dumps({"type": "join:generation", "generationId": thing}))
            answer: Json = json.loads(socket.recv(timeout=15))
            answers.append({name: answer[name] for name in answer if name != "generationId"})
    for name, person in dead.items():
        token = person.token if person else "x"
        with product.socket() as socket:
            socket.send(json.dumps({"type": "auth", "token": token}))
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=15)
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 4401, name

    assert answers == [answers[0]] * len(answers)
    assert answers[0]["code"] == "not_found"


def test_other_peoples_and_absent_take_as_long(
    product: Product, amal: Person, badr: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured and told; how long a busy machine takes proves nothing."""
    existing = things_of(product, amal).generations["existing"]
    took: dict[str, list[float]] = {"other's": [], "absent": []}

    for _ in range(100):
        for what, thing in {"other's": existing, "absent": str(uuid4())}.items():
            began = time.perf_counter()
            answer = badr.get(f"/api/generations/{thing}")
            took[what].append((time.perf_counter() - began) * 1000)
            problem_in(answer, 404, "not_found")

    medians = {what: f"{statistics.median(each):.2f} ms" for what, each in took.items()}
    with capsys.disabled():
        print(f"\n[medians of 100: {medians}]")  # noqa: T201
