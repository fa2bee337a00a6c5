"""Five styles and four subjects on a checkerboard, for light and for dark pages."""

from pathlib import Path
from typing import Any

import pyvips

from madar.simulator.renderer import STYLES
from tests.product import Person, Product

# In the order in which they stand: two subjects to a line, five styles each.
SUBJECTS = (
    ("a red rocket", 7),
    ("an orange cat", 3),
    ("فانوس رمضان ذهبي", 4),
    ("a cup of coffee", 2),
)
ACROSS = 10
CELL_PX = 166
ROOM_PX = 10
SQUARE_PX = 20
# The studio's own boards (checker A and B).
BOARDS = {"light": ("#ffffff", "#e9e7e2"), "dark": ("#232227", "#2c2b31")}


def draw(product: Product, folder: Path) -> list[Path]:
    with product.working():
        cells = [_cell(one) for one in _made(product.sign_in())]
    return [_write(cells, theme, folder / f"hero-{theme}.png") for theme in BOARDS]


def _made(person: Person) -> list[bytes]:
    """The masters, as anybody downloads them."""
    asked = [
        person.create(style=style, textPrompt=prompt, seed=seed)["id"]
        for prompt, seed in SUBJECTS
        for style in STYLES
    ]
    results = [person.finished(one, deadline_s=300)["result"] for one in asked]
    return [person.get(result["masterUrl"]).content for result in results]


def _cell(master: bytes) -> Any:
    """Its subject alone, as large as all the others."""
    image: Any = pyvips.Image.new_from_buffer(master, "")
    left, top, width, height = image.extract_band(3).find_trim(background=[0], threshold=24)
    subject = image.crop(left, top, width, height)
    side_px = CELL_PX - 2 * ROOM_PX
    small = subject.thumbnail_image(side_px, height=side_px)
    return small.gravity("centre", CELL_PX, CELL_PX)


def _write(cells: list[Any], theme: str, path: Path) -> Path:
    picture: Any = pyvips.Image.arrayjoin(cells, across=ACROSS)
    board = _board(picture.width, picture.height, *BOARDS[theme])
    picture = board.composite2(picture, "over").extract_band(0, n=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.pngsave(str(path), palette=True, Q=92, dither=0.5, effort=10)
    return path


def _board(width: int, height: int, one: str, other: str) -> Any:
    at = pyvips.Image.xyz(width, height) / SQUARE_PX
    is_odd: Any = (at[0].floor() + at[1].floor()) % 2 == 1
    colours = [list(bytes.fromhex(text.removeprefix("#"))) for text in (other, one)]
    return is_odd.ifthenelse(*colours).cast("uchar").copy(interpretation="srgb")
