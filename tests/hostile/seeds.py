"""Valid pictures of many kinds, small, each full of things that must not leave: the seeds.

`SECRET` is in every place where a picture can carry text.
"""

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
from numpy.random import default_rng

from tests.imaging.pictures import ball, chunk, image_of, photo, png, vips

SECRET = b"MADAR-PRIVATE-7f3a"
ORIENTED = 6
PNG_HEAD = 33  # signature and IHDR


@cache
def seeds() -> dict[str, bytes]:
    """Each is accepted as it is."""
    made = {**_pngs(), **_jpegs(), **_webps()}
    return {name: bytes(picture) for name, picture in made.items()}


def exif(entries: int = 0) -> bytes:
    """A TIFF with a turn, the secret as the maker's name, and more entries if wanted."""
    text = SECRET + b"\0"
    fields = [(0x112, 3, 1, ORIENTED), (0x10F, 2, len(text), 10 + 12 * (entries + 2) + 4)]
    fields += [(0x9000 + number % 0x600, 2, 4, 0x41414141) for number in range(entries)]
    directory = b"".join(struct.pack("<HHII", *field) for field in fields)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + directory + bytes(4) + text


def with_chunks(picture: bytes, *chunks: bytes) -> bytes:
    """PNG chunks after the header."""
    return picture[:PNG_HEAD] + b"".join(chunks) + picture[PNG_HEAD:]


def with_segments(picture: bytes, *segments: tuple[int, bytes]) -> bytes:
    """JPEG segments after the start."""
    made = b"".join(
        b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content
        for marker, content in segments
    )
    return picture[:2] + made + picture[2:]


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def vp8x(width_px: int, height_px: int, *, flags: int) -> bytes:
    sides = struct.pack("<I", width_px - 1)[:3] + struct.pack("<I", height_px - 1)[:3]
    return riff_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)


def profile() -> bytes:
    shown = image_of(photo(8, 8)).icc_transform("p3", input_profile="srgb")
    return bytes(shown.get("icc-profile-data"))


def _pngs() -> dict[str, bytes]:
    texts = (
        chunk(b"tEXt", b"Comment\0" + SECRET),
        chunk(b"zTXt", b"Prompt\0\0" + zlib.compress(SECRET)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SECRET),
        chunk(b"maDr", SECRET),
    )
    noisy = default_rng(5).integers(0, 255, (40, 60, 3), np.uint8)
    wide = np.full((30, 40, 4), 65535, np.uint16)
    wide[5:20] = (50000, 300, 9000, 30000)
    gray_alpha = np.dstack([photo(40, 30)[..., 0], photo(40, 30)[..., 2]])
    return {
        "png rgb": png(photo(60, 40)),
        "png noise": png(noisy, compression=0),
        "png rgba": png(ball(48)),
        "png gray": png(photo(40, 30)[..., :1]),
        "png gray alpha": png(np.ascontiguousarray(gray_alpha)),
        "png palette": png(ball(48), palette=True),
        "png one bit": png(photo(40, 30)[..., :1] // 128 * 255, palette=True, bitdepth=1),
        "png 16 bit": png(wide),
        "png interlaced": png(ball(48), interlace=True),
        "png interlaced 16 bit": png(wide, interlace=True),
        "png texts": with_chunks(png(photo(60, 40)), *texts) + SECRET,
        "png exif": with_chunks(png(photo(60, 40)), chunk(b"eXIf", exif())),
        "png profile": with_chunks(
            png(photo(60, 40)), chunk(b"iCCP", b"P3\0\0" + zlib.compress(profile()))
        ),
    }


def _jpegs() -> dict[str, bytes]:
    image = image_of(photo(64, 48))
    plain = bytes(image.jpegsave_buffer(Q=80))
    told = (
        (0xE1, b"Exif\0\0" + exif()),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET),
        (0xE2, b"ICC_PROFILE\0\1\1" + profile()),
        (0xE2, b"MPF\0" + SECRET),
        (0xED, b"Photoshop 3.0\0" + SECRET),
        (0xFE, SECRET),
    )
    cmyk = image.icc_transform("cmyk", input_profile="srgb")
    return {
        "jpeg": plain,
        "jpeg progressive": image.jpegsave_buffer(Q=80, interlace=True),
        "jpeg full colour": image.jpegsave_buffer(Q=95, subsample_mode="off"),
        "jpeg optimised": image.jpegsave_buffer(Q=30, optimize_coding=True),
        "jpeg restarts": image.jpegsave_buffer(Q=80, restart_interval=2),
        "jpeg gray": image.colourspace("b-w").jpegsave_buffer(Q=80),
        "jpeg cmyk": cmyk.jpegsave_buffer(Q=80),
        "jpeg from a phone": with_segments(plain, *told),
        "jpeg of two pictures": with_segments(plain, (0xE2, b"MPF\0" + SECRET)) + plain + SECRET,
    }


def _webps() -> dict[str, bytes]:
    lossy = bytes(image_of(photo(64, 48)).webpsave_buffer(Q=70))
    pixels = [one for one in _riff_chunks(lossy) if one[:4] == b"VP8 "]
    return {
        "webp": lossy,
        "webp simple": riff(*pixels),
        "webp alpha": image_of(ball(48)).webpsave_buffer(Q=70),
        "webp lossless": image_of(ball(48)).webpsave_buffer(lossless=True),
        "webp told": riff(
            vp8x(64, 48, flags=0x2C),
            riff_chunk(b"ICCP", profile()),
            *pixels,
            riff_chunk(b"EXIF", exif()),
            riff_chunk(b"XMP ", SECRET),
            riff_chunk(b"MADR", SECRET),
        )
        + SECRET,
    }


def _riff_chunks(picture: bytes) -> list[bytes]:
    stream, chunks = io.BytesIO(picture[12:]), list[bytes]()
    while head := stream.read(8):
        size = int.from_bytes(head[4:], "little")
        chunks.append(head + stream.read(size + size % 2))
    return chunks


def webp_animation(frames: int, *, side_px: int = 16) -> bytes:
    pixels = np.concatenate([ball(side_px, radius=0.1 + 0.3 * n / frames) for n in range(frames)])
    image: Any = image_of(pixels).copy()
    image.set_type(vips.GValue.gint_type, "page-height", side_px)
    return bytes(image.webpsave_buffer(effort=0))
