"""Madar's public HTTP API as `madar generate` uses it: nothing that any other program could not."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from madar.commands.terminal import FAILED, NOT_CONFIGURED, UPSTREAM, CommandFailed

TIMEOUT_S = 30
SERVER_FAULT = 500

Document = dict[str, Any]


class PublicApi:
    """One signed-in person. Every refusal of the server becomes a CommandFailed with its words."""

    def __init__(self, http: httpx.Client, *, url: str, token: str) -> None:
        self._http = http
        self.url = url
        self.token = token
        http.headers["authorization"] = f"Bearer {token}"

    def upload(self, path: Path) -> Document:
        with path.open("rb") as file:
            files = {"image": (path.name, file, "application/octet-stream")}
            return _answer(self._http.post("/api/uploads/image", files=files))

    def create(self, wish: Document) -> Document:
        return _answer(self._http.post("/api/generations", json=wish))

    def generation(self, generation_id: str) -> Document:
        return _answer(self._http.get(f"/api/generations/{generation_id}"))

    def download(self, generation_id: str) -> tuple[bytes, str]:
        """The picture, and the file name the server proposes."""
        link = _answer(self._http.get(f"/api/generations/{generation_id}/download"))
        address = urljoin(f"{self.url}/", link["downloadUrl"])
        # The link carries its own right; our token is for Madar, not for a bucket elsewhere.
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True) as http:
            response = http.get(address)
        if response.is_error:
            raise CommandFailed(
                f"The picture cannot be downloaded: {response.status_code}", UPSTREAM
            )
        return response.content, Path(str(link["filename"])).name


@contextmanager
def signed_in(url: str, *, person: str, token: str | None, language: str) -> Generator[PublicApi]:
    """With the token given, or as a person of the local issuer."""
    url = url.rstrip("/")
    headers = {"accept-language": language}
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, headers=headers) as http:
        try:
            yield PublicApi(http, url=url, token=token or _sign_in(http, person))
        except httpx.ConnectError:
            raise CommandFailed(
                f"Nothing answers at {url}. Start Madar with: make run", UPSTREAM
            ) from None


def _sign_in(http: httpx.Client, person: str) -> str:
    """As a browser would, with the name of the person given beforehand (OpenID's login_hint)."""
    start = _answer(http.get("/api/auth/google/url"))
    page = httpx.get(
        httpx.URL(start["url"]).copy_add_param("login_hint", person), timeout=TIMEOUT_S
    )
    back = httpx.URL(str(page.headers.get("location", ""))).params
    if "code" not in back:
        raise CommandFailed(
            "Only the local sign-in works without a browser. "
            "Give a token of this server: madar generate --token …",
            NOT_CONFIGURED,
        )
    grant = {"code": back["code"], "state": back["state"]}
    return _answer(http.post("/api/auth/google/callback", json=grant))["token"]


def _answer(response: httpx.Response) -> Document:
    if not response.is_error:
        return response.json()
    raise CommandFailed(
        _words_of(response), UPSTREAM if response.status_code >= SERVER_FAULT else FAILED
    )


def _words_of(response: httpx.Response) -> str:
    """A problem document (RFC 9457) in lines: what happened, where, and its code."""
    try:
        problem: Document = response.json()
    except ValueError:
        return f"{response.url} answered {response.status_code}"
    text = str(problem.get("detail") or problem.get("title") or response.status_code)
    head = f"{text} ({problem.get('code', response.status_code)})"
    faults: list[Document] = problem.get("errors", [])
    if len(faults) < 2:  # noqa: PLR2004 - one fault is what the head says already
        return head
    return "\n".join([head, *(f"  {fault['pointer']}: {fault['detail']}" for fault in faults)])
