"""Files made by hand: bombs, lies, animations, polyglots, other kinds of file."""

import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.random import default_rng

from tests.hostile.case import Cases, Fate, file_case
from tests.hostile.seeds import (
    PNG_HEAD,
    SECRET,
    exif,
    profile,
    riff,
    riff_chunk,
    seeds,
    vp8x,
    webp_animation,
    with_chunks,
    with_segments,
)
from tests.imaging.pictures import (
    animated_png,
    ball,
    chunk,
    hollow_png,
    image_of,
    photo,
    png,
    vips,
    webp,
)

MIB = 2**20
_MEGABYTE_OF_ZEROS = bytes(MIB)
_END_OF_JPEG = b"\xff\xd9"


def large() -> Cases:
    """As large as allowed and just beyond, in every costly way there is; the slowest family."""
    allowed: dict[str, bytes] = {
        "25 Mpx interlaced 16 bit": hollow_png(
            5000, 5000, bits=16, has_colour=True, is_interlaced=True
        ),
        "25 Mpx progressive": vips.Image.black(5000, 5000, bands=3)
        .copy(interpretation="srgb")
        .jpegsave_buffer(interlace=True),
        "25 Mpx WebP with alpha": _large_webp(),
        "the longest side": hollow_png(8192, 16, bits=8, has_colour=True),
        "a line": hollow_png(8192, 1, bits=1, has_colour=False),
    }
    for name, picture in allowed.items():
        yield file_case("large", name, bytes(picture), fate="accepted")
    # Noise does not pack: what is kept of this one has 75 MB.
    noisy = image_of(default_rng(3).integers(0, 255, (5000, 5000, 3), np.uint8))
    yield file_case("large", "25 Mpx noise", bytes(noisy.jpegsave_buffer(Q=30)), fate="accepted")
    full = with_chunks(png(photo()), chunk(b"tEXt", b"a\0" + bytes(10 * MIB - 2000)))
    yield file_case("large", "nearly 10 MiB", full, fate="accepted")
    yield file_case("large", "10 MiB and more", full + bytes(4000), fate="refused")
    yield file_case("large", "20 MiB", bytes(20 * MIB), fate="refused")


def _large_webp() -> bytes:
    pixels = np.zeros((5000, 5000, 4), np.uint8)
    pixels[..., 3] = default_rng(1).integers(0, 2, (5000, 1), np.uint8) * 255
    return webp(pixels, Q=5, effort=0)


def pixel_bombs() -> Cases:
    sides = ((20_000, 20_000), (1, 1_000_000), (1_000_000, 1), (8193, 1), (5001, 5000))
    for width_px, height_px in sides:
        picture = hollow_png(width_px, height_px, bits=1, has_colour=False)
        yield file_case("pixel bombs", f"png {width_px}x{height_px}", picture, fate="refused")
    tiny = png(photo(8, 8))
    for width_px, height_px in ((2**31 - 1, 2**31 - 1), (2**32 - 1, 1), (0, 8), (8, 0), (8, 5000)):
        picture = _png_claiming(tiny, width_px, height_px)
        yield file_case("lying headers", f"png {width_px}x{height_px}", picture, fate="refused")
    jpeg = seeds()["jpeg"]
    frame = jpeg.index(b"\xff\xc0") + 5
    for side_px in (65_535, 8193, 0):
        sides_raw = struct.pack(">HH", side_px, side_px)
        picture = jpeg[:frame] + sides_raw + jpeg[frame + 4 :]
        yield file_case("lying headers", f"jpeg {side_px}", picture, fate="refused")
    pixels = seeds()["webp simple"][12:]
    for side_px in (16_384, 2**24, 5000):
        picture = riff(vp8x(side_px, side_px, flags=0), pixels)
        yield file_case("lying headers", f"webp canvas {side_px}", picture, fate="refused")


def _png_claiming(picture: bytes, width_px: int, height_px: int) -> bytes:
    header = struct.pack(">II", width_px, height_px) + picture[24:29]
    return picture[:8] + chunk(b"IHDR", header) + picture[PNG_HEAD:]


def lying_chunks() -> Cases:
    still = png(photo(60, 40))
    data = zlib.compress(b"\0" * 40 * 181)
    head, end = still[:PNG_HEAD], chunk(b"IEND", b"")
    lies: dict[str, bytes] = {
        "wrong checksum": still[:-1] + b"x",
        "length of 4 GiB": head + b"\xff\xff\xff\xffIDAT" + still[PNG_HEAD + 8 :],
        "length of 0": head + bytes(4) + still[PNG_HEAD + 4 :],
        "no data": head + end,
        "no end": still[:-12],
        "only an end": still[:8] + end,
        "data before header": still[:8] + chunk(b"IDAT", data) + still[8:],
        "two headers": with_chunks(still, still[8:PNG_HEAD]),
        "too few rows": head + chunk(b"IDAT", zlib.compress(bytes(10 * 181))) + end,
        "no zlib": head + chunk(b"IDAT", b"not compressed") + end,
        "bit depth 3": still[:8] + chunk(b"IHDR", still[16:24] + b"\3" + still[25:29]) + data,
        "unknown critical chunk": with_chunks(still, chunk(b"MaDr", b"x")),
        "short header": still[:8] + chunk(b"IHDR", still[16:28]) + still[PNG_HEAD:],
    }
    for name, picture in lies.items():
        yield file_case("lying chunks", name, picture, fate="refused")
    lossy = seeds()["webp simple"]
    others: dict[str, bytes] = {
        "riff of 4 GiB": lossy[:4] + b"\xff" * 4 + lossy[8:],
        "riff of 0": lossy[:4] + bytes(4) + lossy[8:],
        "chunk of 4 GiB": lossy[:16] + b"\xff" * 4 + lossy[20:],
        "no pixels": riff(vp8x(8, 8, flags=0)),
        "alpha without colour": riff(vp8x(8, 8, flags=0x10), riff_chunk(b"ALPH", bytes(9))),
        "vp8l garbage": riff(riff_chunk(b"VP8L", b"\x2f" + b"\xff" * 60)),
    }
    for name, picture in others.items():
        yield file_case("lying chunks", f"webp {name}", picture, fate="refused")
    many = with_chunks(png(photo(8, 8)), chunk(b"teSt", b"") * 300_000)
    yield file_case("lying chunks", "300,000 of them", many, fate="accepted")


def text_bombs() -> Cases:
    """A few kilobytes that want to be gigabytes; none of it is ever unpacked."""
    still = png(photo(60, 40))
    bomb = _zeros_packed(1024)
    small = _zeros_packed(45)
    accepted: dict[str, bytes] = {
        "zTXt": with_chunks(still, chunk(b"zTXt", b"x\0\0" + bomb)),
        "iTXt": with_chunks(still, chunk(b"iTXt", b"x\0\1\0\0\0" + bomb)),
        "iCCP": with_chunks(still, chunk(b"iCCP", b"x\0\0" + bomb)),
        "60 of 45 MB": with_chunks(
            still, *(chunk(b"zTXt", b"x%d\0\0" % n + small) for n in range(60))
        ),
        "eXIf": with_chunks(still, chunk(b"eXIf", b"II*\0\x08\0\0\0" + bytes(MIB))),
    }
    for name, picture in accepted.items():
        yield file_case("text bombs", name, picture, fate="accepted")
    more_rows = chunk(b"IDAT", bomb)
    picture = still[:PNG_HEAD] + more_rows + chunk(b"IEND", b"")
    yield file_case("text bombs", "IDAT", picture, fate="either")


def _zeros_packed(megabytes: int) -> bytes:
    squeeze = zlib.compressobj(9)
    packed = [squeeze.compress(_MEGABYTE_OF_ZEROS) for _ in range(megabytes)]
    return b"".join([*packed, squeeze.flush()])


def odd_metadata() -> Cases:
    """Directories that point at themselves, at everything, at nothing; profiles of nonsense."""
    for name, tiff in _tiffs().items():
        in_jpeg = with_segments(seeds()["jpeg"], (0xE1, b"Exif\0\0" + tiff[:65_000]))
        in_png = with_chunks(png(photo(60, 40)), chunk(b"eXIf", tiff))
        yield file_case("odd metadata", f"{name} in jpeg", in_jpeg, fate="accepted")
        yield file_case("odd metadata", f"{name} in png", in_png, fate="accepted")
        told = riff(
            vp8x(64, 48, flags=0x08), seeds()["webp simple"][12:], riff_chunk(b"EXIF", tiff)
        )
        yield file_case("odd metadata", f"{name} in webp", told, fate="accepted")
    for name, icc in _profiles().items():
        packed = chunk(b"iCCP", b"x\0\0" + zlib.compress(icc))
        in_png = with_chunks(png(photo(60, 40)), packed)
        yield file_case("odd metadata", f"{name} in png", in_png, fate="either")
        pieces = [icc[at : at + 60_000] for at in range(0, len(icc), 60_000)][:150]
        segments = [
            (0xE2, b"ICC_PROFILE\0" + bytes([n + 1, len(pieces)]) + piece)
            for n, piece in enumerate(pieces)
        ]
        in_jpeg = with_segments(seeds()["jpeg"], *segments)
        yield file_case("odd metadata", f"{name} in jpeg", in_jpeg, fate="either")


def _tiffs() -> dict[str, bytes]:
    def directory(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
        fields = b"".join(struct.pack("<HHII", *entry) for entry in entries)
        return struct.pack("<H", len(entries)) + fields + struct.pack("<I", following)

    start = b"II*\0\x08\0\0\0"
    return {
        "exif of itself": start + directory((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), following=8),
        "exif of 5,000 entries": exif(5000),
        "exif of huge counts": start + directory(*[(0x9000 + n, 7, 2**31, 0) for n in range(50)]),
        "exif of overlaps": start
        + directory(*[(0x9000 + n, 7, 30_000, 8) for n in range(2000)])
        + bytes(30_000),
        "exif of odd turn": start + directory((0x112, 3, 1, 99)),
        "exif of odd type": start + directory((0x112, 77, 1, 6)),
        "exif of nothing": b"II*\0",
        "exif of noise": default_rng(2).bytes(5000),
    }


def _profiles() -> dict[str, bytes]:
    real = profile()
    return {
        "profile cut off": real[: len(real) // 2],
        "profile of noise": default_rng(4).bytes(3000),
        "profile of many tags": real[:128] + struct.pack(">I", 2**31) + real[132:],
        "profile of zeros": bytes(4 * MIB),
        "profile of one byte": b"x",
        "profile with noise": real[:300] + default_rng(6).bytes(len(real) - 300),
    }


def odd_jpegs() -> Cases:
    plain, progressive = seeds()["jpeg"], seeds()["jpeg progressive"]
    tables = plain.index(b"\xff\xdb"), plain.index(b"\xff\xc4")
    scan = plain.index(b"\xff\xda")
    body = progressive[: -len(_END_OF_JPEG)]
    refinement = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00\0"
    refused: dict[str, bytes] = {
        "5,000 scans": body + refinement * 5000 + _END_OF_JPEG,
        "a scan 500 times": body + body[body.rindex(b"\xff\xda") :] * 500 + _END_OF_JPEG,
        "no tables": plain[: tables[0]] + plain[scan:],
        "no frame": plain[: plain.index(b"\xff\xc0")] + plain[scan:],
        "no scan": plain[:scan] + _END_OF_JPEG,
        "only start and end": b"\xff\xd8" + _END_OF_JPEG,
        "no end": plain[:-2],
        "segments without end": b"\xff\xd8" + b"\xff\xe1\xff\xff" * 100_000,
        "markers without end": b"\xff\xd8" + b"\xff\x01" * 500_000,
        "fill without end": b"\xff\xd8" + b"\xff" * MIB,
    }
    for name, picture in refused.items():
        yield file_case("odd jpegs", name, picture, fate="refused")
    either: dict[str, bytes] = {
        "quantised by nothing": _with(plain, tables[0] + 5, bytes(64)),
        "quantised by 255": _with(plain, tables[0] + 5, b"\xff" * 64),
        "huffman of nonsense": _with(plain, tables[1] + 5, b"\x10" * 16),
        "huffman of nothing": _with(plain, tables[1] + 5, bytes(16)),
        "5 components": _with(plain, plain.index(b"\xff\xc0") + 9, b"\5"),
        "sampled 4 times": _with(plain, plain.index(b"\xff\xc0") + 11, b"\x44\0\2\x44\1\3\x44\1"),
        "12 bit": _with(plain, plain.index(b"\xff\xc0") + 4, b"\x0c"),
        "arithmetic": plain.replace(b"\xff\xc0", b"\xff\xc9", 1),
        "lossless": plain.replace(b"\xff\xc0", b"\xff\xc3", 1),
        "two frames": plain[:scan] + plain[plain.index(b"\xff\xc0") : scan] + plain[scan:],
        "two of them": plain + plain,
        "one in the other": with_segments(plain, (0xE1, b"Exif\0\0" + exif() + plain)),
        "150 comments": with_segments(plain, *[(0xFE, bytes(65_000))] * 150),
        "data never ending": plain[:-2] + bytes(MIB) + _END_OF_JPEG,
        "restarts never ending": plain[:-2] + b"\xff\xd0" * 100_000 + _END_OF_JPEG,
    }
    for name, picture in either.items():
        yield file_case("odd jpegs", name, picture, fate="either")


def _with(picture: bytes, at: int, change: bytes) -> bytes:
    return picture[:at] + change + picture[at + len(change) :]


def animations() -> Cases:
    refused: dict[str, bytes] = {
        "apng": animated_png(),
        "apng of 1,000 frames": with_chunks(
            png(ball(16)),
            chunk(b"acTL", struct.pack(">II", 1000, 0)),
            *(chunk(b"fcTL", bytes(26)) for _ in range(1000)),
        ),
        "webp of 2 frames": webp_animation(2),
        "webp of 500 frames": webp_animation(500),
    }
    for name, picture in refused.items():
        yield file_case("animations", name, picture, fate="refused")
    yield file_case(
        "animations", "one picture of two", seeds()["jpeg of two pictures"], fate="accepted"
    )


def polyglots() -> Cases:
    """Valid pictures that are something else too: kept as what they show, and nothing more."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("META-INF/MANIFEST.MF", SECRET)
    php, page = b"<?php system($_GET[0]); ?>" + SECRET, b"<script>alert(1)</script>" + SECRET
    seconds = {"zip": archive.getvalue(), "php": php, "html": page, "exe": b"MZ" + SECRET}
    for name in ("png rgb", "jpeg", "webp"):
        for second, content in seconds.items():
            picture = seeds()[name] + content
            yield file_case("polyglots", f"{name} and {second}", picture, fate="accepted")
    accepted: dict[str, bytes] = {
        "php in text": with_chunks(png(photo(60, 40)), chunk(b"tEXt", b"Comment\0" + php)),
        "html in a comment": with_segments(seeds()["jpeg"], (0xFE, page)),
        "html in xmp": riff(
            vp8x(64, 48, flags=4), seeds()["webp simple"][12:], riff_chunk(b"XMP ", page)
        ),
        "php in a palette": _palette_of(php),
    }
    for name, picture in accepted.items():
        fate: Fate = "either" if name == "php in a palette" else "accepted"
        yield file_case("polyglots", name, picture, fate=fate)
    gif = bytes(image_of(photo()).gifsave_buffer())
    yield file_case("polyglots", "gifar", gif + archive.getvalue(), fate="refused")
    yield file_case("polyglots", "html first", page + seeds()["png rgb"], fate="refused")
    yield file_case("polyglots", "zip first", archive.getvalue() + seeds()["jpeg"], fate="refused")


def _palette_of(words: bytes) -> bytes:
    """The known trick: code as colours. It is harmless as a picture, and its own pixels stay."""
    colours = words[: len(words) // 3 * 3]
    header = struct.pack(">IIBBBBB", len(colours) // 3, 1, 8, 3, 0, 0, 0)
    row = zlib.compress(b"\0" + bytes(range(len(colours) // 3)))
    pieces = (chunk(b"IHDR", header), chunk(b"PLTE", colours), chunk(b"IDAT", row))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces) + chunk(b"IEND", b"")


def other_kinds() -> Cases:
    """Each under the name and the type of a picture."""
    for name, content in _others().items():
        yield file_case("other kinds", name, content, fate="refused")
    wrong = {"png rgb": "a.jpg", "jpeg": "a.png", "webp": "a.exe"}
    for name, filename in wrong.items():
        yield file_case(
            "other kinds",
            f"{name} called {filename}",
            seeds()[name],
            fate="accepted",
            filename=filename,
            media_type="application/x-msdownload",
        )


def _others() -> dict[str, bytes]:
    image: Any = image_of(photo())
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    brand = b"\0\0\0\x18ftyp%s\0\0\0\0%s\0\0\0\0"
    return {
        "svg": svg,
        "svg in xml": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]>" + svg,
        "svg zipped": zlib.compress(svg, wbits=31),
        "html": b"<html><body onload=alert(1)></html>",
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run",
        "psd": b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x09\0\0\0\x09\0\x08\0\3" + bytes(300),
        "tiff": bytes(image.tiffsave_buffer()),
        "gif": bytes(image.gifsave_buffer()),
        "bmp": b"BM" + struct.pack("<IIIIIIHH", 86, 0, 54, 40, 3, 3, 1, 24) + bytes(60),
        "ico": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + struct.pack("<II", 99, 22) + png(ball(16)),
        "heic": brand % (b"heic", b"mif1") + bytes(200),
        "avif": bytes(image.heifsave_buffer(compression="av1", effort=0)),
        "jxl": b"\xff\x0a" + bytes(100),
        "jxl in boxes": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100),
        "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
        "vips": b"\x08\xf2\xa6\xb6" + bytes(200),
        "ppm": b"P6 2 2 255\n" + bytes(12),
        "hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n" + bytes(4),
        "exr": b"v/1\x01" + bytes(100),
        "csv": b"1,2,3\n4,5,6\n",
        "mng": b"\x8aMNG\r\n\x1a\n" + bytes(100),
        "zip": b"PK\x03\x04" + bytes(100),
        "exe": b"MZ" + bytes(200),
        "elf": b"\x7fELF" + bytes(200),
        "wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(30),
        "mp4": brand % (b"isom", b"mp42") + bytes(200),
        "empty": b"",
        "one byte": b"\x89",
        "signature": b"\x89PNG\r\n\x1a\n",
        "zeros": bytes(100_000),
        "noise": default_rng(8).bytes(100_000),
    }
