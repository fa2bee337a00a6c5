"""`madar errors`: what a code means and what to do, as on the page /docs/errors."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that help is instant

import difflib
import json
import re
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from madar.commands.terminal import TEXT

if TYPE_CHECKING:
    from madar.i18n import Language


def _to_language(ctx: click.Context, param: click.Parameter, given: str | None) -> "Language":
    """A terminal's locale is any text, such as ar_SA.UTF-8 or C; what somebody typed is not."""
    from madar.i18n import LANGUAGES, known

    is_typed = ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
    if is_typed and given not in LANGUAGES:
        raise click.BadParameter(f"“{given}” is not one of {', '.join(LANGUAGES)}")
    return known(re.split(r"[_.]", given or "")[0])


@click.command(epilog="Example: madar errors prompt_too_long")
@click.argument("code", required=False, type=TEXT)
@click.option(
    *("--language", "--lang"),
    metavar="en|ar",
    envvar=["LC_ALL", "LC_MESSAGES", "LANG"],
    callback=_to_language,
    type=TEXT,
    help="In which language; otherwise the terminal's.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs, in both languages.")
def errors(*, code: str | None, language: "Language", as_json: bool) -> None:
    """Explain an error CODE; without one, list them all."""
    if code is None:
        _list_all(language, as_json=as_json)
    else:
        _show(code, language, as_json=as_json)


def _list_all(language: "Language", *, as_json: bool) -> None:
    from madar.codes import CODES, document_of, words_of

    if as_json:
        codes = [document_of(code) for code in CODES]
        click.echo(json.dumps({"codes": codes}, ensure_ascii=False))
        return
    width = max(map(len, CODES))
    for code, known in CODES.items():
        sentence, *_ = words_of(code, language).values()
        click.echo(f"{code:{width}}  {known.status or '–':3}  {sentence}")


def _show(code: str, language: "Language", *, as_json: bool) -> None:
    from madar import i18n
    from madar.codes import CODES, document_of, words_of

    if code not in CODES:
        near = difflib.get_close_matches(code, CODES, n=1)
        hint = f"Did you mean: madar errors {near[0]}" if near else "All codes: madar errors"
        raise click.UsageError(f"There is no code “{code}”. {hint}")
    if as_json:
        click.echo(json.dumps(document_of(code), ensure_ascii=False))
        return
    known, words = CODES[code], words_of(code, language)
    status = i18n.text(f"title.{known.status}", language) if known.status else ""
    click.echo(f"{code}  {known.status} {status}" if status else code)
    for kind in known.kinds:
        click.echo(words[kind])
    for kind in ("cause", "cure"):
        click.echo(f"{i18n.text(f'errors.{kind}', language)}: {words[kind]}")
    helps = "retry_helps" if known.is_retryable else "retry_useless"
    click.echo(i18n.text(f"errors.{helps}", language))
