"""The local Google's memory: its keys, the codes it gave out, the tokens it signs."""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

from madar.simulator.config import GoogleClient, JsonObject
from madar.simulator.encoding import base64url
from madar.simulator.people import Person
from madar.simulator.secret_file import write_secret

_CODE_TTL_S = 300
_TOKEN_TTL_S = 3600
_KEY_BITS = 2048
# Google publishes the old key for a while after a rotation.
_KEYS_PUBLISHED = 2


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What one authorization code stands for."""

    person: Person
    redirect_uri: str
    nonce: str
    code_challenge: str
    scope: str
    expires_at: float


class Refusal(Exception):
    """An OAuth error (RFC 6749, sections 4.1.2.1 and 5.2)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class Issuer:
    """Codes and access tokens live in memory: a restart signs nobody out of our product."""

    def __init__(self, *, url: str, client: GoogleClient, key_path: Path) -> None:
        self.url = url
        self.client = client
        self._key_path = key_path
        self._keys = self._load_keys()
        self._grants: dict[str, Grant] = {}
        self._people: dict[str, Person] = {}
        self._next_claims: JsonObject = {}

    # Keys

    def jwks(self) -> JsonObject:
        public = [key.as_dict(private=False) for key in self._keys[:_KEYS_PUBLISHED]]
        return {"keys": [{**key, "use": "sig", "alg": "RS256"} for key in public]}

    def rotate(self) -> str:
        """Sign with a new key from now on; gives back its id."""
        self._keys = [_new_key(), *self._keys][:_KEYS_PUBLISHED]
        self._save_keys()
        return str(self._keys[0].kid)

    def _load_keys(self) -> list[RSAKey]:
        if not self._key_path.exists():
            self._keys = [_new_key()]
            self._save_keys()
            return self._keys
        return [RSAKey.import_key(key) for key in orjson.loads(self._key_path.read_bytes())]

    def _save_keys(self) -> None:
        private = [key.as_dict(private=True) for key in self._keys]
        write_secret(self._key_path, orjson.dumps(private))

    # Faults

    def spoil_next_token(self, claims: JsonObject) -> None:
        """Merge these claims into the next ID token; a null takes the claim away."""
        self._next_claims = claims

    # Codes and tokens

    def grant(
        self, person: Person, *, redirect_uri: str, nonce: str, code_challenge: str, scope: str
    ) -> str:
        code = f"4/{secrets.token_urlsafe(32)}"
        self._grants[code] = Grant(
            person=person,
            redirect_uri=redirect_uri,
            nonce=nonce,
            code_challenge=code_challenge,
            scope=scope,
            expires_at=time.time() + _CODE_TTL_S,
        )
        return code

    def check_client(self, client_id: str, client_secret: str) -> None:
        is_known = hmac.compare_digest(client_id.encode(), self.client.client_id.encode())
        is_right = hmac.compare_digest(client_secret.encode(), self.client.client_secret.encode())
        if not (is_known and is_right):
            raise Refusal("invalid_client", "The OAuth client was not found.")

    def redeem(self, *, code: str, redirect_uri: str, code_verifier: str) -> JsonObject:
        """Exchange a code, which is used up by the attempt, whether it succeeds or not."""
        grant = self._grants.pop(code, None)
        if grant is None or grant.expires_at < time.time():
            raise Refusal("invalid_grant", "Malformed auth code.")
        if grant.redirect_uri != redirect_uri:
            raise Refusal("invalid_grant", "redirect_uri is not the one the code was asked for.")
        challenge = base64url(hashlib.sha256(code_verifier.encode()).digest())
        if not hmac.compare_digest(challenge.encode(), grant.code_challenge.encode()):
            raise Refusal("invalid_grant", "Invalid code verifier.")
        access_token = f"ya29.{secrets.token_urlsafe(32)}"
        self._people[access_token] = grant.person
        return {
            "access_token": access_token,
            "expires_in": _TOKEN_TTL_S,
            "scope": grant.scope,
            "token_type": "Bearer",
            "id_token": self._id_token(grant),
        }

    def person_with(self, access_token: str) -> Person | None:
        return self._people.get(access_token)

    def _id_token(self, grant: Grant) -> str:
        now = int(time.time())
        claims: JsonObject = {
            "iss": self.url,
            "azp": self.client.client_id,
            "aud": self.client.client_id,
            **claims_of(grant.person),
            "nonce": grant.nonce,
            "iat": now,
            "exp": now + _TOKEN_TTL_S,
            **self._next_claims,
        }
        self._next_claims = {}
        kept = {name: value for name, value in claims.items() if value is not None}
        key = self._keys[0]
        return jwt.encode({"alg": "RS256", "kid": key.kid}, kept, key)


def claims_of(person: Person) -> JsonObject:
    return {
        "sub": person.subject,
        "email": person.email,
        "email_verified": True,
        "name": person.name,
        "given_name": person.name,
    }


def _new_key() -> RSAKey:
    key = RSAKey.generate_key(_KEY_BITS, auto_kid=True)
    return RSAKey.import_key(cast("dict[str, Any]", key.as_dict(private=True)))
