"""Where a host is, asked once, and whether that is on the open internet."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_OPEN_IPV6 = ipaddress.ip_network("2000::/3")
# A network without IPv4 reaches it through these; what counts is the address inside (RFC 6052).
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_LOW_32_BITS = 0xFFFF_FFFF
# What `is_global` lets pass in one Python or another although nobody's files can be there.
_CLOSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # shared by a provider's customers, metadata services among them
        "168.63.129.16/32",  # a public number that inside Azure is the host below the machine
        "192.0.0.0/24",
        "192.88.99.0/24",
        "224.0.0.0/4",
        "2001::/23",  # Teredo, which wraps any IPv4 address, and other protocols' own
        "2001:db8::/32",
        "2002::/16",  # 6to4, which wraps any as well
        "3fff::/20",
    )
)


async def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system for all of them, in the order in which they are to be tried."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: str) -> bool:
    """Tell what anybody may reach from what only we can: no answer of Fal's may lead us there."""
    try:
        return _is_public(ipaddress.ip_address(address))
    except ValueError:
        return False


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_public(address: _Address) -> bool:
    if address in _TRANSLATED:
        return _is_public(ipaddress.IPv4Address(int(address) & _LOW_32_BITS))
    if isinstance(address, ipaddress.IPv6Address) and address not in _OPEN_IPV6:
        return False
    return address.is_global and not any(address in network for network in _CLOSED)
