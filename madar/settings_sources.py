"""Where settings come from: the environment, a file `.env`, files that hold one secret each.

Nothing else reads the environment.
"""

import difflib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from madar.settings_faults import Fault

DOTENV = Path(__file__).resolve().parent.parent / ".env"
NAME_OF_DOTENV = "MADAR_ENV_FILE"  # another one, or none
# Names of other programs for the same thing, understood behind our own.
ALIASES = {"app_env": "NODE_ENV", "fal_api_key": "FAL_KEY"}
SHORTEST_GUESS = 7  # HOST and PORT are too much like anything
LIKENESS = 0.86  # of a typing mistake or two; API_URL is further from APP_URL
QUOTES = ('"', "'")
_ADVICE: dict[type[Exception], str] = {
    FileNotFoundError: "mount the secret there, or correct the path",
    IsADirectoryError: "name the file in that folder",
    PermissionError: "let the user that runs Madar read it",
    UnicodeDecodeError: "write it as UTF-8",
}

Source = Literal["environment", ".env", "file"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """One value, under the name it was given, and the place; `path` is of a file."""

    value: str
    variable: str
    source: Source
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What is there at one moment. The environment comes before `.env`."""

    environment: Mapping[str, str]
    dotenv: Mapping[str, str]
    faults: tuple[Fault, ...] = ()

    def find(self, setting: str) -> Found | None:
        """The value itself; an empty one is one."""
        for source, variables in self._places():
            for name in spellings(setting):
                if name in variables:
                    return Found(value=variables[name], variable=name, source=source)
        return None

    def find_file(self, setting: str) -> Found | None:
        """What `NAME_FILE` names, not read yet; container platforms mount secrets so."""
        for _, variables in self._places():
            for name in spellings(setting):
                if path := variables.get(f"{name}_FILE"):
                    return Found(value="", variable=f"{name}_FILE", source="file", path=path)
        return None

    def rivals(self, setting: str) -> list[str]:
        """Two names of one setting, in one place, that do not say the same."""
        for _, variables in self._places():
            given = {name: variables[name] for name in spellings(setting) if variables.get(name)}
            if len(set(given.values())) > 1:
                return list(given)
        return []

    def misspelt(self, settings: Collection[str]) -> dict[str, str]:
        """Names that are nearly a setting's, while nobody sets that one: what it was meant for."""
        names = {name: setting for setting in settings for name in spellings(setting)}
        known = names | {f"{name}_FILE": setting for name, setting in names.items()}
        unset = {name for name, setting in names.items() if not self.find(setting)}
        guesses: dict[str, str] = {}
        for variable in {**self.dotenv, **self.environment}:
            if variable not in known and (near := _nearest(variable.upper(), unset)):
                guesses[variable] = near
        return guesses

    def _places(self) -> Iterator[tuple[Source, Mapping[str, str]]]:
        yield "environment", self.environment
        yield ".env", self.dotenv


def look_outside() -> Outside:
    """Read now."""
    named = os.environ.get(NAME_OF_DOTENV)
    path = DOTENV if named is None else Path(named)
    dotenv: dict[str, str] = {}
    faults: list[Fault] = []
    if named or (named is None and DOTENV.exists()):
        try:
            dotenv, faults = _read_dotenv(path)
        except (OSError, UnicodeDecodeError) as error:
            faults = [_unreadable(NAME_OF_DOTENV.lower(), NAME_OF_DOTENV, str(path), error)]
    return Outside(environment=os.environ.copy(), dotenv=dotenv, faults=tuple(faults))


def spellings(setting: str) -> tuple[str, ...]:
    own = setting.upper()
    return (own, ALIASES[setting]) if setting in ALIASES else (own,)


def read_secret(file: Found, setting: str) -> Found | Fault:
    """What the file holds, without the white space around it."""
    try:
        content = Path(file.path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        return _unreadable(setting, file.variable, file.path, error)
    if not content:
        return Fault(
            setting=setting,
            variable=file.variable,
            text=f"names {_shown(file.path)}, which is empty",
            fix="write the secret into it",
            kind="useless",
        )
    return replace(file, value=content)


def is_production_environment() -> bool:
    """Before any settings are built; what is only for a laptop refuses to be imported there."""
    outside = look_outside()
    variables = {**outside.dotenv, **outside.environment}
    return "production" in (variables.get("APP_ENV"), variables.get("NODE_ENV"))


def child_environment() -> dict[str, str]:
    """What programs started by `madar dev` inherit; settings reach them beside it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _read_dotenv(path: Path) -> tuple[dict[str, str], list[Fault]]:
    """The same dialect as elsewhere: `export`, quotes, comments. `$` stands for itself.

    Raises OSError, UnicodeDecodeError.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415 (only where there is such a file)

    variables: dict[str, str] = {}
    faults: list[Fault] = []
    with path.open(encoding="utf-8") as file:
        for line in parse_stream(file):
            if line.key and line.value is not None:
                variables[line.key] = line.value
            elif line.key or line.error:
                text = f"{path} cannot be read in line {line.original.line}"
                name = NAME_OF_DOTENV
                fault = Fault(
                    setting=name.lower(), variable=name, text=text, fix="write NAME=value"
                )
                faults.append(fault)
    return variables, faults


def _unreadable(setting: str, variable: str, path: str, error: Exception) -> Fault:
    why = error.strerror if isinstance(error, OSError) else "it is no text"
    return Fault(
        setting=setting,
        variable=variable,
        text=f"names {_shown(path)}, which cannot be read: {why}",
        fix=_ADVICE.get(type(error), "correct the path"),
        kind="useless",
    )


def _shown(path: str) -> str:
    """Somebody may have put the secret itself there."""
    return path if path.startswith(("/", "./", "../")) else "what is no full path"


def _nearest(variable: str, names: Collection[str]) -> str:
    if len(variable) < SHORTEST_GUESS:
        return ""
    if variable in names:  # written in lower case
        return variable
    long_ones = [name for name in names if len(name) >= SHORTEST_GUESS]
    if variable.endswith("_FILE") and (near := _nearest(variable.removesuffix("_FILE"), names)):
        return f"{near}_FILE"
    for name in long_ones:
        if sorted(name.split("_")) == sorted(variable.split("_")):
            return name
    return next(iter(difflib.get_close_matches(variable, long_ones, n=1, cutoff=LIKENESS)), "")
