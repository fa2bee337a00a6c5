"""Pictures for these tests: drawn with numpy, encoded by libvips, or written chunk by chunk."""

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips

Pixels = npt.NDArray[np.uint8]
vips: Any = pyvips

SIDE_PX = 256
RED, BLUE = (220, 30, 20), (20, 40, 210)
_ROWS_AT_ONCE = 512
_GRAY, _RGBA = 0, 6


def ball(side_px: int = SIDE_PX, *, alpha: int = 255, radius: float = 0.35) -> Pixels:
    """A shaded ball with a soft edge on nothing."""
    down, across = np.indices((side_px, side_px)) / side_px - 0.5
    inside = radius - np.hypot(across, down)
    pixels = np.zeros((side_px, side_px, 4), np.uint8)
    pixels[..., 0] = 200
    pixels[..., 1] = np.clip(255 * (across + 0.5), 0, 255)
    pixels[..., 2] = np.clip(255 * (down + 0.5), 0, 255)
    pixels[..., 3] = np.clip(inside * side_px / 3, 0, 1) * alpha
    return pixels


def photo(width_px: int = 300, height_px: int = 200) -> Pixels:
    """Opaque; red on the left, blue on the right, so that a turn shows."""
    pixels = np.zeros((height_px, width_px, 3), np.uint8)
    pixels[:, : width_px // 2] = RED
    pixels[:, width_px // 2 :] = BLUE
    return pixels


def image_of(pixels: npt.NDArray[Any]) -> Any:
    interpretation = "rgb16" if pixels.dtype == np.uint16 else "srgb"
    return vips.Image.new_from_array(pixels, interpretation=interpretation)


def png(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    return image_of(pixels).pngsave_buffer(**options)


def jpeg(pixels: Pixels, **options: Any) -> bytes:
    return image_of(pixels).jpegsave_buffer(Q=95, **options)


def webp(pixels: Pixels, **options: Any) -> bytes:
    return image_of(pixels).webpsave_buffer(**options)


def animated(suffix: str) -> bytes:
    """Two frames as GIF or WebP."""
    frames = np.concatenate([ball(64), ball(64, radius=0.2)])
    image = image_of(frames).copy()
    image.set_type(vips.GValue.gint_type, "page-height", 64)
    return image.write_to_buffer(suffix)


def animated_png() -> bytes:
    still = png(ball(64))
    after_header = 8 + 25
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    return still[:after_header] + control + still[after_header:]


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def hollow_png(
    width_px: int, height_px: int, *, bits: int, has_colour: bool, is_interlaced: bool = False
) -> bytes:
    """All zeros, so that hundreds of megabytes of pixels fit into some kilobytes."""
    header = struct.pack(
        ">IIBBBBB", width_px, height_px, bits, _RGBA if has_colour else _GRAY, 0, 0, is_interlaced
    )
    # Adam7 adds filter bytes for the rows of seven passes; rows of zeros may be cut anywhere.
    row_bytes = (width_px * bits * (4 if has_colour else 1) + 7) // 8 + 1
    squeeze = zlib.compressobj(1)
    zeros = bytes(row_bytes * _ROWS_AT_ONCE)
    rows = height_px * 2 if is_interlaced else height_px
    parts = [squeeze.compress(zeros) for _ in range(rows // _ROWS_AT_ONCE + 1)]
    content = b"".join([*parts, squeeze.flush()])
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def opened(picture: bytes) -> Any:
    return vips.Image.new_from_buffer(picture, "")


def pixels_of(picture: bytes) -> Pixels:
    return opened(picture).numpy()
