"""`madar errors`: every code, offline, in the language of the terminal."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from madar import i18n
from madar.cli import cli
from madar.codes import CODES, document_of, words_of
from tests.test_cli import HEAVY

LOCALE = {"LC_ALL": None, "LC_MESSAGES": None, "LANG": None}


def run(*words: str, **variables: str) -> Result:
    return CliRunner(env=LOCALE | variables).invoke(cli, ["errors", *words])


def test_all_codes_are_listed_one_a_line() -> None:
    lines = run().stdout.splitlines()

    assert [line.split()[0] for line in lines] == list(CODES)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_each_code_is_explained(language: i18n.Language) -> None:
    for code, known in CODES.items():
        result = run(code, "--language", language)

        helps = "retry_helps" if known.is_retryable else "retry_useless"
        assert result.exit_code == 0
        assert all(words in result.stdout for words in words_of(code, language).values())
        assert i18n.text(f"errors.{helps}", language) in result.stdout
        assert known.status is None or str(known.status) in result.stdout


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "ar_SA.UTF-8"}, "ar"),
        ({"LANG": "ar"}, "ar"),
        ({"LANG": "ar.UTF-8"}, "ar"),
        ({"LANG": "ar_SA.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "ar_EG"}, "ar"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "arn_CL"}, "en"),
    ],
)
def test_the_terminal_says_in_which_language(
    variables: dict[str, str], language: i18n.Language
) -> None:
    result = run("timeout", **variables)

    assert words_of("timeout", language)["failure"] in result.stdout


def test_programs_get_both_languages() -> None:
    assert json.loads(run("internal", "--json").stdout) == document_of("internal")
    assert json.loads(run("--json").stdout) == {"codes": [document_of(code) for code in CODES]}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("promt_too_long",), "Did you mean: madar errors prompt_too_long"),
        (("zzzzzz",), "All codes: madar errors"),
        (("timeout", "--language", "fr"), "“fr” is not one of en, ar"),
    ],
)
def test_what_is_not_known_is_a_usage_fault(words: tuple[str, ...], hint: str) -> None:
    result = run(*words)

    assert result.exit_code == 2
    assert hint in result.stderr


def test_nothing_heavy_is_loaded_for_it() -> None:
    code = (
        "import sys; from madar.cli import cli; cli(['errors'], standalone_mode=False);"
        "print(*sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert not {*HEAVY, "babel"} & set(done.stdout.splitlines()[-1].split())
