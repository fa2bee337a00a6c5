"""sql/queries/users.sql: who somebody is, what is theirs in numbers, and how an account ends."""

import json
from typing import Any

from hypothesis import given

from madar.db import users
from tests.sql.harness import Sql
from tests.sql.register import holds
from tests.sql.seeding import Owner, several


@holds("users.get_stats_document")
@given(several())
def test_statistics_are_those_of_the_pictures_that_are_there(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        for owner in [one.add(db) for one in owners]:
            there = [row for row in owner.generations if not row["deleted_at"]]
            stats = json.loads(db.call(users.get_stats_document, owner_id=owner.id) or b"")

            assert stats["totalGenerations"] == len(there)
            assert stats["totalLikes"] == sum(row["is_liked"] for row in there)
            assert stats["totalDownloads"] == sum(row["download_count"] for row in there)
            assert stats["favoriteStyle"] in _favourites(there)


def _favourites(there: list[dict[str, Any]]) -> set[str]:
    """Of the style used most, the one used last; several if it was at the same moment."""
    used: dict[str, list[Any]] = {}
    for row in there:
        used.setdefault(row["style"], []).append(row["created_at"])
    most = max(((len(times), max(times)) for times in used.values()), default=None)
    return {style for style, times in used.items() if (len(times), max(times)) == most} or {""}
