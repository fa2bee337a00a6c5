"""Sign-in at Google (or the local issuer): discovery, the code exchange, and the ID token.

authlib speaks OAuth; joserfc checks the ID token. Each exchange has a client of its own, because
authlib keeps the tokens it got in the client, and nobody needs Google's tokens afterwards.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import errors as jose
from joserfc import jwk, jws, jwt

from madar.clients.published import Published, life_of
from madar.clients.tls import tls_context
from madar.domain.answers import dig, text_at
from madar.domain.texts import printable
from madar.errors import Unauthenticated, Unavailable
from madar.settings import Settings

log = logging.getLogger(__name__)

GOOGLE = "https://accounts.google.com"
GOOGLES_OTHER_NAME = "accounts.google.com"  # its ID tokens carry either (Google, OpenID Connect)
SCOPE = "openid email profile"
DEADLINE_S = 8  # for all the questions of one step of a sign-in together
TIMEOUT = httpx2.Timeout(DEADLINE_S, connect=3)
LEEWAY_S = 60
MAX_TOKEN_CHARACTERS = 16 * 1024
MAX_AVATAR_CHARACTERS = 2048
_SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")  # OpenID Connect Core, 2
_CODE = re.compile(r"[\x20-\x7e]{1,2048}")  # RFC 6749, appendix A.11; authlib knows no others
_RS256 = jws.JWSRegistry(algorithms=["RS256"])

# What an answer of another shape than promised raises inside authlib and joserfc.
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """`subject` is the person; everything else may change."""

    subject: str
    email: str
    name: str
    avatar_url: str | None


class Google:
    """One per process; remembers discovery and keys for a while."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._discovery = Published(self._fetch_discovery)
        self._keys = Published(self._fetch_keys)
        self.answers = True  # as of the last question, and until there was one

    async def authorization_url(self, *, state: str, nonce: str, code_verifier: str) -> str:
        """Where the person agrees. Raises Unavailable."""
        async with self._deadline():
            endpoint = await self._endpoint("authorization_endpoint")
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                endpoint,
                state=state,
                nonce=nonce,
                code_verifier=code_verifier,
                prompt="select_account",
            )
        return url

    async def identify(self, *, code: str, code_verifier: str, nonce: str) -> Identity:
        """Exchange the code, once, and check what comes back.

        Raises Unauthenticated, Unavailable.
        """
        if not _CODE.fullmatch(code):
            raise Unauthenticated("sign_in_refused")
        async with self._deadline():
            token = await self._exchange(code, code_verifier)
            return _identity(await self._claims(token, nonce=nonce))

    async def _exchange(self, code: str, code_verifier: str) -> str:
        url = await self._endpoint("token_endpoint")
        try:
            async with self._client() as client:
                answer = await client.fetch_token(url, code=code, code_verifier=code_verifier)
        except OAuthError as error:
            if error.error == "invalid_grant":
                raise Unauthenticated("sign_in_refused") from error
            # No person can help that: mostly our own id, secret or redirect address is wrong.
            log.error("google.exchange_refused", extra={"why": str(error.error)[:80]})  # noqa: TRY400 - expected, without a traceback
            raise Unavailable("google") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, *_MALFORMED) as error:
            raise Unavailable("google") from error
        token = text_at(dict(answer), "id_token")
        if token is None:
            raise Unavailable("google")
        return token

    async def _claims(self, token: str, *, nonce: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise Unauthenticated("sign_in_refused")
        try:
            try:
                decoded = jwt.decode(token, await self._keys.get(), registry=_RS256)
            except jose.InvalidKeyIdError:
                keys = await self._keys.get(is_outdated=True)
                decoded = jwt.decode(token, keys, registry=_RS256)
            self._check(decoded.claims, nonce)
        except (jose.JoseError, *_MALFORMED) as error:
            raise Unauthenticated("sign_in_refused") from error
        return decoded.claims

    def _check(self, claims: dict[str, Any], nonce: str) -> None:
        """Raises JoseError."""
        issuer, client_id = self._settings.google_issuer, self._settings.google_client_id
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={
                "essential": True,
                "values": [issuer, GOOGLES_OTHER_NAME] if issuer == GOOGLE else [issuer],
            },
            aud={"essential": True, "value": client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        ).validate(claims)
        # joserfc takes a list that holds the value for the value.
        if claims["aud"] not in (client_id, [client_id]) or claims["nonce"] != nonce:
            raise jose.InvalidClaimError("aud")
        if claims.get("azp", client_id) != client_id:
            raise jose.InvalidClaimError("azp")

    @asynccontextmanager
    async def _deadline(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(DEADLINE_S):
                yield
        except TimeoutError as error:
            self.answers = False
            raise Unavailable("google") from error
        except Unavailable:
            self.answers = False
            raise
        self.answers = True

    def _client(self) -> Any:
        """Authlib has no types."""
        return AsyncOAuth2Client(
            client_id=self._settings.google_client_id,
            client_secret=str(self._settings.google_client_secret),
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 - the name of a method
            code_challenge_method="S256",
            scope=SCOPE,
            redirect_uri=self._settings.google_redirect_uri,
            verify=tls_context(),
            timeout=TIMEOUT,
        )

    async def _endpoint(self, name: str) -> str:
        return (await self._discovery.get())[name]

    async def _fetch_discovery(self) -> tuple[dict[str, str], float]:
        """What Google says of another issuer, or over plain HTTP, is not taken."""
        issuer = self._settings.google_issuer
        found, life_s = await self._get(f"{issuer}/.well-known/openid-configuration")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        endpoints = {name: text_at(found, name) or "" for name in names}
        scheme = issuer.partition("://")[0]
        if text_at(found, "issuer") != issuer or not all(
            url.startswith(f"{scheme}://") for url in endpoints.values()
        ):
            log.error("google.discovery_refused")
            raise Unavailable("google")
        return endpoints, life_s

    async def _fetch_keys(self) -> tuple[jwk.KeySet, float]:
        """Only the kind that signs RS256: keys of kinds yet to come must not disturb it."""
        found, life_s = await self._get(await self._endpoint("jwks_uri"))
        try:
            usable = [key for key in found["keys"] if key["kty"] == "RSA"]
            return jwk.KeySet.import_key_set({"keys": usable}), life_s
        except (jose.JoseError, *_MALFORMED) as error:
            raise Unavailable("google") from error

    async def _get(self, url: str) -> tuple[Any, float]:
        try:
            async with httpx2.AsyncClient(verify=tls_context(), timeout=TIMEOUT) as http:
                response = await http.get(url)
            response.raise_for_status()
            return response.json(), life_of(response.headers.get("cache-control", ""))
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError) as error:
            raise Unavailable("google") from error


def _readable(claims: dict[str, Any], name: str) -> str:
    return printable(text_at(claims, name) or "")


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
