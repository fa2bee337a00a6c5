"""Ports: which is free on every address, kept for us from the choice until the end."""

import contextlib
import errno
import socket
from collections.abc import Generator
from contextlib import contextmanager

TRIES = 50
HIGHEST = 65535


class NoFreePort(Exception):
    """None of the ports looked at can be used."""


@contextmanager
def reserved(preferred: int) -> Generator[int]:
    """The preferred port, or the next free one.

    Another Madar that starts at the same moment does not choose it, although nothing listens
    there yet.
    """
    for port in range(preferred, min(preferred + TRIES, HIGHEST + 1)):
        with _claimed(port) as ours:
            if ours and is_free(port):
                yield port
                return
    raise NoFreePort(
        f"Ports {preferred} to {min(preferred + TRIES, HIGHEST + 1) - 1} are all taken. "
        "Choose another: madar dev --port 9000"
    )


def is_free(port: int) -> bool:
    """Whether nobody has the port on any IPv4 or IPv6 address: a browser may try either."""
    return _can_bind(socket.AF_INET, "0.0.0.0", port) and _can_bind(  # noqa: S104 - only asked
        socket.AF_INET6, "::", port
    )


def owner_of(port: int) -> str:
    """The program that listens there, such as `node, pid 4121`; `another program` if unknown."""
    import psutil  # noqa: PLC0415 - only when a port is taken

    with contextlib.suppress(psutil.Error, OSError):
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and port in found.laddr and found.pid:
                return f"{psutil.Process(found.pid).name()}, pid {found.pid}"
    return "another program"


def _can_bind(family: socket.AddressFamily, address: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as candidate:
            # Connections that closed a moment ago do not count as taken.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            candidate.bind((address, port))
    except OSError as error:
        return error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EPERM)
    return True


@contextmanager
def _claimed(port: int) -> Generator[bool]:
    """A name in Linux's abstract namespace: it needs no file and vanishes with its process."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
        try:
            claim.bind(f"\0madar-port-{port}")
        except OSError as error:
            yield error.errno != errno.EADDRINUSE
        else:
            yield True
