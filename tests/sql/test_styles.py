"""sql/queries/styles.sql: the looks, in two languages, and how long each takes."""

import json
from dataclasses import asdict
from datetime import timedelta
from statistics import median
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.db import styles
from tests.sql import strategies
from tests.sql.dice import Dice, dices
from tests.sql.harness import Session, Sql
from tests.sql.register import holds
from tests.sql.strategies import ENDED, Row

STYLE = strategies.STYLES[0]


@st.composite
def catalogues(draw: st.DrawFn) -> list[Row]:
    """Some styles beside the five that every database has."""
    shape = st.tuples(st.booleans(), st.integers(-1, 2), strategies.rests)
    shapes = draw(st.lists(shape, max_size=4))
    names = draw(st.permutations(("aa", "mm", "zz", "voxel")))
    return [
        {
            "id": name,
            "title": f"title {name}",
            "title_ar": f"عنوان {name}",
            "description": "d",
            "description_ar": "و",
            "preview_image_url": rest.one_of(("/styles/a.webp", "https://pictures.test/a.webp")),
            "default_prompt": "p",
            "default_prompt_ar": "ن",
            "fal_model_params": {"n": rest.number(0, 9)},
            "is_active": is_active,
            "sort_order": order,
            "typical_seconds": rest.one_of((None, 12.5)),
        }
        for name, (is_active, order, rest) in zip(names, shapes, strict=False)
    ]


def in_order(db: Session) -> list[Row]:
    rows = db.rows("generation_styles")
    return sorted(rows, key=lambda row: (row["sort_order"], row["id"]))


@holds("styles.list_style_documents", "styles.list_styles", "styles.get_style")
@given(catalogues(), strategies.languages)
def test_styles_are_listed_in_their_order(sql: Sql, added: list[Row], language: str) -> None:
    base_url = "https://api.test"
    end = "_ar" if language == "ar" else ""
    with sql.example() as db:
        for row in added:
            db.add("generation_styles", row)
        everything = in_order(db)
        body = db.call(styles.list_style_documents, language=language, base_url=base_url)
        listed = db.call(styles.list_styles)

        assert json.loads(body)["styles"] == [
            {
                "id": row["id"],
                "title": row[f"title{end}"],
                "description": row[f"description{end}"],
                "previewImageUrl": _whole(base_url, row["preview_image_url"]),
                "defaultPrompt": row[f"default_prompt{end}"],
                "isActive": True,
            }
            for row in everything
            if row["is_active"]
        ]
        assert [one.id for one in listed] == [row["id"] for row in everything]
        for one, row in zip(listed, everything, strict=True):
            assert asdict(one).items() <= row.items()
            assert db.call(styles.get_style, id=one.id) == one
        assert db.call(styles.get_style, id="no-such-style") is None


def _whole(base_url: str, address: str) -> str:
    return base_url + address if address.startswith("/") else address


@holds("styles.update_style")
@given(
    catalogues(),
    st.fixed_dictionaries(
        {},
        optional={
            "title": st.sampled_from(("t", "", "عنوان")),
            "title_ar": st.just("ت"),
            "description": st.just(""),
            "description_ar": st.just("شرح"),
            "default_prompt": st.just("new"),
            "default_prompt_ar": st.just("جديد"),
            "fal_model_params": st.just({"cutout": None}),
            "is_active": st.booleans(),
        },
    ),
)
def test_only_what_is_named_is_changed(sql: Sql, added: list[Row], given: dict[str, Any]) -> None:
    with sql.example() as db:
        for row in added:
            db.add("generation_styles", row)
        before = db.row("generation_styles", id=STYLE)
        with db.changes("generation_styles") as seen:
            updated = db.call(styles.update_style, id=STYLE, **given)
            assert db.call(styles.update_style, id="no-such-style", **given) is None

        differing = {name: value for name, value in given.items() if before[name] != value}
        assert seen["generation_styles"].changed == {STYLE: differing | {"updated_at": db.now}}
        assert updated == db.call(styles.get_style, id=STYLE)


def pictures(dice: Dice) -> list[tuple[Row, list[Row]]]:
    """Of this style about as many as are asked for, or more than are looked at."""
    many = dice.one(2, 3, 4, 5, 6, 50)
    return [_picture(n, strategies.Rest(256 * n + dice.number(0, 255))) for n in range(many)]


def _picture(n: int, rest: strategies.Rest) -> tuple[Row, list[Row]]:
    row = strategies.generation(
        UUID(int=n),
        rest,
        state=rest.one_of(("completed", "completed", "completed", "failed")),
        style=rest.one_of((STYLE, STYLE, strategies.STYLES[1])),
        created_at=-timedelta(hours=rest.number(24, 48)),
    )
    # No two are completed at the same moment, so that it is clear which are the last.
    row["completed_at"] = -timedelta(seconds=rest.number(0, 9999) * 30 + n)
    return row, [
        {
            "id": UUID(int=100 * n + number),
            "n": number,
            "step": rest.one_of(("draw", "cutout")),
            "state": rest.one_of(ENDED),
            "seed": 1,
            **_held(rest),
        }
        for number in range(rest.number(0, 3))
    ]


def _held(rest: strategies.Rest) -> Row:
    """Some were in the line for their turn, some were sent at once, some were never sent."""
    sent_at = timedelta(hours=-20)
    waited, held = timedelta(seconds=rest.number(0, 90)), timedelta(seconds=rest.number(0, 60))
    waits, is_sent = rest.one_of((True, False)), rest.one_of((True, True, False))
    return {
        "waiting_since": sent_at - waited if waits else None,
        "granted_at": sent_at if waits and is_sent else None,
        "sent_at": sent_at + timedelta(seconds=1) if is_sent else None,
        "resolved_at": sent_at + held if is_sent else None,
    }


@holds("styles.update_typical_seconds")
@given(strategies.people(), dices())
def test_a_style_takes_what_its_last_pictures_took(sql: Sql, person: Row, dice: Dice) -> None:
    with sql.example() as db:
        db.add("users", person)
        done: list[tuple[Row, list[Row]]] = []
        for row, attempts in pictures(dice):
            picture = db.add("generations", row | {"user_id": person["id"]})
            own = [db.add("attempts", one | {"generation_id": row["id"]}) for one in attempts]
            if row["style"] == STYLE and row["state"] == "completed":
                done.append((picture, own))
        done.sort(key=lambda one: one[0]["completed_at"], reverse=True)
        with db.changes("generation_styles") as seen:
            db.call(styles.update_typical_seconds, style=STYLE)

        change = seen["generation_styles"].changed
        if len(done) < 3:
            assert not change
        else:
            assert set(change) == {STYLE}
            after = db.row("generation_styles", id=STYLE)
            assert after["typical_seconds"] == pytest.approx(_typical(done[:20]), abs=0.01)
            assert after["step_seconds"] == pytest.approx(_by_step(done[:20]))


def _typical(done: list[tuple[Row, list[Row]]]) -> float:
    """Without the time in which they were only waiting for their turn."""
    return median(
        (picture["completed_at"] - picture["created_at"]).total_seconds()
        - sum(
            (one["granted_at"] - one["waiting_since"]).total_seconds()
            for one in attempts
            if one["granted_at"] and one["waiting_since"]
        )
        for picture, attempts in done
    )


def _by_step(done: list[tuple[Row, list[Row]]]) -> dict[str, float]:
    """For how long a picture held a place for each step, all tries together."""
    held: dict[str, list[float]] = {}
    for _, attempts in done:
        own: dict[str, float] = {}
        for one in attempts:
            if one["resolved_at"]:
                began_at = one["granted_at"] or one["sent_at"]
                seconds = (one["resolved_at"] - began_at).total_seconds()
                own[one["step"]] = own.get(one["step"], 0) + seconds
        for step, seconds in own.items():
            held.setdefault(step, []).append(seconds)
    return {step: median(seconds) for step, seconds in held.items()}
