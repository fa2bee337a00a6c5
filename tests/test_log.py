"""What reaches the log in production, and what does not."""

import json
import subprocess
import sys

SPEAKERS = """
import logging
from madar import log
log.configure("info", as_json=True)
for chatty in ("httpx", "httpx2", "asyncio"):
    logging.getLogger(chatty).info("an address, perhaps with a secret")
server = logging.getLogger("uvicorn.error")
server.info("a socket's query string")
server.error("ASGI callable returned without completing handshake.")
server.error("Invalid UTF-8 sequence received from client.")
server.error("a failure of ours")
"""


def test_clients_and_addresses_fill_no_log() -> None:
    said = subprocess.run(
        [sys.executable, "-c", SPEAKERS], capture_output=True, check=True, text=True
    ).stdout

    assert [json.loads(line)["event"] for line in said.splitlines()] == ["a failure of ours"]
