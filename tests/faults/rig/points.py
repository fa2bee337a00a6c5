"""The eighteen points, each named by what is held there.

Only here the product's statements and paths are named.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from madar.db.sql import QUERIES, load
from tests.faults.rig.lane import Lane
from tests.faults.rig.processes import Role
from tests.faults.rig.traps import Side, Trap

Place = Literal["database", "fal", "bucket", "edge"]
Beginning = Literal["create", "delete"]
Matcher = Callable[[str], bool]

# Statements by the file and the name they have in sql/queries.
CREATE = ("generations", "insert_generation")
CLAIM = ("generations", "claim_generation_to_advance")
ACCEPT = ("attempts", "mark_attempt_accepted")
ANNOUNCE = ("attempts", "announce_result")
COMPLETE = ("generations", "complete_generation")
BEFORE_BELL = ("styles", "update_typical_seconds")
DELETE = ("generations", "delete_generation")
SUBMIT, DOWNLOAD, WEBHOOK = "POST /fal-ai/", "GET /files/", "POST /api/webhooks/fal"


@dataclass(frozen=True, kw_only=True)
class Point:
    name: str
    role: Role
    place: Place
    side: Side
    matcher: Callable[[Lane], Matcher]
    begins_with: Beginning = "create"
    never_arrives: bool = False
    is_request: bool = False

    def set_trap(self, lane: Lane) -> Trap:
        """On every process of the role: whichever comes first is the one."""
        trap = Trap(matches=self.matcher(lane), side=self.side)
        match self.place:
            case "database":
                lane.set_trap_in_database(self.role, trap)
            case "fal":
                lane.fal.set_trap(trap)
            case "bucket":
                lane.bucket.proxy.set_trap(trap)
            case "edge":
                lane.edge.set_trap(trap)
        return trap


def text_of(statement: tuple[str, str]) -> str:
    file, name = statement
    return load(QUERIES / f"{file}.sql")[name].sql.decode()


def _is(statement: tuple[str, str]) -> Callable[[Lane], Matcher]:
    wanted = text_of(statement)
    return lambda _lane: lambda text: text == wanted


def _begins(words: str) -> Callable[[Lane], Matcher]:
    return lambda _lane: lambda line: line.startswith(words)


def _puts_thumbnail(lane: Lane) -> Matcher:
    def matches(line: str) -> bool:
        method, _, path = line.partition(" ")
        query = "SELECT 1 AS n FROM generations WHERE strpos(%s, thumbnail_key) > 0"
        return method == "PUT" and bool(lane.rows(query, path))

    return matches


def _in_database(name: str, role: Role, side: Side, statement: tuple[str, str]) -> Point:
    return Point(
        name=name,
        role=role,
        place="database",
        side=side,
        matcher=_is(statement),
        is_request=statement in {CREATE, DELETE},
        begins_with="delete" if statement == DELETE else "create",
    )


def _at_fal(name: str, side: Side, words: str, *, never_arrives: bool = False) -> Point:
    return Point(
        name=name,
        role="worker",
        place="fal",
        side=side,
        matcher=_begins(words),
        never_arrives=never_arrives,
    )


def _in_bucket(
    name: str, side: Side, matcher: Callable[[Lane], Matcher], begins_with: Beginning = "create"
) -> Point:
    return Point(
        name=name,
        role="worker",
        place="bucket",
        side=side,
        matcher=matcher,
        begins_with=begins_with,
    )


POINTS = (
    _in_database("create COMMIT held", "web", "before", CREATE),
    _in_database("create committed, its answer held", "web", "after", CREATE),
    _in_database("after 201, before claim", "worker", "before", CLAIM),
    _at_fal("Fal's TCP accepted, nothing read", "unread", SUBMIT, never_arrives=True),
    _at_fal("Fal read, not recorded", "before", SUBMIT, never_arrives=True),
    _at_fal("Fal recorded, answer held", "after", SUBMIT),
    _in_database("answer in, request-id COMMIT held", "worker", "before", ACCEPT),
    _in_database("request id committed, its answer held", "worker", "after", ACCEPT),
    _in_database("webhook COMMIT held", "web", "before", ANNOUNCE),
    Point(
        name="webhook committed, 200 held",
        role="web",
        place="edge",
        side="after",
        matcher=_begins(WEBHOOK),
    ),
    _at_fal("download half way", "half", DOWNLOAD),
    _in_bucket("before the first PUT", "before", _begins("PUT ")),
    _in_bucket("PUT stored, answer held", "after", _begins("PUT ")),
    _in_bucket("thumbnail PUT held", "before", _puts_thumbnail),
    _in_database("completion COMMIT held", "worker", "before", COMPLETE),
    _in_database("committed, before NOTIFY", "worker", "before", BEFORE_BELL),
    _in_database("delete COMMIT held", "web", "before", DELETE),
    _in_bucket("purge half way", "before", _begins("DELETE "), begins_with="delete"),
)
