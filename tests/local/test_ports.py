"""madar.local.ports: taken on any address is taken."""

import socket

import pytest

from madar.local.ports import NoFreePort, is_free, owner_of, reserved
from tests.local.processes import free_port


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_taken_on_one_address_is_not_free(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        assert not is_free(listener.getsockname()[1])


def test_two_that_start_together_get_different_ports() -> None:
    port = free_port()

    with reserved(port) as first, reserved(port) as second:
        assert first == port
        assert second > port


def test_the_last_port_has_no_next_one() -> None:
    with (
        socket.create_server(("127.0.0.1", 65535)),
        pytest.raises(NoFreePort, match="--port 9000"),
        reserved(65535),
    ):
        pass


def test_the_owner_of_a_port_is_named_with_its_pid() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert ", pid " in owner_of(listener.getsockname()[1])
