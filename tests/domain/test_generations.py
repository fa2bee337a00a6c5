"""What may be asked for."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.domain.generations import (
    MAX_SEED,
    GenerationRequest,
    check_request,
    first_step,
    is_arabic,
    next_step,
)
from madar.errors import InvalidInput

GOOD: dict[str, Any] = {
    "style": "voxel-3d",
    "prompt": "a red rocket",
    "input_type": "text",
    "aspect_ratio": "1:1",
    "custom_colors": ("#ff0000",),
    "source_upload_id": None,
    "source_key": None,
    "seed": 7,
}
# Hypothesis leaves half letters out unless they are asked for.
TEXTS = st.text(
    st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\0\n\u200b#-aa "),
    max_size=1100,
)


def taken(**wishes: Any) -> GenerationRequest:
    given: dict[str, Any] = {**GOOD, **wishes}
    return check_request(**given)


def faults_of(**wishes: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        taken(**wishes)
    return [(fault.pointer, fault.code) for fault in refused.value.faults]


def test_a_good_wish_passes_as_it_is() -> None:
    assert check_request(**GOOD) == GenerationRequest(**GOOD)


def test_colours_are_compared_in_lower_case_and_stay_in_order() -> None:
    checked = taken(custom_colors=["#FF00aa", "#00ff00"])

    assert checked.custom_colors == ("#ff00aa", "#00ff00")


@given(
    style=TEXTS,
    prompt=st.none() | TEXTS,
    input_type=st.sampled_from(["text", "image"]) | TEXTS,
    aspect_ratio=st.sampled_from(["1:1", "16:9", "9:16", "4:3"]) | TEXTS,
    custom_colors=st.lists(st.from_regex(r"#[0-9a-fA-F]{6}") | TEXTS, max_size=10),
    source_upload_id=st.none() | st.uuids(),
    source_key=st.none() | TEXTS,
    has_picture=st.booleans(),
    seed=st.none() | st.integers(),
)
def test_any_wish_is_either_taken_or_refused_with_reasons(**wish: Any) -> None:
    refused: InvalidInput | None = None
    try:
        checked = check_request(**wish)
    except InvalidInput as error:
        refused = error
    else:
        assert checked.prompt == wish["prompt"]
        (checked.prompt or "").encode()
        assert "\0" not in (checked.prompt or "")
        assert all(len(color) == 7 for color in checked.custom_colors)
    if refused:
        assert refused.code == refused.faults[0].code
        assert all(fault.pointer.startswith("/") for fault in refused.faults)


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("", "prompt_empty"),
        (" \n\t\r", "prompt_empty"),
        ("\u200b\u2060\u00ad\ufeff", "prompt_empty"),
        ("\u064b\u0301", "prompt_empty"),
        ("x" * 1001, "prompt_too_long"),
        ("a\x00", "prompt_unreadable"),
        ("a\x1b[0m", "prompt_unreadable"),
        ("a\x7f", "prompt_unreadable"),
        ("a\udc00", "prompt_unreadable"),
    ],
)
def test_a_prompt_nobody_could_have_meant(prompt: str, code: str) -> None:
    assert faults_of(prompt=prompt) == [("/textPrompt", code)]


@pytest.mark.parametrize(
    "prompt", ["?", "7", "🚀", "\u200fصاروخ\nأحمر\tجدًا\r\n", "x" * 1000, "𓀀" * 1000, "a\u200db"]
)
def test_a_prompt_somebody_may_mean(prompt: str) -> None:
    assert taken(prompt=prompt).prompt == prompt


def test_seeds_and_sources_have_their_limits() -> None:
    for seed in (0, MAX_SEED):
        assert taken(seed=seed).seed == seed
    for seed in (-1, MAX_SEED + 1):
        assert faults_of(seed=seed) == [("/seed", "seed_out_of_range")]


def test_a_picture_is_made_from_one_source_and_a_sentence_from_none() -> None:
    sources: dict[str, dict[str, Any]] = {
        "/sourceUploadId": {"source_upload_id": uuid4()},
        "/sourceImageUrl": {"source_key": "aa/b.png"},
        "/sourceImage": {"has_picture": True},
    }
    everything: dict[str, Any] = {}
    for place, source in sources.items():
        assert taken(input_type="image", **source).input_type == "image"
        assert faults_of(**source) == [(place, "source_unexpected")]
        everything |= source
    assert faults_of(input_type="image") == [("/sourceImage", "source_missing")]
    assert faults_of(input_type="image", **everything) == [
        ("/sourceImageUrl", "source_repeated"),
        ("/sourceImage", "source_repeated"),
    ]


def test_only_an_arabic_prompt_is_translated_first() -> None:
    assert first_step("صاروخ red", can_translate=True) == "translate"
    assert first_step("a red rocket", can_translate=True) == "draw"
    assert first_step("صاروخ", can_translate=False) == "draw"
    assert first_step(None, can_translate=True) == "draw"
    assert not is_arabic("ROCKET 火箭 🚀")


@pytest.mark.parametrize(
    "prompt",
    ["صاروخ", "موشک قرمز", "گربهٔ نارنجی", "ایک سرخ راکٹ", "ﺻﺎﺭﻭﺥ", "a logo for قهوة"],
    ids=["arabic", "persian", "persian letters", "urdu", "old letter forms", "mixed"],
)
def test_whatever_has_arabic_letters_is_translated(prompt: str) -> None:
    assert first_step(prompt, can_translate=True) == "translate"


def test_a_style_whose_model_gives_alpha_is_not_cut_out() -> None:
    assert next_step("translate", {}) == "draw"
    assert next_step("draw", {"cutout": {"endpoint": "x"}}) == "cutout"
    assert next_step("draw", {"cutout": None}) == next_step("draw", {}) == "finalize"
    assert next_step("cutout", {"cutout": {"endpoint": "x"}}) == "finalize"
