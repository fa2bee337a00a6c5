"""What we hand out of an upload, taken apart by hand: pixels and nothing else."""

from tests.hostile.seeds import SECRET

# libvips always writes a resolution: one pixel a millimetre, whatever came in.
_PNG_PIECES = {b"IHDR", b"PLTE", b"tRNS", b"pHYs", b"IDAT", b"IEND"}
_PNG_RESOLUTION = b"\x00\x00\x03\xe8\x00\x00\x03\xe8\x01"
_WEBP_PIECES = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH"}


def faults_of_png(picture: bytes) -> list[str]:
    if not picture.startswith(b"\x89PNG\r\n\x1a\n"):
        return ["no PNG"]
    at, kinds = 8, list[bytes]()
    while at < len(picture) and (not kinds or kinds[-1] != b"IEND"):
        size = int.from_bytes(picture[at : at + 4])
        kinds.append(picture[at + 4 : at + 8])
        if kinds[-1] == b"pHYs" and picture[at + 8 : at + 8 + size] != _PNG_RESOLUTION:
            kinds.append(b"somebody's resolution")
        at += 12 + size
    return _faults(picture, at, set(kinds) - _PNG_PIECES)


def faults_of_webp(picture: bytes) -> list[str]:
    if picture[:4] != b"RIFF" or picture[8:12] != b"WEBP":
        return ["no WebP"]
    at, kinds = 12, list[bytes]()
    end = 8 + int.from_bytes(picture[4:8], "little")
    while at < end:
        size = int.from_bytes(picture[at + 4 : at + 8], "little")
        kinds.append(picture[at : at + 4])
        at += 8 + size + size % 2
    return _faults(picture, at, set(kinds) - _WEBP_PIECES)


def _faults(picture: bytes, end: int, foreign: set[bytes]) -> list[str]:
    faults = [f"a piece of {kind!r}" for kind in foreign]
    if end != len(picture):
        faults.append(f"{len(picture) - end} bytes after the end")
    if SECRET in picture:
        faults.append("the secret")
    return faults
