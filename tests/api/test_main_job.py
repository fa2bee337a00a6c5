"""The main job: a sentence in either language becomes a transparent PNG, again and again."""

from typing import Any

import httpx
import pytest
import pyvips

from tests.product import Person, Product


def _picture(amal: Person, generation_id: str) -> bytes:
    link = amal.get(f"/api/generations/{generation_id}/download").json()
    answer = httpx.get(link["downloadUrl"], trust_env=False, verify=False)
    assert answer.headers["content-type"] == "image/png"
    return answer.content


def _alpha(picture: bytes) -> Any:
    image: Any = pyvips.Image.new_from_buffer(picture, "")
    assert image.bands == 4
    return image.extract_band(3)


@pytest.mark.parametrize(
    ("style", "prompt"),
    [
        ("voxel-3d", "a red rocket"),
        ("minimal-icon", "بيت أزرق"),
        ("glass-morphism", "صاروخ أحمر"),
        ("neon-glow", "an orange cat"),
        ("toy-figurine", "فانوس رمضان ذهبي"),
    ],
)
def test_a_sentence_becomes_a_transparent_picture(
    product: Product, amal: Person, style: str, prompt: str
) -> None:
    with product.working():
        made = amal.create(style=style, textPrompt=prompt)
        done = amal.finished(made["id"])

    assert done["status"] == "completed", done
    assert done["prompt"] == prompt
    alpha = _alpha(_picture(amal, made["id"]))
    right, bottom = alpha.width - 1, alpha.height - 1
    corners = [alpha.getpoint(x, y)[0] for x in (0, right) for y in (0, bottom)]
    assert corners == [0, 0, 0, 0]
    covered = (alpha > 64).avg() / 255
    assert 0.03 < covered < 0.9
    if style in {"glass-morphism", "neon-glow"}:
        partly = ((alpha > 12) & (alpha < 242)).avg() / 255
        assert partly > 0.01


def test_the_same_prompt_and_seed_give_the_same_bytes(product: Product, amal: Person) -> None:
    with product.working():
        ids = [amal.create(seed=seed)["id"] for seed in (5, 5, 6)]
        for each in ids:
            assert amal.finished(each)["status"] == "completed"

    first, same, other = (_picture(amal, each) for each in ids)
    assert first == same
    assert first != other


def test_progress_only_grows_and_ends_at_100(product: Product, amal: Person) -> None:
    with product.working():
        made = amal.create(textPrompt="a star [sim:slow]")
        seen: list[int] = []
        while True:
            now = amal.status(made["id"])
            seen.append(now["progress"])
            if now["status"] == "completed":
                break
            assert now["status"] in {"queued", "processing"}
            assert now["progress"] < 100

    assert seen == sorted(seen)
    assert seen[-1] == 100


def test_an_arabic_prompt_reaches_fal_in_english(product: Product, amal: Person) -> None:
    with product.working():
        made = amal.create(textPrompt="صاروخ أحمر")
        amal.finished(made["id"])

    kept = product.rows("SELECT prompt, prompt_english FROM generations")[0]
    assert kept["prompt"] == "صاروخ أحمر"
    assert "rocket" in kept["prompt_english"]
    draws = [one for one in product.submissions() if one["endpointId"] == "fal-ai/flux-lora"]
    assert kept["prompt_english"] in draws[-1]["input"]["prompt"]
