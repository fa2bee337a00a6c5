"""Settings and database of this place: the environment's, or the local ones of `madar dev`."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from madar.commands.terminal import NOT_CONFIGURED, CommandFailed
from madar.local.environment import DATABASE, Local, compose, is_production
from madar.local.sharing import shared_server
from madar.local.state import State
from madar.settings import Settings, SettingsFault, load_settings, source_of

DEFAULT_PORT = 8000
DEFAULT_SIMULATOR_PORT = 8900


@dataclass(frozen=True, kw_only=True)
class Here:
    settings: Settings
    local: Local | None

    @property
    def has_own_database(self) -> bool:
        """Whether the database is the embedded one."""
        return self.local is not None and self.local.database

    def source_of(self, name: str) -> str:
        if source_of(name) == "default" and self.local and name.upper() in self.local.variables:
            return "madar dev"
        return source_of(name)


def look_around(state: State) -> Here:
    """Raises SettingsFault when the environment is incomplete and this is no laptop."""
    try:
        return Here(settings=load_settings(), local=None)
    except SettingsFault:
        if is_production():
            raise
    note = state.read_note()
    local = compose(
        state,
        port=note.port if note else DEFAULT_PORT,
        simulator_port=note.simulator_port if note else DEFAULT_SIMULATOR_PORT,
    )
    return Here(settings=load_settings(local.overrides()), local=local)


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
