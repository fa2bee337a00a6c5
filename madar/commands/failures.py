"""What a failure reads like on a terminal, and the exit code it ends with."""

import httpx
import psycopg

from madar import i18n
from madar.commands.terminal import FAILED, NOT_CONFIGURED, UPSTREAM, CommandFailed
from madar.db.migrate import MigrationFault
from madar.errors import MadarError, Unavailable
from madar.local.children import KeepsDying
from madar.local.ports import NoFreePort
from madar.local.postgres import PostgresFailed
from madar.settings import SettingsFault

_SPEAK_FOR_THEMSELVES = (MigrationFault, PostgresFailed, NoFreePort, KeepsDying)


def explain(error: Exception) -> CommandFailed:
    match error:
        case SettingsFault():
            return CommandFailed(str(error), NOT_CONFIGURED)
        case psycopg.OperationalError():
            text = f"The database does not answer: {error}\nSee what is wrong: madar doctor"
            return CommandFailed(text, UPSTREAM)
        case httpx.RequestError() | httpx.InvalidURL():
            return CommandFailed(f"No answer: {error}\nSee what is wrong: madar doctor", UPSTREAM)
        case PermissionError(filename=str(name)):
            text = (
                f"Not allowed to use {name}; it belongs to another user. "
                "Run this as that user, or change the owner."
            )
            return CommandFailed(text, FAILED)
        case OSError(filename=str(name)):
            return CommandFailed(f"{name}: {error.strerror}", FAILED)
        case OSError():  # of a stream that has no name, such as a full standard output
            return CommandFailed(f"Reading or writing failed: {error.strerror or error}", FAILED)
        case MadarError():
            exit_code = UPSTREAM if isinstance(error, Unavailable) else FAILED
            return CommandFailed(_sentence_of(error), exit_code)
        case _ if isinstance(error, _SPEAK_FOR_THEMSELVES):
            return CommandFailed(str(error), FAILED)
        case _:
            text = (
                f"This is a fault in Madar: {type(error).__name__}: {error}\n"
                "See where: put --debug right behind madar and run it again"
            )
            return CommandFailed(text, FAILED)


def _sentence_of(error: MadarError) -> str:
    try:
        sentence = i18n.text(f"problem.{error.code}", i18n.DEFAULT, **error.params)
    except KeyError:  # one that only ends a generation, or lacks what its sentence names
        sentence = f"Failed: {error.code} {error.params or ''}".strip()
    return f"{sentence}\nMore about it: madar errors {error.code}"
