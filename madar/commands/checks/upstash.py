"""Upstash, where it is set: does it take our token, and is it near enough to be of use."""

import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx

from madar.clients.upstash import BUDGET_S, connect
from madar.commands.checks.findings import Finding, Place, first_line, ok, problem, warning

_STEP = "copy UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN anew from Upstash"


async def look_at_upstash(place: Place) -> Iterable[Finding]:
    url = place.settings.upstash_redis_rest_url
    if not url:
        return [ok("upstash", "not set: limits and cache are each machine's own")]
    host = urlsplit(url).hostname
    try:
        async with connect(url, str(place.settings.upstash_redis_rest_token)) as redis:
            await redis.ping()  # the first one also opens the connection
            began_at = time.monotonic()
            await redis.ping()
            took_s = time.monotonic() - began_at
    except (httpx.HTTPError, OSError) as error:
        return [problem("upstash", f"{host}: {first_line(error)}", _STEP)]
    except Exception as error:  # noqa: BLE001 - the library has no base class for refusals
        return [problem("upstash", f"{host} refuses: {first_line(error)}", _STEP)]
    text = f"{host} answers in {took_s * 1000:.0f} ms"
    if took_s > BUDGET_S:
        step = "put it into the machines' region, or do without: it is not waited for"
        return [warning("upstash", text, step)]
    return [ok("upstash", text)]
