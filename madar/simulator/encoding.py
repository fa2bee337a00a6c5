"""base64url without padding, as JWK, JWT and PKCE write it (RFC 7515, section 2)."""

import base64


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
