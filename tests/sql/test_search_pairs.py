"""Which spellings of a word find each other."""

from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sql.spelling_pairs import FOUND, NOT_FOUND

Conn = psycopg.Connection[Any]


def finds(conn: Conn, stored: str, typed: str) -> bool:
    row = conn.execute("SELECT search_document(%s) @@ search_query(%s)", [stored, typed]).fetchone()
    assert row
    return bool(row[0])


def test_what_is_meant_is_found(conn: Conn, capsys: pytest.CaptureFixture[str]) -> None:
    missed = [pair for pair in FOUND if not finds(conn, *pair)]

    with capsys.disabled():
        print(f"\n{len(FOUND) - len(missed)} of {len(FOUND)} spellings found; not: {missed}")  # noqa: T201
    assert len(set(FOUND)) == len(FOUND) >= 200
    assert len(missed) <= 0.05 * len(FOUND)


def test_other_words_stay_away(conn: Conn, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [pair for pair in NOT_FOUND if finds(conn, *pair)]

    with capsys.disabled():
        print(f"\n{len(wrong)} of {len(NOT_FOUND)} other words found too: {wrong}")  # noqa: T201
    assert len(set(NOT_FOUND)) == len(NOT_FOUND) >= 60
    assert len(wrong) <= 0.05 * len(NOT_FOUND)


@pytest.mark.parametrize(
    ("stored", "typed", "is_found"),
    [
        ("a red rocket", '"red rocket"', True),
        ("a rocket, red", '"red rocket"', False),
        ("a red toy rocket", '"red rocket"', False),
        ("a glass of water", '"glass of water"', True),
        ("a glass with water", '"glass of water"', True),
        ("a glass water", '"glass of water"', False),
        ("red rockets and green cars", '"green car"', True),
        ("the cars are green, the rocket is red", '"red car"', False),
        ("قطة سوداء صغيرة", '"القطة السوداء"', True),
        ("قطة صغيرة سوداء", '"القطة السوداء"', False),
        ("شعار rocket أحمر", '"rockets أحمر"', True),
        ("a red rocket", "rocket -red", False),
        ("a blue rocket", "rocket -red", True),
        ("two red cars", "-cars", False),
        ("two red rockets", "-cars", True),
        ("قطة وكلب", "قطة -كلاب", False),
        ("قطة وطائر", "قطة -كلاب", True),
        ("a red toy rocket", 'rocket -"red rocket"', True),
        ("a red rocket", 'toy -"red rocket"', False),
        ("a cat", "cat or dog", True),
        ("a dog", "cat OR dog", True),
        ("a bird", "cat or dog", False),
        ("كلب", "قطة أو كلب", True),
        ("طائر", "قطة أو كلب", False),
        ("a red rocket", "rocket with the red", True),
        ("a red rocket", "low-red", False),
        ("a red rocket", "the", False),
        ("a red rocket", "", False),
        ("a red rocket", "🚀", False),
    ],
)
def test_phrases_or_and_without(conn: Conn, stored: str, typed: str, *, is_found: bool) -> None:
    assert finds(conn, stored, typed) is is_found


def test_a_stored_prompt_is_folded_by_the_table_itself(conn: Conn) -> None:
    [row] = conn.execute(
        "SELECT attgenerated FROM pg_attribute WHERE attrelid = 'generations'::regclass"
        " AND attname = 'prompt_search'"
    ).fetchall()

    assert row[0] in {"s", b"s"}


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
    | st.text("\"'-()&|!<>:*\\ اأوكلبor\u0640\u064e٣", max_size=60)
)
def test_nothing_that_can_be_typed_raises(shared_conn: Conn, text: str) -> None:
    shared_conn.execute("SELECT search_document(%s) @@ search_query(%s)", [text, text])


@given(st.lists(st.sampled_from(sorted({word for one, _ in FOUND for word in one.split()})),
                min_size=1, max_size=6))  # fmt: skip
def test_what_was_written_is_found_by_its_own_words(shared_conn: Conn, words: list[str]) -> None:
    text = " ".join(words).replace("-", " ")
    row = shared_conn.execute(
        "SELECT numnode(search_query(%s)) = 0 OR search_document(%s) @@ search_query(%s)",
        [text, text, text],
    ).fetchone()

    assert row == (True,), text


@pytest.fixture(scope="module")
def shared_conn(postgres_server: Any) -> Any:
    with psycopg.connect(postgres_server.dsn("template_madar"), autocommit=True) as conn:
        yield conn
