"""What a person may say of themselves."""

import unicodedata
from dataclasses import dataclass

from madar import i18n
from madar.domain.texts import is_printable, is_visible
from madar.errors import Fault, InvalidInput

MAX_NAME_CHARACTERS = 100


@dataclass(frozen=True, kw_only=True)
class ProfileChange:
    """None leaves a field as it is."""

    display_name: str | None
    language: str | None


def check_profile(*, display_name: str | None, language: str | None) -> ProfileChange:
    """Raises InvalidInput with everything that is wrong."""
    name = unicodedata.normalize("NFC", display_name).strip() if display_name is not None else None
    faults = [*_name_faults(name), *_language_faults(language)]
    if faults:
        raise InvalidInput(faults)
    return ProfileChange(display_name=name, language=language)


def _name_faults(name: str | None) -> list[Fault]:
    if name is None:
        return []
    code, params = "", {}
    if len(name) > MAX_NAME_CHARACTERS:
        code, params = "name_too_long", {"limit": MAX_NAME_CHARACTERS}
    elif not is_printable(name):
        code = "name_unreadable"
    elif not any(is_visible(letter) for letter in name):
        code = "name_empty"
    return [Fault(code=code, pointer="/displayName", params=params)] if code else []


def _language_faults(language: str | None) -> list[Fault]:
    if language is None or language in i18n.LANGUAGES:
        return []
    known = {"known": ", ".join(i18n.LANGUAGES)}
    return [Fault(code="language_unknown", pointer="/language", params=known)]
