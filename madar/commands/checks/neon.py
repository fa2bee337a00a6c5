"""Neon's two addresses: which of them is the pooler's, and whether they belong together."""

from collections.abc import Iterable
from dataclasses import dataclass

from madar.commands.checks.findings import Finding, Place, ok, problem, warning
from madar.settings_checks import host_of, is_neons_pooler

_SAFE = {"require", "verify-ca", "verify-full"}
_NAME_OF_DIRECT = "DATABASE_DIRECT_URL"


@dataclass(frozen=True, kw_only=True)
class Address:
    host: str
    database: str
    sslmode: str

    @property
    def endpoint(self) -> str:
        """`ep-…`, the same for the pooled and the direct address of one compute."""
        return self.host.partition(".")[0].removesuffix("-pooler")


def is_at_neon(host: str | None) -> bool:
    return (host or "").endswith(".neon.tech")


async def look_at_neon(place: Place) -> Iterable[Finding]:
    settings = place.settings
    return judge(
        str(settings.database_url), str(settings.database_direct_url), settings.neon_project_id
    )


def judge(usual_url: str, direct_url: str, project_id: str) -> list[Finding]:
    """Without asking anybody. Nothing to say where Neon is not used."""
    usual, direct = _read(usual_url), _read(direct_url or usual_url)
    if not (is_at_neon(usual.host) or is_at_neon(direct.host)):
        useless = warning("neon", "NEON_PROJECT_ID is set, and no address is Neon's", "unset it")
        return [useless] if project_id else []
    found = [*_swapped(usual, direct, has_two=bool(direct_url)), *_strangers(usual, direct)]
    if careless := [one for one in (usual, direct) if one.sslmode not in _SAFE]:
        text = f"{careless[0].host} is called without insisting on TLS"
        found.append(warning("neon", text, "add sslmode=require&channel_binding=require to it"))
    return found or [ok("neon", _told(usual, direct, project_id))]


def _swapped(usual: Address, direct: Address, *, has_two: bool) -> Iterable[Finding]:
    if not is_neons_pooler(direct.host):
        return
    if not has_two:
        text = f"{direct.host} is the pooler's address, and {_NAME_OF_DIRECT} is missing"
        step = f"set {_NAME_OF_DIRECT} to the same address without -pooler in its host"
    elif is_neons_pooler(usual.host):
        text = "both addresses are the pooler's"
        step = f"take -pooler out of the host in {_NAME_OF_DIRECT}"
    else:
        text = f"the addresses are swapped: {_NAME_OF_DIRECT} is the pooler's"
        step = f"exchange DATABASE_URL and {_NAME_OF_DIRECT}"
    yield problem("neon", text, step)


def _strangers(usual: Address, direct: Address) -> Iterable[Finding]:
    pairs = {
        "compute": (usual.endpoint, direct.endpoint),
        "database": (usual.database, direct.database),
    }
    for what, (one, other) in pairs.items():
        if one != other:
            text = f"the addresses name two {what}s: {one} and {other}"
            step = "copy both from the same page of Neon; they differ by -pooler only"
            yield problem("neon", text, step)


def _told(usual: Address, direct: Address, project_id: str) -> str:
    project = f"project {project_id}, " if project_id else ""
    kind = "pooled and direct" if is_neons_pooler(usual.host) else "direct"
    return f"{project}{direct.endpoint}, {kind}, database {direct.database}"


def _read(url: str) -> Address:
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 (slow to import)

    parts = conninfo_to_dict(url)
    return Address(
        host=host_of(url) or "",
        database=str(parts.get("dbname") or parts.get("user") or ""),
        sslmode=str(parts.get("sslmode") or ""),
    )
