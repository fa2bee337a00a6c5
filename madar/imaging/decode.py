"""From untrusted bytes to pixels: PNG, JPEG or WebP by content, whole, still, of sane size.

Runs in the child only. This module is also the border to pyvips, which is untyped in practice: its
stubs want integers where libvips takes words.
"""

from typing import Any, TypeAlias

import pyvips

from madar.imaging import pieces
from madar.imaging.limits import Sides
from madar.imaging.protocol import PictureRefused

vips: Any = pyvips
Image: TypeAlias = Any

_LOADERS = {"png": "Png", "jpeg": "Jpeg", "webp": "Webp"}


def allow_only_known_loaders() -> None:
    """Block every other decoder inside libvips itself, and let it keep nobody's pixels."""
    vips.operation_block_set("VipsForeignLoad", True)
    for name in _LOADERS.values():
        vips.operation_block_set(f"VipsForeignLoad{name}", False)
    vips.cache_set_max(0)


def decode(picture: bytes, sides: Sides) -> Image:
    """Give three or four bands of 8-bit sRGB, upright, in memory. Raises PictureRefused."""
    kind, essence = pieces.essential(picture)
    try:
        image = _opened(essence, kind)
        pieces.check_sides(image.width, image.height, sides)
        if image.get_n_pages() > 1:
            raise PictureRefused("animated")
        if kind == "webp":
            # It decodes at once or not at all, so let its decoder go before there is a copy.
            image.getpoint(0, 0)
        # Every file made from it gets the same resolution: the camera's own is nobody's business.
        return _upright(_as_srgb(image).copy_memory()).copy(xres=1, yres=1)
    except pyvips.Error as error:
        if "out of memory" in str(error):
            raise MemoryError(str(error)) from error
        raise PictureRefused("not_an_image", str(error)) from error


def _opened(picture: bytes, kind: pieces.Kind) -> Image:
    """Read the header only; pixels follow when somebody asks for them."""
    load = getattr(vips.Image, f"{kind}load_buffer")
    access = "random" if kind == "webp" else "sequential"
    return load(picture, access=access, fail_on="error")


def _as_srgb(image: Image) -> Image:
    """Convert by the embedded profile where there is one that can be read."""
    is_print = image.interpretation == "cmyk"
    if is_print or image.get_typeof("icc-profile-data"):
        fallback = {"input_profile": "cmyk" if is_print else "srgb"}
        image = image.icc_transform("srgb", embedded=True, depth=8, **fallback)
    image = image.colourspace("srgb")
    return image if image.format == "uchar" else image.cast("uchar")


def _upright(image: Image) -> Image:
    if image.get_typeof("orientation") and image.get("orientation") != 1:
        image = image.autorot().copy_memory()
    return image
