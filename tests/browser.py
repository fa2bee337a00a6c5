"""A real Chromium, spoken to in its own protocol; tests that need one are skipped without."""

import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.simulator.harness import eventually

PROGRAM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Every name is this machine, and its certificate is our own.
    *("--host-resolver-rules=MAP *.test 127.0.0.1", "--ignore-certificate-errors"),
    "--test-third-party-cookie-phaseout",
)


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.requested: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def go(self, url: str) -> None:
        self._ask("Page.navigate", url=url)
        eventually(lambda: self.run(f"location.href.startsWith({json.dumps(url)})") or None)
        eventually(lambda: self.run("document.readyState") == "complete" or None)

    def run(self, script: str) -> Any:
        """The value of an expression, or of the promise it is."""
        told = self._ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def shows(self, *words: str) -> str:
        """What a reader sees, once all the words are in it."""

        def look() -> str | None:
            seen: str = self.run("document.body ? document.body.innerText : ''")
            return seen if all(word in seen for word in words) else None

        return eventually(look, deadline_s=30)

    def fetch(self, url: str, *, method: str = "GET", body: Any = None) -> tuple[int, Any]:
        """As the page's script does, with credentials; status 0 is a network error to it."""
        wishes = {"method": method, "credentials": "include"}
        if body is not None:
            wishes |= {"headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
        script = (
            f"fetch({json.dumps(url)}, {json.dumps(wishes)})"
            ".then(async answer => [answer.status, await answer.json().catch(() => null)])"
            ".catch(() => [0, null])"
        )
        status, told = self.run(script)
        return status, told

    def first_words(self, url: str, message: Any) -> Any:
        """What a socket hears first after saying `message`, or the code of its end."""
        return self.run(
            "new Promise(resolve => {"
            f" const socket = new WebSocket({json.dumps(url)});"
            f" socket.onopen = () => socket.send(JSON.stringify({json.dumps(message)}));"
            " socket.onmessage = event => resolve(JSON.parse(event.data));"
            " socket.onclose = event => resolve(event.code); })"
        )

    def cookies(self) -> list[dict[str, Any]]:
        return self._ask("Storage.getCookies")["cookies"]

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            told = json.loads(self._connection.recv(timeout=20))
            if told.get("id") == number:
                assert "error" not in told, told["error"]
                return told["result"]
            self._note(told["method"], told["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        """What the page asked for, and what went wrong in it."""
        match method:
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url')}")
            case _:
                pass


@contextlib.contextmanager
def chromium() -> Generator[Page]:
    assert PROGRAM
    with tempfile.TemporaryDirectory(
        prefix="madar-chromium-", ignore_cleanup_errors=True
    ) as folder:
        command = [PROGRAM, *_FLAGS, f"--user-data-dir={folder}", "--remote-debugging-port=0"]
        process = subprocess.Popen(
            [*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            port = eventually(lambda: _port_in(Path(folder)), deadline_s=30)
            with connect(
                eventually(lambda: _tab_at(port)), proxy=None, max_size=None
            ) as connection:
                yield Page(connection)
        finally:
            process.terminate()
            process.wait(20)


def _port_in(folder: Path) -> int | None:
    file = folder / "DevToolsActivePort"
    lines = file.read_text().split() if file.exists() else []
    return int(lines[0]) if lines else None


def _tab_at(port: int) -> str | None:
    with httpx.Client(trust_env=False, verify=False) as http:
        tabs = http.get(f"http://127.0.0.1:{port}/json/list").json()
    return next((tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"), None)
