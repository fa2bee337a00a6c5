"""Draws every style and subject on one sheet, and says what each style costs in processor time.

    python bench/contact_sheet.py docs/pictures/simulator-styles.png

Look at the sheet whenever the renderer changes.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from madar.simulator.renderer import STYLES, Picture, Style, render

SUBJECTS = (
    "a red rocket",
    "a heart",
    "a green tree",
    "a house",
    "a mushroom",
    "a robot",
    "an orange cat",
    "فانوس رمضان ذهبي",
    "a crescent",
    "a cup of coffee",
    "a planet",
    "a star",
)
CELL_PX = 124
DRAWN_PX = 1024
SQUARE_PX = 10


def main(path: Path) -> None:
    rows = [row_of(style) for style in STYLES]
    colours = on_checkerboard(np.concatenate(rows, axis=0))
    image: Any = pyvips.Image.new_from_array(colours, interpretation="srgb")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.pngsave(str(path), palette=True, Q=94, dither=0.6, effort=10)
    print(f"{path}: {image.width} × {image.height}, {path.stat().st_size // 1000} kB")


def row_of(style: Style) -> np.ndarray:
    costs: list[float] = []
    cells: list[np.ndarray] = []
    for seed, prompt in enumerate(SUBJECTS):
        began = time.process_time()
        picture = drawn(prompt, style, seed)
        costs.append(time.process_time() - began)
        cells.append(shrunk(picture))
    worst, median = max(costs), statistics.median(costs)
    print(f"{style:16} median {median * 1000:4.0f} ms, worst {worst * 1000:4.0f} ms of CPU")
    return np.concatenate(cells, axis=1)


def drawn(prompt: str, style: Style, seed: int) -> Picture:
    return render(prompt, style=style, seed=seed, width_px=DRAWN_PX, height_px=DRAWN_PX)


def shrunk(picture: Picture) -> np.ndarray:
    image: Any = pyvips.Image.new_from_array(picture.rgba, interpretation="srgb")
    return image.thumbnail_image(CELL_PX).numpy()


def on_checkerboard(rgba: np.ndarray) -> np.ndarray:
    down, across = np.indices(rgba.shape[:2]) // SQUARE_PX
    board = np.where((down + across) % 2, 255, 236)[..., None]
    alpha = rgba[..., 3:] / 255
    return np.rint(rgba[..., :3] * alpha + board * (1 - alpha)).astype(np.uint8)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
