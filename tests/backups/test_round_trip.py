"""`madar backup`, everything wiped, `madar restore`: the same product for the same people."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from starlette.datastructures import Secret

from madar.local.postgres import Server
from tests.api.test_create_from_picture import uploaded
from tests.backups.commands import run
from tests.buckets import S3
from tests.conftest import Start
from tests.faults.odd_fal import Hand, led
from tests.product import Json, Person, Product
from tests.simulator.harness import CUT_OUT, DRAW

CREATED = ("قمر \\N", "a \\. moon\\")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a product keeps its pictures, before everything is wiped and after."""

    before: Json
    after: Json
    wipe: Callable[[], None]


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Place(
            before={"storage": str(tmp_path / "files")},
            after={"storage": str(tmp_path / "new files")},
            wipe=lambda: None,
        )
    s3: S3 = request.getfixturevalue("s3")
    return Place(before=s3.settings, after=s3.settings, wipe=s3.clear)


def seen_by(person: Person, *, but: str) -> list[Any]:
    """Who it is, gallery and trash, with the hash of what each link leads to in its place."""
    paths = ("/api/auth/user", "/api/generations", "/api/trash")
    return [_followed(person.get(path).raise_for_status().json(), but) for path in paths]


def _followed(told: Any, but: str) -> Any:
    if isinstance(told, dict):
        named = cast("Json", told)
        return {name: _followed(value, but) for name, value in named.items()}
    if isinstance(told, list):
        several = cast("list[Any]", told)
        return [_followed(one, but) for one in several if but not in str(one)]
    if isinstance(told, str) and "/files/" in told:
        with httpx.Client(follow_redirects=True, trust_env=False, verify=False) as http:
            return sha256(http.get(told).raise_for_status().content).hexdigest()
    return told


def sent(product: Product, endpoint: str) -> int:
    return sum(one["endpointId"] == endpoint for one in product.submissions())


def test_everything_is_as_it_was_and_what_was_begun_ends(
    start: Start, place: Place, postgres_server: Server, tmp_path: Path
) -> None:
    product = start(**place.before, trash_days=1)
    amal = product.sign_in()
    upload_id = uploaded(amal)["id"]
    kept, thrown = (amal.create(textPrompt=words)["id"] for words in CREATED)
    with product.working():
        assert {amal.finished(one)["status"] for one in (kept, thrown)} == {"completed"}
    begun = amal.create(sourceUploadId=upload_id, inputType="image")["id"]

    async def lead(hand: Hand) -> None:
        await hand.until_step(UUID(begun), "draw")

    led(product.settings, lead)
    amal.http.delete(f"/api/generations/{thrown}").raise_for_status()
    before = seen_by(amal, but=begun)
    file = tmp_path / "madar.tar"

    written = run(product.settings, "backup", file)
    busy = run(product.settings, "restore", file, "--yes")
    place.wipe()
    url = postgres_server.create_database(f"restored_{product.settings.port}")
    target = {"database_url": Secret(url), **_named(place.after)}
    restored = run(product.settings.model_copy(update=target), "restore", file, "--yes")

    assert (written.exit_code, written.stdout[:20]) == (0, str(file)[:20]), written.output
    assert (busy.exit_code, "Madar is running" in busy.stderr) == (1, True), busy.output
    assert restored.exit_code == 0, restored.output
    subprocess.run(["tar", "-tf", file], check=True, capture_output=True)

    again = start(**place.after, dsn=url, trash_days=1, submit_unknown_after_s=0.2)
    her = Person(again.url, amal.token, amal.cookie)
    again.open.enter_context(her.http)
    assert seen_by(her, but=begun) == before
    assert again.sign_in().get("/api/auth/user").json() == before[0]
    with again.working():
        assert her.finished(begun)["status"] == "completed"
    submissions = [sum(sent(one, name) for one in (product, again)) for name in (DRAW, CUT_OUT)]
    assert submissions == [2, 3]


def _named(settings: Json) -> Json:
    return {"storage_dir" if name == "storage" else name: v for name, v in settings.items()}
