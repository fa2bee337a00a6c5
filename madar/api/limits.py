"""How often somebody may ask, by person, otherwise by address; and how many forms at once."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal
from uuid import UUID

from starlette.requests import HTTPConnection, Request

from madar.api.address import client_address, limit_key
from madar.api.request import SAFE_METHODS, State, resources_of
from madar.domain.rates import Decision, LimitReached, Rate
from madar.settings import Settings

Policy = Literal["api", "reads", "sign-in"]


async def admit(request: Request[State], policy: Policy | None, user_id: UUID) -> None:
    """Counts a request of a person. Raises RateLimited."""
    if policy is not None:
        if policy == "api" and request.method in SAFE_METHODS:
            policy = "reads"
        await _take(request, policy, f"user:{user_id}")


async def admit_address(request: Request[State], policy: Policy | None) -> None:
    """Counts a request of nobody in particular. Raises RateLimited."""
    if policy is not None:
        if policy == "reads":  # which are many because they are somebody's
            policy = "api"
        address = client_address(request.scope, resources_of(request).settings)
        await _take(request, policy, f"address:{limit_key(address)}")


@asynccontextmanager
async def picture_turn(request: Request[State]) -> AsyncGenerator[None]:
    """Before a form is read, until it is answered. Raises RateLimited, TooBusy."""
    lines = resources_of(request).lines
    async with (
        lines.pictures_of_one.turn(request.scope["madar.viewer_id"]),
        lines.pictures_of_all.turn(None),
    ):
        yield


def show(request: HTTPConnection[Any], decision: Decision) -> None:
    """The answer's headers tell of this limit too (middleware.py writes them)."""
    request.scope.setdefault("madar.limits", {})[decision.policy] = decision


def _rate_of(policy: Policy, settings: Settings) -> Rate:
    match policy:
        case "api":
            return settings.rate_limit_api
        case "reads":
            return settings.rate_limit_reads
        case "sign-in":
            return settings.rate_limit_sign_in


async def _take(request: Request[State], policy: Policy, subject: str) -> None:
    resources = resources_of(request)
    rate = _rate_of(policy, resources.settings)
    key = f"rate:{policy}:{subject}"
    decision = await resources.limiter.take(policy=policy, key=key, rate=rate)
    if not decision.is_allowed:
        raise LimitReached(decision)
    show(request, decision)
