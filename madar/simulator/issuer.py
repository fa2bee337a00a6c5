"""The local Google: OpenID Connect's authorization code flow with PKCE, under `/google`."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from madar.simulator.issuer_page import language_of, refusal_page, sign_in_page
from madar.simulator.issuer_tokens import Issuer, Refusal, claims_of
from madar.simulator.people import Person, person_of
from madar.simulator.state import State, simulator_of

_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
# As long as Google lets its keys be kept, more or less; a verifier must still refetch on rotation.
_KEYS_MAY_BE_KEPT = {"cache-control": "public, max-age=3600"}
# An S256 challenge is 32 bytes in base64url (RFC 7636, section 4.2).
_CHALLENGE_LENGTH = 43


async def get_configuration(request: Request[State]) -> Response:
    url = _issuer_of(request).url
    return JSONResponse(
        {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "userinfo_endpoint": f"{url}/userinfo",
            "jwks_uri": f"{url}/jwks",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "iss", "name"],
        }
    )


async def get_jwks(request: Request[State]) -> Response:
    return JSONResponse(_issuer_of(request).jwks(), headers=_KEYS_MAY_BE_KEPT)


async def get_authorize(request: Request[State]) -> Response:
    """Who asked comes first: an unknown address must never be redirected to."""
    issuer, query = _issuer_of(request), dict(request.query_params)
    language = language_of(request.headers.get("accept-language", ""))
    if query.get("client_id") != issuer.client.client_id:
        return refusal_page("Error 401: invalid_client", language=language)
    if query.get("redirect_uri") not in issuer.client.redirect_uris:
        return refusal_page("Error 400: redirect_uri_mismatch", language=language)
    if refusal := _refusal_of(query):
        return _back(query, error=refusal.error, error_description=refusal.description)
    hint = query.get("login_hint")
    person = person_of(hint, query.get("name", "")) if hint else None
    if person is None:
        return sign_in_page(query, language=language, has_bad_email=bool(hint))
    return _back(query, code=_code_for(issuer, person, query))


def _refusal_of(query: Mapping[str, str]) -> Refusal | None:
    if query.get("response_type") != "code":
        return Refusal("unsupported_response_type", "Only response_type=code is served.")
    if "openid" not in query.get("scope", "").split():
        return Refusal("invalid_scope", "The scope must contain openid.")
    for name in ("state", "nonce", "code_challenge"):
        if not query.get(name):
            return Refusal("invalid_request", f"Missing required parameter: {name}")
    is_s256 = query.get("code_challenge_method") == "S256"
    if not is_s256 or len(query["code_challenge"]) != _CHALLENGE_LENGTH:
        return Refusal("invalid_request", "Only PKCE with S256 is served.")
    return None


def _code_for(issuer: Issuer, person: Person, query: Mapping[str, str]) -> str:
    return issuer.grant(
        person,
        redirect_uri=query["redirect_uri"],
        nonce=query["nonce"],
        code_challenge=query["code_challenge"],
        scope=query["scope"],
    )


def _back(query: Mapping[str, str], **answer: str) -> Response:
    parts = urlsplit(query["redirect_uri"])
    if state := query.get("state"):
        answer["state"] = state
    added = "&".join(part for part in (parts.query, urlencode(answer)) if part)
    return RedirectResponse(urlunsplit(parts._replace(query=added)), 302, headers=_NO_STORE)


async def post_token(request: Request[State]) -> Response:
    issuer = _issuer_of(request)
    async with request.form(max_files=0, max_fields=20) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    try:
        client_id, client_secret = _client_of(request, fields)
        issuer.check_client(client_id, client_secret)
        if fields.get("grant_type") != "authorization_code":
            raise Refusal("unsupported_grant_type", "Invalid grant_type.")  # noqa: TRY301 - one way out for every refusal
        answer = issuer.redeem(
            code=fields.get("code", ""),
            redirect_uri=fields.get("redirect_uri", ""),
            code_verifier=fields.get("code_verifier", ""),
        )
    except Refusal as refusal:
        return _refused(refusal)
    return JSONResponse(answer, headers=_NO_STORE)


def _client_of(request: Request[State], fields: Mapping[str, str]) -> tuple[str, str]:
    """From the form or from HTTP Basic, whose parts are form-encoded (RFC 6749, 2.3.1)."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return fields.get("client_id", ""), fields.get("client_secret", "")
    try:
        client_id, _, client_secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Refusal("invalid_client", "The Basic credentials are malformed.") from None
    return unquote(client_id), unquote(client_secret)


def _refused(refusal: Refusal) -> Response:
    body = {"error": refusal.error, "error_description": refusal.description}
    if refusal.error != "invalid_client":
        return JSONResponse(body, 400, headers=_NO_STORE)
    return JSONResponse(body, 401, headers={**_NO_STORE, "www-authenticate": "Basic"})


async def get_userinfo(request: Request[State]) -> Response:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    person = _issuer_of(request).person_with(token) if scheme.lower() == "bearer" else None
    if person is None:
        return JSONResponse({"error": "invalid_token"}, 401, headers={"www-authenticate": "Bearer"})
    return JSONResponse(claims_of(person), headers=_NO_STORE)


async def put_faults(request: Request[State]) -> Response:
    try:
        body: Any = orjson.loads(await request.body())
        claims = dict(body["claims"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise HTTPException(422, 'Send {"claims": {...}}') from None
    _issuer_of(request).spoil_next_token(claims)
    return JSONResponse({"claims": claims})


async def put_rotate(request: Request[State]) -> Response:
    return JSONResponse({"kid": _issuer_of(request).rotate()})


def _issuer_of(request: Request[State]) -> Issuer:
    issuer = simulator_of(request).issuer
    if issuer is None:
        raise HTTPException(404, "This simulator was started without a Google client")
    return issuer


routes = [
    Route("/.well-known/openid-configuration", get_configuration, methods=["GET"]),
    Route("/jwks", get_jwks, methods=["GET"]),
    Route("/authorize", get_authorize, methods=["GET"]),
    Route("/token", post_token, methods=["POST"]),
    Route("/userinfo", get_userinfo, methods=["GET"]),
    Route("/faults", put_faults, methods=["PUT"]),
    Route("/rotate", put_rotate, methods=["PUT"]),
]
