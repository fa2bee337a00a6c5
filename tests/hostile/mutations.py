"""Valid pictures damaged at random: bits, spans, lengths; with their checksums repaired or not."""

import random
import zlib
from collections.abc import Callable

from tests.hostile.case import Cases, file_case
from tests.hostile.seeds import seeds
from tests.imaging.pictures import chunk

Damage = Callable[[random.Random, bytearray], None]
_SIGNATURE_BYTES = 8


def damaged(count: int, *, seed: int) -> Cases:
    """As many as wanted, always the same for a seed."""
    dice = random.Random(seed)
    pictures = seeds()
    names = list(pictures)
    for number in range(count):
        name = names[number % len(names)]
        kind = name.partition(" ")[0]
        how = dice.choice(_HOWS)
        picture = how(dice, pictures[name])
        yield file_case(f"damaged {kind}", f"{number} {name}", picture, fate="either")


def cut_off(count: int, *, seed: int) -> Cases:
    """Whole pictures end in many places; none of these is whole."""
    dice = random.Random(seed)
    whole = {name: picture for name, picture in seeds().items() if not _has_more(name)}
    names = list(whole)
    for number in range(count):
        name = names[number % len(names)]
        picture = whole[name][: dice.randrange(1, len(whole[name]))]
        yield file_case("cut off", f"{number} {name}", picture, fate="refused")


def _has_more(name: str) -> bool:
    """These go on after their end, and may well lose that."""
    return name in {"png texts", "jpeg of two pictures", "webp told"}


def _raw(dice: random.Random, picture: bytes) -> bytes:
    changed = bytearray(picture)
    for _ in range(dice.choice((1, 1, 2, 8))):
        dice.choice(_DAMAGES)(dice, changed)
    return bytes(changed)


def _repaired(dice: random.Random, picture: bytes) -> bytes:
    """Damage inside the chunks of a PNG with the right checksum, so that a decoder sees it."""
    if not picture.startswith(b"\x89PNG"):
        return _raw(dice, picture)
    kinds_and_contents = _png_chunks(picture)
    victim = dice.randrange(len(kinds_and_contents))
    kind, content = kinds_and_contents[victim]
    if kind == b"IDAT" and dice.random() < 0.5:
        content = zlib.compress(_raw(dice, zlib.decompress(content)))
    else:
        content = _raw(dice, content)
    kinds_and_contents[victim] = (kind, content)
    if dice.random() < 0.1:
        dice.shuffle(kinds_and_contents)
    return picture[:_SIGNATURE_BYTES] + b"".join(chunk(*one) for one in kinds_and_contents)


def _png_chunks(picture: bytes) -> list[tuple[bytes, bytes]]:
    at, found = _SIGNATURE_BYTES, list[tuple[bytes, bytes]]()
    while not found or found[-1][0] != b"IEND":
        end = at + 8 + int.from_bytes(picture[at : at + 4])
        found.append((picture[at + 4 : at + 8], picture[at + 8 : end]))
        at = end + 4
    return found


def _flip(dice: random.Random, changed: bytearray) -> None:
    for _ in range(dice.choice((1, 3, 20))):
        if changed:
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)


def _delete(dice: random.Random, changed: bytearray) -> None:
    at = dice.randrange(len(changed) + 1)
    del changed[at : at + dice.choice((1, 2, 16, 200))]


def _insert(dice: random.Random, changed: bytearray) -> None:
    at = dice.randrange(len(changed) + 1)
    changed[at:at] = dice.randbytes(dice.choice((1, 2, 16, 200)))


def _truncate(dice: random.Random, changed: bytearray) -> None:
    del changed[dice.randrange(len(changed) + 1) :]


def _paint(dice: random.Random, changed: bytearray) -> None:
    at = dice.randrange(len(changed) + 1)
    span = min(dice.choice((1, 4, 64)), len(changed) - at)
    changed[at : at + span] = dice.choice((b"\0", b"\xff", b"\x7f", b"\xd8")) * span


def _repeat(dice: random.Random, changed: bytearray) -> None:
    at = dice.randrange(len(changed) + 1)
    changed[at:at] = changed[at : at + dice.choice((4, 32, 300))] * dice.choice((1, 3, 40))


def _swap(dice: random.Random, changed: bytearray) -> None:
    size = dice.choice((1, 8, 64))
    first, second = (dice.randrange(len(changed) + 1) for _ in range(2))
    one, other = changed[first : first + size], changed[second : second + size]
    if len(one) == len(other) and abs(first - second) >= size:
        changed[first : first + size], changed[second : second + size] = other, one


def _lie(dice: random.Random, changed: bytearray) -> None:
    """Overwrite what may be a length, mostly near the beginning."""
    at = dice.randrange(min(len(changed), 80) + 1)
    number = dice.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000, len(changed)))
    order = dice.choice(("big", "little"))
    changed[at : at + 4] = number.to_bytes(4, order)


_DAMAGES: tuple[Damage, ...] = (
    *(_flip, _flip, _delete, _insert, _truncate),
    *(_paint, _repeat, _swap, _lie, _lie),
)
_HOWS = (_raw, _repaired)
