"""Where a request comes from, by TRUSTED_PROXY, and what limits count by."""

import ipaddress
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.api.address import client_address, limit_key
from madar.settings import Settings, SettingsFault, load_settings

ON_FLY, ON_RAILWAY, PUBLIC = "172.19.0.1", "100.64.0.7", "198.51.100.9"
CLIENT = "203.0.113.7"
OURS = "10.0.0.0/8, fd00::/8"


@cache
def behind(trusted_proxy: str) -> Settings:
    needed = dict.fromkeys(
        ("database_url", "google_client_id", "google_client_secret", "google_redirect_uri",
         "fal_api_key", "jwt_secret", "fal_webhook_secret"), "dbname=x"
    )  # fmt: skip
    return load_settings({**needed, "trusted_proxy": trusted_proxy})


def seen(trusted_proxy: str, peer: str | None, *headers: tuple[str, str]) -> str:
    scope: dict[str, Any] = {
        "type": "http",
        "client": (peer, 1234) if peer is not None else None,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    return client_address(scope, behind(trusted_proxy))


FLY, REAL, FORWARDED = "fly-client-ip", "x-real-ip", "x-forwarded-for"
ALL = ((FLY, CLIENT), (REAL, CLIENT), (FORWARDED, CLIENT))


def test_without_a_trusted_proxy_no_header_is_believed() -> None:
    for peer in (PUBLIC, ON_FLY, "127.0.0.1", "fdaa::3"):
        assert seen("none", peer, *ALL) == peer


def test_the_platforms_header_counts_when_its_proxy_is_the_peer() -> None:
    for peer in (ON_FLY, "fdaa:0:1::3", "::ffff:172.19.0.1", "127.0.0.1", "::1"):
        assert seen("fly", peer, (FLY, CLIENT)) == CLIENT
    assert seen("railway", ON_RAILWAY, (REAL, CLIENT)) == CLIENT
    assert seen("fly", ON_FLY, (FLY, " 2001:DB8::0:1 ")) == "2001:db8::1"


def test_over_the_public_internet_it_does_not() -> None:
    for peer in (PUBLIC, "2001:db8::5", "172.32.0.1", "::ffff:198.51.100.9"):
        told = str(ipaddress.ip_address(peer.removeprefix("::ffff:")))
        for platform in ("fly", "railway", OURS):
            assert seen(platform, peer, *ALL) == told


@pytest.mark.parametrize(
    "odd", ["", " ", "x", "1.2.3", "1.2.3.4:80", "1.2.3.4, 5.6.7.8", "01.2.3.4", "::g", "٤.3.2.1"]
)
def test_a_header_that_is_no_address_leaves_the_peer(odd: str) -> None:
    assert seen("fly", ON_FLY, (FLY, odd)) == ON_FLY
    assert seen("railway", ON_RAILWAY, (REAL, odd)) == ON_RAILWAY


def test_a_header_that_stands_twice_leaves_the_peer() -> None:
    assert seen("fly", ON_FLY, (FLY, CLIENT), (FLY, "9.9.9.9")) == ON_FLY
    assert seen("railway", ON_RAILWAY, (REAL, CLIENT), (REAL, CLIENT)) == ON_RAILWAY


def test_another_platforms_header_means_nothing() -> None:
    assert seen("fly", ON_FLY, (REAL, CLIENT), (FORWARDED, CLIENT)) == ON_FLY
    assert seen("railway", ON_RAILWAY, (FLY, CLIENT), (FORWARDED, CLIENT)) == ON_RAILWAY
    assert seen(OURS, "10.0.0.2", (FLY, CLIENT), (REAL, CLIENT)) == "10.0.0.2"


@pytest.mark.parametrize(
    ("hops", "address"),
    [
        ([CLIENT], CLIENT),
        (["6.6.6.6, " + CLIENT], CLIENT),
        ([f"6.6.6.6,{CLIENT},10.0.0.3 , fd00::4"], CLIENT),
        (["6.6.6.6", CLIENT], CLIENT),
        ([CLIENT, "10.0.0.3"], CLIENT),
        (["::ffff:203.0.113.7"], CLIENT),
        (["10.0.0.3, 10.0.0.4"], "10.0.0.2"),
        ([f"{CLIENT}, unknown"], "10.0.0.2"),
        ([f"unknown, {CLIENT}"], CLIENT),
        ([f"{CLIENT},"], "10.0.0.2"),
        ([""], "10.0.0.2"),
        ([], "10.0.0.2"),
        (["6.6.6.6," + "10.0.0.1," * 100_000 + "10.0.0.1"], "10.0.0.2"),
    ],
)
def test_behind_our_own_proxies_the_rightmost_stranger_counts(
    hops: list[str], address: str
) -> None:
    assert seen(OURS, "10.0.0.2", *((FORWARDED, hop) for hop in hops)) == address


def test_a_peer_without_an_address_is_nobody() -> None:
    assert seen("none", None) == ""
    assert seen("fly", "", (FLY, CLIENT)) == ""
    assert seen("none", "testclient") == ""


def test_an_interface_is_no_part_of_an_address() -> None:
    assert seen("none", "fe80::1%eth0") == "fe80::1"


@given(
    trusted=st.sampled_from(["none", "fly", "railway", OURS]),
    peer=st.ip_addresses() | st.sampled_from([ON_FLY, "10.0.0.2"]),
    values=st.lists(st.binary(max_size=60) | st.ip_addresses().map(lambda ip: str(ip).encode())),
)
def test_whatever_is_sent_the_answer_is_one_canonical_address(
    trusted: str, peer: Any, values: list[bytes]
) -> None:
    names = (FLY, REAL, FORWARDED)
    headers = [(name.encode(), value) for value in values for name in names]
    scope: dict[str, Any] = {"client": (str(peer), 1), "headers": headers}

    address = client_address(scope, behind(trusted))

    assert str(ipaddress.ip_address(address)) == address
    assert "%" not in address
    ipaddress.ip_address(limit_key(address))


def test_limits_count_households_not_addresses() -> None:
    assert limit_key(CLIENT) == CLIENT
    assert limit_key("::ffff:203.0.113.7") == CLIENT
    assert limit_key("2001:db8:1:2:3:4:5:6") == limit_key("2001:db8:1:2::1") == "2001:db8:1:2::"
    assert limit_key("2001:db8:1:3::1") != limit_key("2001:db8:1:2::1")
    assert limit_key("") == limit_key("nobody") == ""


@pytest.mark.parametrize(
    "odd",
    [
        *("", "Fly", "cloudflare", "10.0.0.1/8", "10.0.0.0/33", "fly,none"),
        *("0.0.0.0/0", "::/0", "10.0.0.0/8 0.0.0.0/0"),
    ],
)
def test_an_unknown_proxy_stops_the_start(odd: str) -> None:
    with pytest.raises(SettingsFault, match=r"TRUSTED_PROXY +must be none, fly, railway, or net"):
        behind(odd)
