"""Every check there is, run beside each other; none stops or delays the others for long."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import httpx

from madar.clients.tls import tls_context
from madar.commands.checks import (
    configuration,
    database,
    fal,
    google,
    machine,
    neon,
    storage,
    upstash,
)
from madar.commands.checks.findings import Check, Finding, Place, problem, skipped
from madar.commands.here import look_closely
from madar.local.state import State
from madar.redaction import HIDDEN
from madar.settings import Settings, is_secret

ASK_S = 5
WITHIN_S = 12
SHORTEST_SECRET = 6

_GOOGLE = ("google_issuer", "google_client_id", "google_redirect_uri")
_DATABASES = ("database_url", "database_direct_url")
# In the order in which one would repair.
CHECKS = (
    Check(name="python", look=machine.look_at_python),
    Check(name="settings", look=configuration.look_at_settings),
    Check(name="database", look=database.look_at_database, needs=("database_url",)),
    Check(name="listen", look=database.look_at_listen, needs=_DATABASES),
    Check(name="connections", look=database.look_at_connections, needs=_DATABASES),
    Check(name="neon", look=neon.look_at_neon, needs=_DATABASES),
    Check(
        name="storage",
        look=storage.look_at_storage,
        needs=("storage_provider", *storage.BUCKET_SETTINGS),
    ),
    Check(name="google", look=google.look_at_redirect, needs=_GOOGLE),
    Check(
        name="google",
        look=google.look_at_google,
        needs=(*_GOOGLE, "google_client_secret"),
        is_remote=True,
    ),
    Check(name="fal", look=fal.look_at_fal, needs=("fal_api_key",), is_remote=True),
    Check(name="webhook", look=fal.look_at_webhook, needs=("app_url",), is_remote=True),
    Check(
        name="upstash",
        look=upstash.look_at_upstash,
        needs=("upstash_redis_rest_url", "upstash_redis_rest_token"),
        is_remote=True,
    ),
    Check(name="disk", look=machine.look_at_disk),
    Check(name="unused", look=configuration.look_at_unused),
    Check(name="catalogues", look=machine.look_at_catalogues),
)
# Last, because all the others ask people for the time.
CLOCK = Check(name="clock", look=machine.look_at_clock)


async def find_all(
    state: State,
    *,
    as_production: bool = False,
    is_quick: bool = False,
    names: frozenset[str] = frozenset(),
) -> list[Finding]:
    """`is_quick` asks the database and nobody else; `names` are some of NAMES, or none for all."""
    here = look_closely(state, as_production=as_production)
    async with httpx.AsyncClient(timeout=ASK_S, verify=tls_context()) as http:
        place = Place(here=here, state=state, http=http)
        is_all = not names or CLOCK.name in names
        chosen = [check for check in CHECKS if is_all or check.name in names]
        async with asyncio.TaskGroup() as group:
            looking = [
                group.create_task(_look(check, place, is_quick=is_quick)) for check in chosen
            ]
        # Two checks of one name may have the same to say.
        found = list(dict.fromkeys(finding for look in looking for finding in look.result()))
        found += await _look(CLOCK, place, is_quick=is_quick)
    wanted = [finding for finding in found if not names or finding.name in names]
    return [_without_secrets(finding, here.settings) for finding in wanted]


async def _look(check: Check, place: Place, *, is_quick: bool) -> Iterable[Finding]:
    """Whatever happens to it, something is said."""
    if is_quick and _is_remote(check, place):
        return [skipped(check.name, "not asked: --quick", "leave --quick out")]
    if missing := [name.upper() for name in check.needs if name in _useless(place)]:
        return [skipped(check.name, f"not looked at without {', '.join(missing)}", "see Settings")]
    try:
        async with asyncio.timeout(WITHIN_S):
            return await check.look(place)
    except TimeoutError:
        return [problem(check.name, f"no answer within {WITHIN_S} s", "check the network")]
    except Exception as error:  # noqa: BLE001 - a fault of one check must not hide the others
        text = f"this check failed: {type(error).__name__}: {error}"
        return [problem(check.name, text, "tell the developers of Madar")]


def _is_remote(check: Check, place: Place) -> bool:
    has_bucket = place.settings.storage_provider != "local"
    return check.is_remote or (check.name == "storage" and has_bucket)


def _useless(place: Place) -> set[str]:
    fault = place.here.fault
    return {one.setting for one in fault.faults if one.kind == "useless"} if fault else set()


def _without_secrets(finding: Finding, settings: Settings) -> Finding:
    """Others' words are shown, and nobody knows what a library puts into them."""
    text = finding.text
    for name in filter(is_secret, Settings.model_fields):
        secret = str(getattr(settings, name))
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, f"<{name.upper()}>")
    for part in settings.secrets:
        if len(part) >= SHORTEST_SECRET:
            text = text.replace(part, HIDDEN)
    return replace(finding, text=text)
