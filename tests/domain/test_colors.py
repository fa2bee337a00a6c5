"""Colour names and hex codes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.domain.colors import COLORS, NamedColor, color_phrase, nearest_color, parse_hex

HEX_CODES = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)


def test_forty_names_are_unique_in_both_languages() -> None:
    assert len(COLORS) == 40
    assert len({color.english for color in COLORS}) == 40
    assert len({color.arabic for color in COLORS}) == 40
    assert len({color.hex for color in COLORS}) == 40


def test_arabic_names_are_arabic_letters_and_hex_codes_are_normal() -> None:
    assert all(re.fullmatch(r"[\u0621-\u064a ]+", color.arabic) for color in COLORS)
    assert all(parse_hex(color.hex) == color.hex for color in COLORS)


@pytest.mark.parametrize("color", COLORS, ids=lambda color: color.english)
def test_a_named_colour_is_nearest_to_itself(color: NamedColor) -> None:
    assert nearest_color(color.hex) == color


@pytest.mark.parametrize(
    ("hex_code", "english", "arabic"),
    [
        ("#fe0102", "red", "أحمر"),
        ("#3e7bfa", "sky blue", "أزرق سماوي"),
        ("#0ea5e9", "sky blue", "أزرق سماوي"),
        ("#87ceeb", "sky blue", "أزرق سماوي"),
        ("#30d5c8", "turquoise", "فيروزي"),
        ("#00ff00", "lime", "أخضر ليموني"),
        ("#008000", "green", "أخضر"),
        ("#4169e1", "blue", "أزرق"),
        ("#0000ff", "blue", "أزرق"),
        ("#10104f", "navy", "كحلي"),
        ("#5c4033", "dark brown", "بني داكن"),
        ("#fafafa", "white", "أبيض"),
        ("#0a0a0a", "black", "أسود"),
        ("#7a7a7a", "gray", "رمادي"),
    ],
)
def test_names_a_neighbour_as_the_eye_would(hex_code: str, english: str, arabic: str) -> None:
    nearest = nearest_color(hex_code)

    assert (nearest.english, nearest.arabic) == (english, arabic)


@given(HEX_CODES)
def test_every_hex_code_has_a_name(hex_code: str) -> None:
    assert nearest_color(hex_code) in COLORS


def test_a_name_is_not_given_to_what_is_no_colour() -> None:
    with pytest.raises(ValueError, match="not a hex colour"):
        nearest_color("#12345")


@pytest.mark.parametrize("text", ["#abc", "abc", "#ABC", " #aabbcc ", "AABBCC", "\taabbCC\n"])
def test_reads_the_ways_people_write_hex(text: str) -> None:
    assert parse_hex(text) == "#aabbcc"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "#ab",
        "#abcd",
        "#aabbccdd",
        "##aabbcc",
        "# aabbcc",
        "#ggg",
        "red",
        "#١٢٣",
        "#ａｂｃ",
    ],
)
def test_refuses_everything_else(text: str) -> None:
    assert parse_hex(text) is None


@given(st.text())
def test_reading_any_text_gives_a_normal_code_or_nothing(text: str) -> None:
    parsed = parse_hex(text)

    assert parsed is None or re.fullmatch(r"#[0-9a-f]{6}", parsed)


@given(st.lists(HEX_CODES, max_size=3))
def test_a_phrase_has_every_colour_in_order(hex_codes: list[str]) -> None:
    assert re.findall(r"#[0-9a-f]{6}", color_phrase(hex_codes)) == hex_codes


def test_a_phrase_gives_name_and_code() -> None:
    assert color_phrase(["#ff0000", "#3e7bfa"]) == "red (#ff0000), sky blue (#3e7bfa)"
