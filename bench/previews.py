"""Draws the sample picture of each style that GET /api/styles points at.

python bench/previews.py madar/api/previews
"""

import sys
from pathlib import Path

from madar.imaging.renditions import finalize
from madar.simulator.renderer import STYLES, Style, render, to_png

SUBJECTS: dict[Style, str] = {
    "voxel-3d": "a small rocket",
    "minimal-icon": "a house with a tree",
    "glass-morphism": "a red heart",
    "neon-glow": "a planet with a ring",
    "toy-figurine": "an orange cat",
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for style in STYLES:
        picture = render(SUBJECTS[style], style=style, seed=1, width_px=1024, height_px=1024)
        (folder / f"{style}.webp").write_bytes(finalize(to_png(picture.rgba)).thumbnail_webp)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
