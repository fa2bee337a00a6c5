"""All families together: the crafted files always, damaged ones as many as are wanted."""

from tests.hostile import crafted, forms
from tests.hostile.case import Cases, file_case
from tests.hostile.mutations import cut_off, damaged
from tests.hostile.seeds import seeds

_CRAFTED = (
    *(crafted.pixel_bombs, crafted.lying_chunks, crafted.text_bombs, crafted.odd_metadata),
    *(crafted.odd_jpegs, crafted.animations, crafted.polyglots, crafted.other_kinds),
    *(forms.file_names, forms.forms, crafted.large),
)
# One in ten of the damaged files is cut off.
_CUT_PART = 10


def good() -> Cases:
    for name, picture in seeds().items():
        yield file_case("good", name, picture, fate="accepted")


def hostile(damaged_count: int, *, seed: int = 1) -> Cases:
    for family in _CRAFTED:
        yield from family()
    cut = damaged_count // _CUT_PART
    yield from cut_off(cut, seed=seed)
    yield from damaged(damaged_count - cut, seed=seed)
