"""What the simulator understands of a prompt, in English and Arabic."""

import pytest

from madar.simulator.renderer import scene_of, translate
from madar.simulator.renderer.scene import asked_colours
from madar.simulator.renderer.subjects import SUBJECTS

VOXEL = "voxel art 3D icon of {}, isometric, studio light, plain light grey background"


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        ("a spaceship", "rocket"),
        ("two hearts", "heart"),
        ("pine trees", "tree"),
        ("tiny cottages", "house"),
        ("a toadstool", "mushroom"),
        ("Robots!", "robot"),
        ("kitties", "cat"),
        ("a fanous", "lantern"),
        ("the moon", "crescent"),
        ("a mug of tea", "cup"),
        ("planets", "planet"),
        ("STARS", "star"),
        ("صاروخ", "rocket"),
        ("الصاروخ", "rocket"),
        ("للصاروخ", "rocket"),
        ("صواريخ", "rocket"),
        ("صَارُوخٌ", "rocket"),
        ("صـــاروخ", "rocket"),
        ("والقلوب", "heart"),
        ("أشجار", "tree"),
        ("منزل", "house"),
        ("فطر", "mushroom"),
        ("بالروبوت", "robot"),
        ("قطتان", "cat"),
        ("فانوس", "lantern"),
        ("كالهلال", "crescent"),
        ("فنجان شاي", "cup"),
        ("كواكب", "planet"),
        ("نجمات", "star"),
    ],
)
def test_finds_the_subject_inside_a_whole_prompt(words: str, subject: str) -> None:
    assert scene_of(VOXEL.format(words), 1).subject == subject


def test_an_unknown_word_keeps_its_subject_whatever_the_seed() -> None:
    subjects = {scene_of("a dragon", seed).subject for seed in range(5)}

    assert len(subjects) == 1
    assert subjects < set(SUBJECTS)


def test_colour_codes_beat_colour_words() -> None:
    prompt = VOXEL.format("a green rocket") + " using colors: red (#FF0000), sky blue (#3e7bfa)"

    assert asked_colours(prompt) == ["#ff0000", "#3e7bfa"]


def test_colour_words_beat_the_palette_of_the_hash() -> None:
    palettes = [scene_of("a navy heart", seed).palette for seed in range(6)]

    assert {palette.primary for palette in palettes} == {"#1d3270"}
    assert len({palette.second for palette in palettes}) > 1


@pytest.mark.parametrize(
    "prompt",
    [
        VOXEL.format("a heart"),
        "a heart on a plain white seamless background",
        "a heart under red light",
        "قلب على خلفية بيضاء",
        "neon glass toy figurine of a heart, black backdrop",
    ],
)
def test_colours_of_ground_and_light_are_not_the_subjects(prompt: str) -> None:
    assert asked_colours(prompt) == []


def test_a_colour_before_the_subject_counts_though_a_background_follows() -> None:
    assert asked_colours("a red cat on a white background") == ["#e0282e"]


@pytest.mark.parametrize(
    ("arabic", "english"),
    [
        ("صاروخ أحمر", "red rocket"),
        ("فانوس رمضان ذهبي", "golden Ramadan lantern"),
        ("كوب قهوة", "coffee cup"),
        ("الصاروخ الأحمر الكبير في السماء", "the big red rocket in the sky"),
        ("قطة برتقالية صغيرة، وفطر أحمر", "small orange cat, and red mushroom"),
        ("صاروخ زمردة", "rocket زمردة"),
        ("red rocket", "red rocket"),
    ],
)
def test_translates_word_by_word_in_english_order(arabic: str, english: str) -> None:
    assert translate(arabic) == english
