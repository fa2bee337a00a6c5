"""Whole people with what is theirs, written through a session of an example."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.sql import strategies
from tests.sql.harness import Session
from tests.sql.strategies import Row


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A person and their rows, as drawn; `add` writes them and answers them with their times."""

    person: Row
    sessions: list[Row] = field(default_factory=list[Row])
    uploads: list[Row] = field(default_factory=list[Row])
    generations: list[Row] = field(default_factory=list[Row])
    attempts: list[Row] = field(default_factory=list[Row])

    @property
    def id(self) -> Any:
        return self.person["id"]

    def add(self, db: Session) -> "Owner":
        return Owner(
            person=db.add("users", self.person),
            sessions=add_all(db, "user_sessions", self.sessions),
            uploads=add_all(db, "uploads", self.uploads),
            generations=add_all(db, "generations", self.generations),
            attempts=add_all(db, "attempts", self.attempts),
        )


def add_all(db: Session, table: str, rows: list[Row]) -> list[Row]:
    return [db.add(table, row) for row in rows]


@st.composite
def owners(draw: st.DrawFn, *, pictures: int = 5, sessions: int = 3, **fixed: Any) -> Owner:
    """Somebody with up to so many pictures, some of them made from their uploads."""
    person = draw(strategies.people(**fixed))
    own = {"user_id": person["id"]}
    uploads = draw(strategies.rows(strategies.uploads(**own), max_size=3))
    sources = st.none() | st.sampled_from([row["id"] for row in uploads] or [None])
    made = draw(
        st.lists(
            strategies.made(strategies.galleries(**own)),
            max_size=pictures,
            unique_by=lambda one: one[0]["id"],
        )
    )
    return Owner(
        person=person,
        sessions=draw(strategies.rows(strategies.sessions(**own), max_size=sessions)),
        uploads=uploads,
        generations=[row | {"source_upload_id": draw(sources)} for row, _ in made],
        attempts=[attempt for _, attempts in made for attempt in attempts],
    )


def several(most: int = 3, **given: Any) -> st.SearchStrategy[list[Owner]]:
    """Different people."""
    return st.lists(owners(**given), min_size=1, max_size=most, unique_by=lambda owner: owner.id)
