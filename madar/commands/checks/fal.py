"""Fal: does it know our key, could it reach us, and could we believe it. Nothing costs money."""

import asyncio
import ipaddress
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from madar.clients.addresses import is_public, look_up
from madar.clients.fal_keys import keys_in
from madar.commands.checks.findings import Finding, Place, first_line, ok, problem, warning
from madar.domain.answers import text_at

_KEYS = "https://fal.ai/dashboard/keys"
_ANY_MODEL = "fal-ai/flux-lora"
_LOOK_UP_S = 3


async def look_at_fal(place: Place) -> Iterable[Finding]:
    url = place.settings.fal_queue_url
    is_ours = place.here.local is not None and place.here.local.simulator
    name = "the simulator" if is_ours else url
    try:
        await place.ask("GET", url)  # any answer shows that it is there
        found = [*await _refused_key(place), *await _refused_removal(place)]
        found += await _no_keys(place)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        step = "start it: make run" if is_ours else "check the network and the FAL_… addresses"
        return [problem("fal", f"{name}: {first_line(error)}", step)]
    if not place.settings.fal_account_id:
        step = "set it to the account's user id, so that webhooks of others are refused"
        found.append(warning("fal", "FAL_ACCOUNT_ID is not set", step))
    account = place.settings.fal_account_id
    return found or [ok("fal", f"{name} knows this key; webhooks of {account} are believed")]


async def look_at_webhook(place: Place) -> Iterable[Finding]:
    """Asks our own web process at its public address, as Fal would."""
    url = place.settings.app_url.rstrip("/")
    is_ours = place.here.local is not None and place.here.local.simulator
    where = urlsplit(url)
    if not is_ours and not await _is_outside(where.hostname or "", where.port or 443):
        text = f"Fal cannot reach {url}, which is no public address"
        return [warning("webhook", text, "set APP_URL to it; polling is used meanwhile")]
    try:
        answer = await place.ask("GET", f"{url}/api/webhooks/fal")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        step = "start it: make run" if is_ours else "start Madar there, or correct APP_URL"
        return [warning("webhook", f"{url} does not answer: {first_line(error)}", step)]
    # It takes POST alone, and says so as only Madar does.
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    if answer.status_code != HTTPStatus.METHOD_NOT_ALLOWED or not is_problem:
        text = f"{url}/api/webhooks/fal answers {answer.status_code}, not as Madar does"
        step = "correct APP_URL, or let the proxy before it pass /api on"
        return [problem("webhook", text, step)]
    return [ok("webhook", f"{url}/api/webhooks/fal can be reached")]


async def _refused_key(place: Place) -> Iterable[Finding]:
    """By the history of requests, which every key may read."""
    answer = await _call(
        place, "GET", f"/v1/models/requests/by-endpoint?endpoint_id={_ANY_MODEL}&limit=1"
    )
    said = _detail(answer)
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return [problem("fal", f"FAL_API_KEY is refused: {said}", f"copy it anew from {_KEYS}")]
    if "locked" in said or "balance" in said:
        step = "pay at https://fal.ai/dashboard/billing"
        return [problem("fal", f"the account is locked: {said}", step)]
    if answer.status_code == HTTPStatus.FORBIDDEN:
        return [problem("fal", f"FAL_API_KEY is refused: {said}", f"make another at {_KEYS}")]
    if not answer.is_success:
        text = f"{place.settings.fal_api_url} answers {answer.status_code}"
        return [warning("fal", text, "look at https://status.fal.ai and try again")]
    return []


async def _refused_removal(place: Place) -> Iterable[Finding]:
    """Of a request that never was: a key of admin scope is told just that."""
    answer = await _call(place, "DELETE", f"/v1/models/requests/{uuid4()}/payloads")
    if answer.status_code == HTTPStatus.FORBIDDEN and "locked" not in _detail(answer):
        text = "FAL_API_KEY is not of admin scope: what is deleted here stays at Fal"
        return [warning("fal", text, f"make one of admin scope at {_KEYS}")]
    return []


async def _no_keys(place: Place) -> Iterable[Finding]:
    url = place.settings.fal_jwks_url
    answer = await place.ask("GET", url)
    try:
        keys_in(answer.content)
    except ValueError as error:
        step = "correct FAL_JWKS_URL; no webhook can be believed without"
        return [problem("fal", f"{url}: {first_line(error)}", step)]
    return []


async def _call(place: Place, method: str, path: str) -> httpx.Response:
    headers = {"Authorization": f"Key {place.settings.fal_api_key}"}
    return await place.ask(method, f"{place.settings.fal_api_url}{path}", headers=headers)


def _detail(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return str(answer.status_code)
    said = text_at(body, "detail") or text_at(body, "error", "message")
    return said or str(answer.status_code)


async def _is_outside(host: str, port: int) -> bool:
    """A name is public when one of its addresses is, or when only we cannot find it."""
    try:
        return is_public(str(ipaddress.ip_address(host)))
    except ValueError:
        pass
    try:
        async with asyncio.timeout(_LOOK_UP_S):
            return any(map(is_public, await look_up(host, port)))
    except (OSError, TimeoutError):
        return "." in host
