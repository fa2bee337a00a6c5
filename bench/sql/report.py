"""The table: a query in a line, and by how much it grows from the smallest to the largest."""

from collections.abc import Iterator
from dataclasses import dataclass

FLAT = 2


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One query at one size; `is_amal`: asked by the person with ten thousand pictures."""

    aggregate: str
    name: str
    is_amal: bool
    pages: int
    ms: float
    read_through: list[str]


def lines(found: dict[int, list[Measured]]) -> Iterator[str]:
    """As Markdown; `times` is of the pages of a person with a hundred pictures."""
    sizes = sorted(found)
    of = {
        (size, one.aggregate, one.name, one.is_amal): one for size in sizes for one in found[size]
    }
    heads = [f"pages, {size:,}" for size in sizes]
    yield "| query | " + " | ".join([*heads, "times", "ms", "Amal's pages", "ms"]) + " |"
    yield "|---|" + "--:|" * (len(sizes) + 4)
    first, last = sizes[0], sizes[-1]
    for one in sorted(found[last], key=lambda one: (one.aggregate, one.name)):
        if one.is_amal:
            continue
        key = (one.aggregate, one.name)
        pages = [f"{of[size, *key, False].pages:,}" for size in sizes]
        hers = of.get((last, *key, True))
        more = [f"{hers.pages:,}", f"{hers.ms:.1f}"] if hers else ["", ""]
        factor = growth(of[first, *key, False], one)
        times = f"{factor:.1f}" if factor <= FLAT else f"**{factor:.1f}**"
        said = [f"{one.aggregate}: {one.name}", *pages, times, f"{one.ms:.1f}", *more]
        yield "| " + " | ".join(said) + " |"


def growth(small: Measured, large: Measured) -> float:
    """One page more or less is not growth."""
    return max(large.pages, 1) / max(small.pages, 1)
