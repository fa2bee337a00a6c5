"""The steps of a sign-in one by one, for tests that go wrong in the middle."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.product import AMAL, Json, Product


@dataclass(frozen=True, kw_only=True)
class Returned:
    """What the browser brings back from Google, and the cookie it was sent away with."""

    code: str
    state: str
    cookie: str

    @property
    def body(self) -> Json:
        return {"code": self.code, "state": self.state}


def go_to_google(product: Product, email: str = AMAL, *, return_to: str = "") -> Returned:
    query = {"returnTo": return_to} if return_to else None
    with product.anonymous() as http:
        url = http.get("/api/auth/google/url", params=query).json()["url"]
        sent_back = product.fal.http.get(f"{url}&login_hint={email}")
        query = parse_qs(urlsplit(sent_back.headers["location"]).query)
        return Returned(
            code=query["code"][0], state=query["state"][0], cookie=http.cookies["madar-sign-in"]
        )


def come_back(
    product: Product, returned: Returned, *, cookie: str | None = None, **headers: str
) -> httpx.Response:
    """POST to the callback from the browser that was sent away, or from another one."""
    sent = returned.cookie if cookie is None else cookie
    with product.anonymous(Cookie=f"madar-sign-in={sent}", **headers) as http:
        return http.post("/api/auth/google/callback", json=returned.body)


def spoil_next_token(product: Product, **claims: object) -> None:
    """Null takes a claim away."""
    answer = product.fal.http.put("/google/faults", json={"claims": claims})
    answer.raise_for_status()
