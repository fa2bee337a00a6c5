"""The client's address: the TCP peer's, unless a proxy that we trust tells of somebody else's.

Any header may be forged by whoever reaches this port, so one is believed only when the peer is
where that proxy stands. Whatever is odd about it, repeated or unreadable, leaves the peer.
"""

import ipaddress
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from starlette.types import Scope

from madar.settings import Settings, trusted_networks

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Where the proxies of the platforms reach us from: never over the public internet.
PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        *("100.64.0.0/10", "::1/128", "fc00::/7"),
    )
)
# One value, set by the platform's proxy from its own view of the connection.
PLATFORM_HEADERS = {"fly": b"fly-client-ip", "railway": b"x-real-ip"}
# A home or a phone gets a whole /64 and may use a new address for each request.
IPV6_PREFIX = 64
MAX_HOPS = 50
REMEMBERED_CHARACTERS = 64


def client_address(scope: Scope, settings: Settings) -> str:
    """Canonical text of one address; empty where the peer has none, as on a Unix socket."""
    client = scope.get("client")
    peer = _read(client[0]) if client else None
    if peer is None:
        return ""
    return _text_of(_told(scope, settings.trusted_proxy, peer) or peer)


@lru_cache(maxsize=4096)
def limit_key(address: str) -> str:
    """What a limit counts by: the address, or the network that an IPv6 household has."""
    known = _read(address)
    if not isinstance(known, IPv6Address):
        return str(known or "")
    network = ipaddress.IPv6Network((known, IPV6_PREFIX), strict=False)
    return str(network.network_address)


def _told(scope: Scope, trusted_proxy: str, peer: Address) -> Address | None:
    """What the trusted proxy says; None when there is none, or it says nothing clear."""
    if trusted_proxy == "none":
        return None
    if name := PLATFORM_HEADERS.get(trusted_proxy):
        given = _values(scope, name)
        return _read(given[0]) if len(given) == 1 and _is_in(peer, PRIVATE) else None
    return _forwarded(scope, _networks(trusted_proxy), peer)


def _forwarded(scope: Scope, trusted: tuple[Network, ...], peer: Address) -> Address | None:
    """From the right, since each proxy appends: the first that is not one of ours.

    Several lines are one list (RFC 9110, 5.3): a proxy may add a line instead of a value.
    """
    if not _is_in(peer, trusted):
        return None
    hops = ",".join(_values(scope, b"x-forwarded-for")).rsplit(",", MAX_HOPS)
    for hop in reversed(hops):
        address = _read(hop)
        if address is None or not _is_in(address, trusted):
            return address
    return None


@lru_cache(maxsize=4096)
def _text_of(address: Address) -> str:
    return str(address)


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


def _read(text: str) -> Address | None:
    """The same few ask again and again; nothing that is longer is an address worth remembering."""
    return _read_again(text) if len(text) <= REMEMBERED_CHARACTERS else _parsed(text)


@lru_cache(maxsize=4096)
def _read_again(text: str) -> Address | None:
    return _parsed(text)


def _parsed(text: str) -> Address | None:
    """Without a zone, and as IPv4 what is IPv4 in the clothes of IPv6."""
    try:
        address = ipaddress.ip_address(text.strip(" \t"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A zone names an interface of one machine; nothing that stores addresses takes it.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


@cache
def _networks(trusted_proxy: str) -> tuple[Network, ...]:
    return trusted_networks(trusted_proxy)
