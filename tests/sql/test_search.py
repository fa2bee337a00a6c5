"""sql/queries/gallery.sql: what a search finds, however it is spelled, and page by page."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import gallery
from madar.db.sessions import Credential
from madar.domain.gallery import SORTS, GalleryRequest
from tests.sql import strategies
from tests.sql.harness import Session, Sql
from tests.sql.register import holds
from tests.sql.strategies import Rest, Row, rows

AMAL = Credential(token_hash=b"amal's")
# Spellings that mean the same; each is put where a letter allows it.
ALEFS, YAS, TAS = "اأإآٱ", "يىی", "هة"
MARKS = ("\u064e", "\u0651", "\u0640", "\u200f")
DIGITS = {ord("0") + n: chr(0x660 + n) for n in range(10)}
# Words of no meaning to a search by themselves.
STOP = {"a", "the"}


def sign_in(db: Session, person: Row) -> UUID:
    db.add("users", person | {"is_active": True})
    later = timedelta(hours=1)
    session = {"user_id": person["id"], "session_token": AMAL.token_hash}
    db.add("user_sessions", session | {"expires_at": later, "ends_at": later})
    return person["id"]


def found(db: Session, request: GalleryRequest) -> list[UUID]:
    page = db.call(gallery.list_documents, AMAL, request=request)
    assert page
    return [UUID(one["id"]) for one in json.loads(page.generations)]


@st.composite
def spelled(draw: st.DrawFn, words: str) -> str:
    """The same words with other alefs, with and without marks, in capitals."""
    rest = draw(strategies.rests)
    letters: list[str] = []
    for letter in words:
        same = next((one for one in (ALEFS, YAS, TAS) if letter in one), letter)
        letters.append(rest.one_of(same))
        if "\u0621" <= letter <= "\u064a":
            letters.append(rest.one_of(("", "", *MARKS)))
    text = "".join(letters)
    if rest.one_of((False, True)):
        text = text.translate(DIGITS)
    change: Callable[[str], str] = rest.one_of((str, str.upper, str.title))
    return change(text)


@holds("gallery.find_documents")
@given(strategies.people(), st.lists(strategies.prompts, min_size=1, max_size=4), st.data())
def test_a_search_finds_every_picture_with_its_words_in_any_spelling(
    sql: Sql, person: Row, prompts: list[str], data: st.DataObject
) -> None:
    words = data.draw(st.lists(st.sampled_from(" ".join(prompts).split()), min_size=1, max_size=3))
    with sql.example() as db:
        owner_id = sign_in(db, person)
        for n, prompt in enumerate(prompts):
            # The odd ones are there twice, in two spellings.
            spellings = [prompt] if n % 2 else [prompt, data.draw(spelled(prompt))]
            for number, text in enumerate(spellings):
                row = strategies.generation(UUID(int=2 * n + number), Rest(0), state="queued")
                db.add("generations", row | {"user_id": owner_id, "prompt": text})
        asked = " ".join(words)
        answers = [
            set(found(db, GalleryRequest(search=text)))
            for text in (asked, data.draw(spelled(asked)), data.draw(spelled(asked)))
        ]

        assert answers[1] == answers[0]
        assert answers[2] == answers[0]
        for n, prompt in enumerate(prompts):
            if set(words) <= set(prompt.split()) and not set(words) <= STOP:
                assert UUID(int=2 * n) in answers[0], "has all of its words"
            if n % 2 == 0:
                assert (UUID(int=2 * n) in answers[0]) == (UUID(int=2 * n + 1) in answers[0])


@holds("gallery.find_documents", share=3)
@given(
    strategies.people(),
    strategies.texts | st.text("\"'-()&|!<>:*\\ اأوor\u0640\u064e٣", max_size=40),
    st.sampled_from(SORTS),
)
def test_whatever_is_typed_is_an_answer(sql: Sql, person: Row, text: str, sort: Any) -> None:
    with sql.example() as db:
        owner_id = sign_in(db, person)
        row = strategies.generation(UUID(int=1), Rest(0), state="queued")
        db.add("generations", row | {"user_id": owner_id, "prompt": text or "-"})

        assert set(found(db, GalleryRequest(search=text, sort=sort))) <= {row["id"]}


@holds("gallery.list_newest_documents", "gallery.find_documents", share=2)
@given(
    strategies.people(),
    rows(strategies.generations(prompt="a red rocket"), min_size=2, max_size=9),
    st.sampled_from(SORTS),
    st.sampled_from((None, "rocket")),
    st.integers(1, 3),
    st.data(),
)
def test_nothing_is_shown_twice_or_left_out_while_pictures_come_and_go(
    sql: Sql,
    person: Row,
    pictures: list[Row],
    sort: Any,
    search: str | None,
    size: int,
    data: st.DataObject,
) -> None:
    is_there = data.draw(st.lists(st.booleans(), min_size=9, max_size=9))
    with sql.example() as db:
        owner_id = sign_in(db, person)
        later = [row for row, there in zip(pictures, is_there, strict=False) if not there]
        stay = {row["id"] for row in pictures} - {row["id"] for row in later}
        for row in pictures:
            if row["id"] in stay:
                db.add("generations", row | {"user_id": owner_id})
        shown: list[UUID] = []
        after = None
        for _ in range(20):
            request = GalleryRequest(sort=sort, search=search, page_size=size, after=after)
            page = db.call(gallery.list_documents, AMAL, request=request)
            assert page
            shown += [UUID(one["id"]) for one in json.loads(page.generations)]
            after = page.next_position(request)
            if after is None:
                break
            if later:  # somebody asks for another picture meanwhile
                db.add("generations", later.pop() | {"user_id": owner_id})
            if stay and data.draw(st.integers(0, 3)) == 0:  # or throws one away
                gone = data.draw(st.sampled_from(sorted(stay)))
                stay.discard(gone)
                db.execute("UPDATE generations SET deleted_at = now() WHERE id = $1", gone)

        assert after is None
        assert len(shown) == len(set(shown)), "twice"
        assert stay <= set(shown), "left out"
