"""One TLS context for all that we call: reading the authorities takes 25 ms each time."""

import ssl
from functools import cache

import httpx


@cache
def tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()
