"""What the page costs, and what it never does: ask others, break its policy, jump."""

import pytest
from playwright.sync_api import expect

from tests.product import Person
from tests.studio.conftest import Visiting
from tests.studio.visit import Visit

FIRST_LOAD_BYTES = 120_000


def transferred(visit: Visit) -> dict[str, int]:
    """The bytes of each body, packed as it came; its headers depend on what stands in front."""
    visit.page.wait_for_load_state("networkidle")
    sizes: list[tuple[str, int]] = visit.page.evaluate(
        """["navigation", "resource"].flatMap(type => performance.getEntriesByType(type))
          .map(one => [new URL(one.name).pathname, one.encodedBodySize])"""
    )
    return dict(sizes)


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_the_first_load_is_light_and_nothing_jumps(
    visiting: Visiting, amal: Person, *, is_signed_in: bool
) -> None:
    visit = visiting(amal if is_signed_in else None, is_first=True)
    expect(visit.page.get_by_role("heading", level=1)).to_be_attached()

    sizes = transferred(visit)

    assert not [path for path in sizes if "/fonts/arabic" in path]
    assert len(sizes) > 10
    assert sum(sizes.values()) < FIRST_LOAD_BYTES, sizes
    assert visit.shifts() < 0.02, visit.shifted()

    visit.page.reload()
    expect(visit.page.get_by_role("heading", level=1)).to_be_attached()
    again = visit.page.evaluate(
        "performance.getEntriesByType('resource')"
        ".filter(one => one.name.includes('/studio/assets/') && one.transferSize > 0).length"
    )
    assert again == 0
    visit.check_calm(refused=[] if is_signed_in else [401])


@pytest.mark.parametrize("path", ["/studio", "/studio/gallery", "/studio/account"])
def test_nothing_jumps_on_a_phone(visiting: Visiting, amal: Person, path: str) -> None:
    visit = visiting(amal, path, width=390, height=800)
    visit.page.wait_for_load_state("networkidle")

    assert visit.shifts() < 0.02, visit.shifted()
    visit.check_calm()
