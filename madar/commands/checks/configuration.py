"""The settings by themselves: faults, names written wrong, what has no effect, what is unwise."""

from collections.abc import Iterable, Iterator

from madar.commands.checks.findings import Finding, Place, ok, problem, warning
from madar.settings import Settings, near_misses

_UNUSED = ("redis_url", "analytics_api_key", "cdn_url")


async def look_at_settings(place: Place) -> Iterable[Finding]:
    faults = place.here.fault.faults if place.here.fault else ()
    found = [problem("settings", f"{fault.name} {fault.text}", fault.fix) for fault in faults]
    told = {fault.name for fault in faults}
    for variable, meant in near_misses().items():
        if variable not in told:
            found.append(warning("settings", f"{variable} is no setting", f"rename it {meant}"))
    if place.settings.is_production:
        found += _unwise(place.settings)
    return found or [ok("settings", f"complete, {place.settings.app_env}")]


async def look_at_unused(place: Place) -> Iterable[Finding]:
    names = list(_UNUSED)
    if place.settings.storage_provider == "local":
        names += [name for name in Settings.model_fields if name.startswith("aws_")]
    if found := [name.upper() for name in names if str(getattr(place.settings, name))]:
        return [warning("unused", f"{' and '.join(found)}: no effect here", "unset it")]
    return [ok("unused", "no setting without effect")]


def _unwise(settings: Settings) -> Iterator[Finding]:
    if settings.storage_provider == "local":
        text = "STORAGE_PROVIDER is local: pictures are on this machine's disk only"
        yield warning("settings", text, "keep them in a bucket, or on a volume with backups")
    if settings.trusted_proxy == "none":
        text = "TRUSTED_PROXY is none: behind a proxy everybody has its address, and one limit"
        yield warning("settings", text, "name the proxy, unless there is none")
    if settings.log_level == "debug":
        yield warning("settings", "LOG_LEVEL is debug", "set it to info")
