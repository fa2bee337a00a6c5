"""Settings and database of this place: the environment's, or the local ones of `madar dev`."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from madar.commands.terminal import NOT_CONFIGURED, CommandFailed
from madar.local.environment import DATABASE, Local, compose
from madar.local.sharing import shared_server
from madar.local.state import State
from madar.settings import (
    Settings,
    SettingsFault,
    is_given,
    is_production_environment,
    load_settings,
    source_of,
)

DEFAULT_PORT = 8000
DEFAULT_SIMULATOR_PORT = 8900
MADAR_DEV = "madar dev"


@dataclass(frozen=True, kw_only=True)
class Here:
    """With a `fault`, what of the settings is useless has its default."""

    settings: Settings
    local: Local | None
    fault: SettingsFault | None = None

    @property
    def has_own_database(self) -> bool:
        """Whether the database is the embedded one."""
        return self.local is not None and self.local.database

    def source_of(self, name: str) -> str:
        """`default`, `environment`, `.env`, `file` or `madar dev`."""
        if not is_given(name) and self.local and name.upper() in self.local.variables:
            return MADAR_DEV
        found = source_of(name)
        return found.source if found else "default"


def look_around(state: State) -> Here:
    """Raises SettingsFault when the environment is incomplete and this is no laptop."""
    here = look_closely(state)
    if here.fault:
        raise here.fault
    return here


def look_closely(state: State, *, as_production: bool = False) -> Here:
    """The same, and what there is also when something is wrong."""
    try:
        overrides = {"app_env": "production"} if as_production else {}
        return Here(settings=load_settings(overrides), local=None)
    except SettingsFault as fault:
        if as_production or is_production_environment():
            return Here(settings=fault.settings, local=None, fault=fault)
    note = state.read_note()
    local = compose(
        state,
        port=note.port if note else DEFAULT_PORT,
        simulator_port=note.simulator_port if note else DEFAULT_SIMULATOR_PORT,
    )
    try:
        return Here(settings=load_settings(local.overrides()), local=local)
    except SettingsFault as fault:
        return Here(settings=fault.settings, local=local, fault=fault)


@contextmanager
def open_database(state: State, *, is_made: bool = False) -> Generator[str]:
    """The address of a database that answers; the embedded server runs at least that long.

    `is_made`: the embedded one is made where there is none.
    """
    here = look_around(state)
    if not here.has_own_database:
        yield here.settings.direct_url
        return
    if not is_made and not state.postgres.exists():
        raise CommandFailed(
            "There is no database yet: DATABASE_URL is not set, and the local one is made by: "
            "madar dev",
            NOT_CONFIGURED,
        )
    with shared_server(state) as server:
        yield server.create_database(DATABASE)
