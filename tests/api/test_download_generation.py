"""GET /api/generations/{id}/download."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.api.looking import finish, is_arabic, problem_in, without_id
from tests.product import Person, Product

pytestmark = pytest.mark.standing


def test_the_link_saves_the_master_under_a_speaking_name(product: Product, amal: Person) -> None:
    created = amal.create(textPrompt="A red  Rocket!", style="glass-morphism")
    finish(product, created["id"], picture=b"the master")

    answer = amal.get(f"/api/generations/{created['id']}/download")

    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told.keys() == {"downloadUrl", "filename", "expiresAt"}
    assert told["filename"] == "madar-a-red-rocket-glass-morphism.png"
    left = datetime.fromisoformat(told["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=15)
    with product.anonymous() as http:
        file = http.get(told["downloadUrl"])
    assert file.content == b"the master"
    assert file.headers["content-type"] == "image/png"
    assert file.headers["content-disposition"] == (
        'attachment; filename="madar-a-red-rocket-glass-morphism.png"; '
        "filename*=UTF-8''madar-a-red-rocket-glass-morphism.png"
    )


def test_letters_of_any_script_stay_in_the_name(product: Product, amal: Person) -> None:
    names = {
        "صاروخ أحمر": ("صاروخ-أحمر-voxel-3d.png", "voxel-3d.png"),
        "🚀": ("voxel-3d.png", "voxel-3d.png"),
        '\u202egnp.exe"; \\ /../x': ("gnp-exe-x-voxel-3d.png", "gnp-exe-x-voxel-3d.png"),
        "x" * 100: (f"{'x' * 60}-voxel-3d.png", f"{'x' * 60}-voxel-3d.png"),
    }

    for prompt, (full, plain) in names.items():
        created = amal.create(textPrompt=prompt)
        finish(product, created["id"])
        told = amal.get(f"/api/generations/{created['id']}/download").json()
        with product.anonymous() as http:
            file = http.head(told["downloadUrl"])

        assert told["filename"] == f"madar-{full}"
        assert file.headers["content-disposition"] == (
            f"attachment; filename=\"madar-{plain}\"; filename*=UTF-8''madar-{quote(full)}"
        )


def test_until_it_is_completed_there_is_nothing_to_download(product: Product, amal: Person) -> None:
    waiting, failed = amal.create()["id"], amal.create()["id"]
    product.execute("UPDATE generations SET state = 'failed', error_code = 'timeout',"
                    " next_action_at = NULL WHERE id = %s", failed)  # fmt: skip

    answers = [amal.get(f"/api/generations/{one}/download") for one in (waiting, failed)]

    for answer in answers:
        problem_in(answer, 404, "not_found")


def test_what_is_not_yours_is_not_there(product: Product, amal: Person, badr: Person) -> None:
    mine = amal.create()["id"]
    finish(product, mine)

    answers = [badr.get(f"/api/generations/{one}/download") for one in (mine, uuid4(), "1")]

    for answer in answers:
        problem_in(answer, 404, "not_found")
        assert without_id(answer) == without_id(answers[0])


def test_nobody_downloads_without_a_session(product: Product, amal: Person) -> None:
    created = amal.create()
    finish(product, created["id"])

    with product.anonymous() as http:
        answer = http.get(f"/api/generations/{created['id']}/download")

    problem_in(answer, 401, "not_signed_in")


def test_a_refusal_speaks_arabic(amal: Person) -> None:
    answer = amal.get(f"/api/generations/{uuid4()}/download", headers={"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 404, "not_found")["detail"])
