"""Madar's public HTTP API as `madar generate` uses it: nothing that any other program could not."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin

import httpx

from madar.commands.terminal import FAILED, NOT_CONFIGURED, UPSTREAM, CommandFailed

TIMEOUT_S = 30
SERVER_FAULT = 500
LOCAL_HOSTS = ("localhost", "127.0.0.1")  # where `make run` can help

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
            # A file's name need not be UTF-8; a form's must.
            name = path.name.encode(errors="replace").decode()
            files = {"image": (name, file, "application/octet-stream")}
            return _answer(self._http.post("/api/uploads/image", files=files), "id")

    def create(self, wish: Document) -> Document:
        return _answer(self._http.post("/api/generations", json=wish), "id")

    def generation(self, generation_id: str) -> Document:
        return _answer(self._http.get(f"/api/generations/{generation_id}"), "status")

    def download(self, generation_id: str) -> tuple[bytes, str]:
        """The picture, and the file name the server proposes."""
        asked = self._http.get(f"/api/generations/{generation_id}/download")
        link = _answer(asked, "downloadUrl", "filename")
        address = urljoin(f"{self.url}/", link["downloadUrl"])
        # The link carries its own right; our token is for Madar, not for a bucket elsewhere.
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True) as http:
            response = http.get(address)
        if response.is_error:
            raise CommandFailed(
                f"The picture of {generation_id} cannot be downloaded: {response.status_code}",
                UPSTREAM,
            )
        return response.content, Path(link["filename"]).name or f"{generation_id}.png"


@contextmanager
def signed_in(url: str, *, person: str, token: str | None, language: str) -> Generator[PublicApi]:
    """With the token given, or as a person of the local issuer."""
    url = url.rstrip("/")
    headers = {"accept-language": language}
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, headers=headers) as http:
        try:
            yield PublicApi(http, url=url, token=token or _sign_in(http, person))
        except httpx.ConnectError:
            is_here = httpx.URL(url).host in LOCAL_HOSTS
            advice = "Start Madar with: make run" if is_here else "Check the address."
            raise CommandFailed(f"Nothing answers at {url}. {advice}", UPSTREAM) from None


def fault_of(url: str) -> str:
    """Why this cannot be a server's address; empty when it can."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        return f"“{url}” is no address: {error}"
    if address.scheme in ("http", "https") and address.host:
        return ""
    return f"“{url}” is no address such as http://localhost:8000"


def _sign_in(http: httpx.Client, person: str) -> str:
    """As a browser would, with the name of the person given beforehand (OpenID's login_hint)."""
    start = _answer(http.get("/api/auth/google/url"), "url")
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
    return _answer(http.post("/api/auth/google/callback", json=grant), "token")["token"]


def _answer(response: httpx.Response, *names: str) -> Document:
    """Its JSON object, with a text under each of the names."""
    document = _document(response)
    if document is None or not (response.is_error or _has_texts(document, names)):
        raise CommandFailed(
            f"{response.url} answered {response.status_code}, but not as Madar does. "
            "Check the address.",
            UPSTREAM,
        )
    if response.is_error:
        code = UPSTREAM if response.status_code >= SERVER_FAULT else FAILED
        raise CommandFailed(_words_of(document, response.status_code), code)
    return document


def _document(response: httpx.Response) -> Document | None:
    """None for all else, such as the HTML of another program or of a proxy."""
    try:
        document: object = response.json()
    except (ValueError, RecursionError):
        return None
    return cast("Document", document) if isinstance(document, dict) else None


def _has_texts(document: Document, names: tuple[str, ...]) -> bool:
    return all(isinstance(document.get(name), str) for name in names)


def _words_of(problem: Document, status: int) -> str:
    """A problem document (RFC 9457) in lines: what happened, where, and its code."""
    text = str(problem.get("detail") or problem.get("title") or status)
    head = f"{text} ({problem.get('code', status)})"
    faults: list[Document] = problem.get("errors", [])
    if len(faults) < 2:  # noqa: PLR2004 - one fault is what the head says already
        return head
    return "\n".join([head, *(f"  {fault['pointer']}: {fault['detail']}" for fault in faults)])
