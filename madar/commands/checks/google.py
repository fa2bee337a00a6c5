"""Sign-in: is the issuer there, does it know us, and does it lead people back to us."""

import base64
import binascii
import re
import secrets
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

import httpx

from madar.clients.google import GOOGLE, SCOPE
from madar.commands.checks.findings import Finding, Place, first_line, ok, problem, warning
from madar.domain.answers import text_at
from madar.settings import Settings

CALLBACK = "/api/auth/google/callback"
_CLIENT_ID = re.compile(r"[0-9]+-[a-z0-9]+\.apps\.googleusercontent\.com")
_CLIENTS = "https://console.cloud.google.com/auth/clients"
# What Google's page of refusal says; it is no documented interface, so silence proves nothing.
_REFUSALS = {
    "redirect_uri_mismatch": (
        "the redirect address {redirect} is not allowed",
        'add it under "Authorised redirect URIs" of this client at {clients}',
    ),
    "deleted_client": ("the client was deleted", "make a new one at {clients}"),
    "disabled_client": ("the client is disabled", "enable it at {clients}"),
    "invalid_client": ("no client has this GOOGLE_CLIENT_ID", "copy it anew from {clients}"),
    "org_internal": (
        "the client is for one organisation only",
        "make its audience external at https://console.cloud.google.com/auth/audience",
    ),
}


async def look_at_redirect(place: Place) -> Iterable[Finding]:
    """Without asking anybody."""
    return [*_strange_redirect(place.settings), *_strange_client(place.settings)]


async def look_at_google(place: Place) -> Iterable[Finding]:
    settings, issuer = place.settings, place.settings.google_issuer
    is_ours = place.here.local is not None and place.here.local.issuer
    step = "start it: make run" if is_ours else "check the network and GOOGLE_ISSUER"
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        found = (await place.ask("GET", address)).raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return [problem("google", f"{issuer}: {first_line(error)}", step)]
    said = text_at(found, "issuer")
    if said != issuer:
        return [problem("google", f"{issuer} calls itself {said}", "make GOOGLE_ISSUER the same")]
    scheme = urlsplit(issuer).scheme
    asked = [text_at(found, f"{name}_endpoint") or "" for name in ("authorization", "token")]
    if not all(url.startswith(f"{scheme}://") for url in asked):
        return [problem("google", f"{issuer} names no endpoints of {scheme}", step)]
    try:
        faults = [
            *await _refused_client(place, asked[1]),
            *await _refused_redirect(place, asked[0]),
        ]
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return [problem("google", f"{issuer}: {first_line(error)}", step)]
    redirect = settings.google_redirect_uri
    return faults or [ok("google", f"{issuer} knows this client, and leads back to {redirect}")]


def _strange_redirect(settings: Settings) -> Iterable[Finding]:
    """What no page of ours would ever see."""
    redirect = urlsplit(settings.google_redirect_uri)
    origin = f"{redirect.scheme}://{redirect.netloc}"
    text = f"GOOGLE_REDIRECT_URI is {settings.google_redirect_uri}"
    if redirect.fragment or redirect.scheme not in {"https", "http"}:
        yield problem("google", text, "write it like https://host/path, without a #")
    elif settings.cookie_site == "cross" and origin == settings.app_url.rstrip("/"):
        step = "with COOKIE_SITE=cross it must be a page of the frontend"
        yield problem("google", text, step)
    elif origin == settings.app_url.rstrip("/"):
        if redirect.path != CALLBACK:
            yield problem("google", text, f"at APP_URL its path must be {CALLBACK}")
    elif origin not in settings.allowed_origins:
        step = f"take {settings.app_url.rstrip('/')}{CALLBACK}, or a page of a listed origin"
        yield problem("google", f"{text}, whose origin is not listed", step)


def _strange_client(settings: Settings) -> Iterable[Finding]:
    is_googles = settings.google_issuer == GOOGLE
    if is_googles and not _CLIENT_ID.fullmatch(settings.google_client_id):
        step = f"copy the client's id from {_CLIENTS}"
        yield warning("google", "GOOGLE_CLIENT_ID does not look like one of Google's", step)


async def _refused_client(place: Place, url: str) -> Iterable[Finding]:
    """A code that never was: refusing it, the issuer shows whether it knows us (RFC 6749, 5.2)."""
    settings = place.settings
    answer = await place.ask(
        "POST",
        url,
        data={
            "grant_type": "authorization_code",
            "code": "madar-doctor",
            "code_verifier": secrets.token_urlsafe(32),
            "redirect_uri": settings.google_redirect_uri,
            "client_id": settings.google_client_id,
            "client_secret": str(settings.google_client_secret),
        },
    )
    try:
        said = text_at(answer.json(), "error")
    except ValueError:
        said = None
    if said in {"invalid_client", "unauthorized_client"}:
        text = "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET do not belong together"
        return [problem("google", text, f"copy both anew from {_CLIENTS}")]
    if said != "invalid_grant":
        text = f"{settings.google_issuer} answers {answer.status_code} {said or ''}".strip()
        step = "try a sign-in; if it fails, look for google.exchange_refused in the log"
        return [warning("google", text, step)]
    return []


async def _refused_redirect(place: Place, url: str) -> Iterable[Finding]:
    """The page a person would be sent to, without anybody signing in there."""
    settings = place.settings
    challenge = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    answer = await place.ask(
        "GET",
        url,
        params={
            "response_type": "code",
            "client_id": settings.google_client_id,
            "redirect_uri": settings.google_redirect_uri,
            "scope": SCOPE,
            "state": "madar-doctor",
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        },
    )
    said = f"{answer.text} {_error_in(answer.headers.get('location', ''))}"
    for word, (text, step) in _REFUSALS.items():
        if word in said:
            names = {"redirect": settings.google_redirect_uri, "clients": _CLIENTS}
            return [problem("google", text.format(**names), step.format(**names))]
    return []


def _error_in(location: str) -> str:
    """Google sends on to a page whose address has the error, packed in Base64."""
    packed = parse_qs(urlsplit(location).query).get("authError", [""])[0]
    try:
        return base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""
