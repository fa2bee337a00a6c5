"""What may be written down: no secrets, no words of a person, and still enough to help."""

import time
from collections.abc import Generator
from uuid import UUID

import psycopg
import pytest

from madar.redaction import HIDDEN, clean, clean_fact, hide, message_of, stack_of

SECRET = "p@ss/word of the database"


@pytest.fixture(autouse=True)
def hidden() -> Generator[None]:
    hide([SECRET, "short", "fal-key-1234567"])
    yield
    hide([])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"it was {SECRET}!", f"it was {HIDDEN}!"),
        ("at p%40ss%2Fword%20of%20the%20database", f"at {HIDDEN}"),
        ("short words stay", "short words stay"),
        ("postgresql://madar:pw@db.example/madar", f"postgresql://{HIDDEN}@db.example/madar"),
        ("GET https://fal.run/x?fal_webhook=https://y", f"GET https://fal.run/x?{HIDDEN}"),
        ("written to amal@madar.test yesterday", f"written to {HIDDEN} yesterday"),
        ("written to أمل@مدار.شبكة yesterday", f"written to {HIDDEN} yesterday"),
        ("Authorization: Bearer abcdefghijkl", f"Authorization: Bearer {HIDDEN}"),
        ("token eyJhbGciOi.eyJzdWIiOi.c2ln here", f"token {HIDDEN} here"),
        ("X-Amz-Signature=ab12cd and more", f"X-Amz-Signature={HIDDEN} and more"),
        ('{"n": 1, "id_token": "abc"}', f'{{"n": 1, "id_token": "{HIDDEN}"}}'),
        ("generation 0b5ee1f1-8d8e-4a7e-9d37-6fb3bd0f8a52 is at 17/28", None),
        ("/app/madar/db/pool.py is 100 % @ work", None),
    ],
)
def test_of_a_text_only_what_is_secret_goes(text: str, left: str | None) -> None:
    assert clean(text) == (text if left is None else left)


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (KeyError("a red rocket over the sea"), "'…'"),
        (KeyError("image"), "'image'"),
        (RuntimeError('bad: "a red\nrocket"'), "bad: '…'"),
        (RuntimeError("bad: '" + "a red rocket " * 300 + "'"), "bad: '…'"),
        (RuntimeError("can't read 'a red rocket'"), "can't read '…'"),
        (ValueError("invalid literal for int(): 'صاروخ'"), "invalid literal for int(): '…'"),
        (FileNotFoundError(2, "No such file", "/app/x.py"), "[Errno 2] No such file: '/app/x.py'"),
        (RuntimeError("first line\nDETAIL: Failing row contains (a red rocket)"), "first line"),
        (RuntimeError("Key (email)=(amal) exists"), "Key '…' exists"),
        (RuntimeError("x" * 5000), "x" * 300),
    ],
)
def test_an_error_says_what_it_is_and_not_what_it_was_given(error: Exception, left: str) -> None:
    assert message_of(error) == left


def test_an_error_that_cannot_be_told_is_hidden() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert message_of(Silent()) == HIDDEN


def test_a_stack_has_every_error_of_a_chain_and_of_a_group() -> None:
    what = KeyError("what somebody wrote, once")
    twice = psycopg.errors.UniqueViolation("twice\nDETAIL: Key (a)=(b)")
    twice.__cause__ = what

    text = stack_of(ExceptionGroup("of tasks", [twice]))

    assert text.count("Traceback (most recent call last):") == 3
    assert text.splitlines()[-1] == "  | psycopg.errors.UniqueViolation: twice"
    assert "  | KeyError: '…'" in text
    assert "was the direct cause of" in text


def test_facts_become_what_json_knows() -> None:
    fact = {
        "keys": ["a@b.co", 3, None],
        "id": UUID(int=7),
        "why": KeyError("so many words"),
        5: True,
    }

    assert clean_fact(fact) == {
        "keys": [HIDDEN, 3, None],
        "id": str(UUID(int=7)),
        "why": "KeyError: '…'",
        "5": True,
    }


@pytest.mark.parametrize("text", ["http://", "a.", "'", "(", "x@", "token=", "\\'", "/a"])
def test_no_text_takes_long(text: str) -> None:
    began_at = time.perf_counter()

    message_of(RuntimeError(text * 50_000))
    clean(text * 50_000)

    assert time.perf_counter() - began_at < 1
