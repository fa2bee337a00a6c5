"""From untrusted bytes to pixels: PNG, JPEG or WebP by content, whole, still, of sane size.

Runs in the child only. This module is also the border to pyvips, which is untyped in practice: its
stubs want integers where libvips takes words.
"""

import zlib
from typing import Any, TypeAlias

import pyvips

from madar.imaging import limits
from madar.imaging.protocol import PictureRefused

vips: Any = pyvips
Image: TypeAlias = Any

_LOADERS = {"png": "Png", "jpeg": "Jpeg", "webp": "Webp"}
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNK_OVERHEAD = 12
_RIFF_HEADER = 8


def allow_only_known_loaders() -> None:
    """Block every other decoder inside libvips itself, and let it keep nobody's pixels."""
    vips.operation_block_set("VipsForeignLoad", True)
    for name in _LOADERS.values():
        vips.operation_block_set(f"VipsForeignLoad{name}", False)
    vips.cache_set_max(0)


def decode(picture: bytes) -> Image:
    """Give three or four bands of 8-bit sRGB, upright, in memory. Raises PictureRefused."""
    kind = _kind_of(picture)
    try:
        image = _opened(picture, kind)
        if image.width * image.height > limits.MAX_PIXELS:
            raise PictureRefused("too_many_pixels")
        if max(image.width, image.height) > limits.MAX_SIDE_PX:
            raise PictureRefused("too_many_pixels")
        if image.get_n_pages() > 1:
            raise PictureRefused("not_an_image", "animated")
        return _upright(_as_srgb(image).copy_memory())
    except pyvips.Error as error:
        if "out of memory" in str(error):
            raise MemoryError(str(error)) from error
        raise PictureRefused("not_an_image", str(error)) from error


def _kind_of(picture: bytes) -> str:
    """Look at the content only: the name and the type a client gives are not evidence."""
    if picture.startswith(_PNG_SIGNATURE):
        _check_png(picture)
        return "png"
    if picture.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if picture.startswith(b"RIFF") and picture[8:12] == b"WEBP":
        if int.from_bytes(picture[4:8], "little") + _RIFF_HEADER > len(picture):
            raise PictureRefused("not_an_image", "truncated")
        return "webp"
    raise PictureRefused("not_an_image", "neither PNG, JPEG nor WebP")


def _check_png(picture: bytes) -> None:
    """Walk the chunks: libvips forgives a missing end and draws an animation's first frame."""
    at = len(_PNG_SIGNATURE)
    view = memoryview(picture)
    while at + _PNG_CHUNK_OVERHEAD <= len(picture):
        end = at + _PNG_CHUNK_OVERHEAD + int.from_bytes(view[at : at + 4])
        kind = bytes(view[at + 4 : at + 8])
        if end > len(picture):
            break
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise PictureRefused("not_an_image", "a damaged chunk")
        if kind == b"acTL":
            raise PictureRefused("not_an_image", "animated")
        if kind == b"IEND":
            return
        at = end
    raise PictureRefused("not_an_image", "truncated")


def _opened(picture: bytes, kind: str) -> Image:
    """Read the header only; pixels follow when somebody asks for them, row by row."""
    load = getattr(vips.Image, f"{kind}load_buffer")
    return load(picture, access="sequential", fail_on="error")


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
