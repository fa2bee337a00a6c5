"""Sign-in at Google (or the local issuer): discovery, the code exchange, and the ID token.

RS256 only, exact issuer and audience; traps of joserfc from its own source: `aud` given as a
value also accepts a list that holds it.
"""

import re
import time
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from joserfc import errors as jose
from joserfc import jwk, jws, jwt

from madar.clients.tls import tls_context
from madar.domain.answers import dig, text_at
from madar.errors import Unauthenticated, Unavailable
from madar.settings import Settings

SCOPE = "openid email profile"
TIMEOUT = httpx.Timeout(8, connect=3)
DISCOVERY_LIFE_S = 3600
KEYS_REFETCH_S = 60
LEEWAY_S = 60
MAX_AVATAR_CHARACTERS = 2048
_SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")  # OpenID Connect Core, 2


@dataclass(frozen=True, kw_only=True)
class Identity:
    """`subject` is the person; everything else may change."""

    subject: str
    email: str
    name: str
    avatar_url: str | None


class Google:
    """One per process; remembers discovery and keys for a while."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._discovery: tuple[float, dict[str, str]] | None = None
        self._keys: tuple[float, jwk.KeySet] | None = None

    async def authorization_url(self, *, state: str, nonce: str, code_challenge: str) -> str:
        query = {
            "response_type": "code",
            "client_id": self._settings.google_client_id,
            "redirect_uri": self._settings.google_redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
            "prompt": "select_account",
        }
        return f"{await self._endpoint('authorization_endpoint')}?{urlencode(query)}"

    async def identify(self, *, code: str, code_verifier: str, nonce: str) -> Identity:
        """Exchange the code, once, and check what comes back. Raises Unauthenticated."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": self._settings.google_redirect_uri,
            "client_id": self._settings.google_client_id,
            "client_secret": str(self._settings.google_client_secret),
        }
        url = await self._endpoint("token_endpoint")
        try:
            response = await self._http.post(url, data=form)
        except httpx.HTTPError as error:
            raise Unavailable("google") from error
        if response.is_server_error:
            raise Unavailable("google")
        token = text_at(_json(response), "id_token")
        if response.is_error or token is None:
            raise Unauthenticated("sign_in_refused")
        return _identity(await self._claims(token, nonce=nonce))

    async def _claims(self, token: str, *, nonce: str) -> dict[str, Any]:
        registry = jws.JWSRegistry(algorithms=["RS256"])
        try:
            try:
                decoded = jwt.decode(token, await self._key_set(), registry=registry)
            except (jose.InvalidKeyIdError, jose.BadSignatureError):
                decoded = jwt.decode(token, await self._key_set(anew=True), registry=registry)
            self._claims_registry(nonce).validate(decoded.claims)
        except (jose.JoseError, ValueError) as error:
            raise Unauthenticated("sign_in_refused") from error
        claims = decoded.claims
        client_id = self._settings.google_client_id
        if claims["aud"] not in (client_id, [client_id]):
            raise Unauthenticated("sign_in_refused")
        if claims.get("azp", client_id) != client_id:
            raise Unauthenticated("sign_in_refused")
        return claims

    def _claims_registry(self, nonce: str) -> jwt.JWTClaimsRegistry:
        issuer = self._settings.google_issuer
        issuers = [issuer, issuer.removeprefix("https://")]  # Google signs with either
        return jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "values": issuers},
            aud={"essential": True, "value": self._settings.google_client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )

    async def _endpoint(self, name: str) -> str:
        now = time.monotonic()
        if self._discovery is None or now - self._discovery[0] > DISCOVERY_LIFE_S:
            issuer = self._settings.google_issuer
            found = await self._get(f"{issuer}/.well-known/openid-configuration")
            if text_at(found, "issuer") != issuer:
                raise Unavailable("google")
            self._discovery = (now, found)
        return self._discovery[1][name]

    async def _key_set(self, *, anew: bool = False) -> jwk.KeySet:
        """Keys are fetched again for an unknown one, at most once a minute."""
        now = time.monotonic()
        age = DISCOVERY_LIFE_S if self._keys is None else now - self._keys[0]
        if age >= DISCOVERY_LIFE_S or (anew and age > KEYS_REFETCH_S) or self._keys is None:
            found = await self._get(await self._endpoint("jwks_uri"))
            self._keys = (now, jwk.KeySet.import_key_set(found))
        return self._keys[1]

    async def _get(self, url: str) -> Any:
        try:
            response = await self._http.get(url)
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable("google") from error


@asynccontextmanager
async def open_google(settings: Settings) -> AsyncGenerator[Google]:
    async with httpx.AsyncClient(timeout=TIMEOUT, verify=tls_context()) as http:
        yield Google(settings, http)


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None


def _readable(claims: dict[str, Any], name: str) -> str:
    """Without control characters and directional overrides, which would disturb every reader."""
    text = text_at(claims, name) or ""
    return "".join(c for c in text if unicodedata.category(c)[0] != "C").strip()


def _identity(claims: dict[str, Any]) -> Identity:
    email = _readable(claims, "email")
    if not email or dig(claims, "email_verified") is not True:
        raise Unauthenticated("email_not_verified")
    subject = claims["sub"]
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise Unauthenticated("sign_in_refused")
    picture = _readable(claims, "picture")
    is_usable = picture.startswith("https://") and len(picture) <= MAX_AVATAR_CHARACTERS
    return Identity(
        subject=subject,
        email=email[:255],
        name=(_readable(claims, "name") or email.partition("@")[0])[:255],
        avatar_url=picture if is_usable else None,
    )
