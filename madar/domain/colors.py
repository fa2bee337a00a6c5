"""Colours as people and prompts name them: forty names in two languages, and the nearest to a hex.

A picture model knows "sky blue" better than #3e7bfa, so a prompt says both.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coloraide import Color

_HEX = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_SHORT_DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class NamedColor:
    hex: str
    english: str
    arabic: str


# Shades in the middle of what a name covers, not CSS's corners of the RGB cube: a royal blue is
# farther from #0000ff than from violet.
COLORS = tuple(
    NamedColor(hex=hex_code, english=english, arabic=arabic)
    for hex_code, english, arabic in (
        ("#ff0000", "red", "أحمر"),
        ("#dc143c", "crimson", "قرمزي"),
        ("#800020", "burgundy", "خمري"),
        ("#ff7f50", "coral", "مرجاني"),
        ("#ffc0cb", "pink", "وردي"),
        ("#ff69b4", "hot pink", "زهري"),
        ("#ff00ff", "fuchsia", "فوشيا"),
        ("#ffa500", "orange", "برتقالي"),
        ("#b7410e", "rust", "صدئي"),
        ("#ffcba4", "peach", "خوخي"),
        ("#ffd700", "gold", "ذهبي"),
        ("#ffff00", "yellow", "أصفر"),
        ("#c99700", "mustard", "خردلي"),
        ("#fffdd0", "cream", "كريمي"),
        ("#e1d3b3", "beige", "بيج"),
        ("#8b4513", "brown", "بني"),
        ("#4b2e1e", "dark brown", "بني داكن"),
        ("#808000", "olive", "زيتوني"),
        ("#b2e600", "lime", "أخضر ليموني"),
        ("#00b800", "green", "أخضر"),
        ("#b4f2b4", "light green", "أخضر فاتح"),
        ("#0b4d1e", "dark green", "أخضر داكن"),
        ("#2fc58a", "emerald", "زمردي"),
        ("#98ffcc", "mint", "نعناعي"),
        ("#93c572", "pistachio", "فستقي"),
        ("#40e0d0", "turquoise", "فيروزي"),
        ("#008080", "teal", "أزرق مخضر"),
        ("#00ffff", "cyan", "سيان"),
        ("#55a8f5", "sky blue", "أزرق سماوي"),
        ("#0a2fe8", "blue", "أزرق"),
        ("#000080", "navy", "كحلي"),
        ("#4b0082", "indigo", "نيلي"),
        ("#800080", "purple", "أرجواني"),
        ("#8f3fff", "violet", "بنفسجي"),
        ("#b9a3e3", "lavender", "خزامي"),
        ("#ffffff", "white", "أبيض"),
        ("#000000", "black", "أسود"),
        ("#808080", "gray", "رمادي"),
        ("#c0c0c0", "silver", "فضي"),
        ("#36454f", "charcoal", "فحمي"),
    )
)


def parse_hex(text: str) -> str | None:
    """Turn "#ABC", "abc" or " #AABBCC " into "#aabbcc"; nothing for anything else."""
    found = _HEX.fullmatch(text.strip(" \t\r\n"))
    if not found:
        return None
    digits = found[1].lower()
    if len(digits) == _SHORT_DIGITS:
        digits = "".join(digit * 2 for digit in digits)
    return f"#{digits}"


@lru_cache(maxsize=4096)
def nearest_color(hex_code: str) -> NamedColor:
    """Find the name closest to the eye, by CIEDE2000. Raises ValueError if it is no hex colour."""
    wanted = _color(hex_code)
    distances = {
        color: wanted.delta_e(shade, method="2000")
        for color, shade in zip(COLORS, _shades(), strict=True)
    }
    return min(distances, key=distances.__getitem__)


def color_phrase(hexes: Iterable[str]) -> str:
    """Name the colours for a prompt: "red (#ff0000), sky blue (#3e7bfa)"."""
    return ", ".join(f"{nearest_color(code).english} ({code})" for code in hexes)


@cache
def _shades() -> "tuple[Color, ...]":
    return tuple(_color(color.hex) for color in COLORS)


def _color(hex_code: str) -> "Color":
    # Loading coloraide takes as long as all of `madar --help` may.
    from coloraide import Color  # noqa: PLC0415

    parsed = parse_hex(hex_code)
    if parsed is None:
        raise ValueError("not a hex colour")
    return Color(parsed)
