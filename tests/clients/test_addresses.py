"""Which addresses are on the open internet."""

import asyncio
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.clients.addresses import is_loopback, is_public, look_up
from tests.clients.addresses import FORBIDDEN, OPEN


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_what_only_we_can_reach_is_not_public(kind: str) -> None:
    assert [address for address in FORBIDDEN[kind] if is_public(address)] == []


def test_what_anybody_can_reach_is() -> None:
    assert [address for address in OPEN if not is_public(address)] == []


@given(st.ip_addresses(v=4))
def test_ipv4_inside_ipv6_is_never_more_public_than_by_itself(
    inside: ipaddress.IPv4Address,
) -> None:
    number = int(inside)
    behind_nat64 = ipaddress.IPv6Address((0x64_FF9B << 96) + number)
    wrapped = [number, (0xFFFF << 32) + number, (0x2002 << 112) + (number << 80)]

    assert is_public(str(behind_nat64)) == is_public(str(inside))
    assert not any(is_public(str(ipaddress.IPv6Address(one))) for one in wrapped)


@given(st.ip_addresses(v=6))
def test_ipv6_is_public_in_one_eighth_only(address: ipaddress.IPv6Address) -> None:
    is_open = int(address) >> 125 == 1
    is_translated = int(address) >> 32 == 0x64_FF9B << 64

    assert is_open or is_translated or not is_public(str(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.53", "::1"])
def test_loopback_is_told(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.0.1", "8.8.8.8", "::", "localhost", ""])
def test_nothing_else_is_loopback(address: str) -> None:
    assert not is_loopback(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "::1"])
def test_every_spelling_of_this_machine_is_looked_up_as_such(host: str) -> None:
    found = asyncio.run(look_up(host, 443))

    assert found
    assert all(is_loopback(address) for address in found)
    assert not any(is_public(address) for address in found)
