"""One trial: something is held, its process dies or is left behind, and all must end well."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Literal
from uuid import UUID, uuid4

import psycopg

from madar.actions.orphans import OWNER_KEY
from tests.faults.rig.clients import Client
from tests.faults.rig.invariants import Violation, Witnesses, check
from tests.faults.rig.lane import Lane, Slot
from tests.faults.rig.points import Point, text_of
from tests.faults.rig.traps import Trap
from tests.faults.rig.watching import Watcher
from tests.product import AMAL, Person
from tests.simulator.harness import Json, eventually

Mode = Literal["kill", "terminate", "overtake"]
MODES: tuple[Mode, ...] = ("kill", "terminate", "overtake")
END_WITHIN_S = 60.0
GONE_WITHIN_S = 60.0
CALM_S = 0.5

_ROWS = """
    SELECT g.id::text, g.state, g.step, g.version, g.deleted_at, g.error_code, g.fal_error,
           g.master_key, g.result_image_key, g.thumbnail_key, g.file_size_bytes,
           g.image_dimensions,
           (SELECT jsonb_agg(jsonb_build_object('id', a.id, 'n', a.n, 'step', a.step,
                                                'state', a.state) ORDER BY a.n)
              FROM attempts a WHERE a.generation_id = g.id) AS attempts
      FROM generations g WHERE g.id = ANY (%s::uuid[])
"""
_KEYS = """
    SELECT object_key FROM generations,
           unnest(ARRAY[master_key, result_image_key, thumbnail_key]) AS object_key
     WHERE object_key IS NOT NULL AND (deleted_at IS NULL OR gone_at IS NOT NULL)
"""
_UNPURGED = """
    SELECT (SELECT count(*) FROM purges)::int + (SELECT count(*) FROM fal_purges)::int AS n
"""
_UNCOUNTED = """
    SELECT count(*)::int AS n FROM generations g
     WHERE (state = 'failed' AND error_code NOT IN ('content_policy', 'cancelled'))
        OR (deleted_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM attempts WHERE generation_id = g.id AND sent_at IS NOT NULL))
"""


@dataclass(kw_only=True)
class Outcome:
    point: str
    mode: str
    seconds: float
    violations: list[Json] = field(default_factory=list[Json])

    def count(self, *kinds: str) -> int:
        return sum(one["kind"] in kinds for one in self.violations)


@dataclass(kw_only=True)
class Round:
    """What one trial does on its lane, and what its clients were told."""

    lane: Lane
    watcher: Watcher
    pool: ThreadPoolExecutor
    client: Client = field(init=False)
    deleted: set[str] = field(default_factory=set[str])
    acts: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]])
    began: list[Future[object]] = field(default_factory=list[Future[object]])

    def __post_init__(self) -> None:
        self.client = Client(self.lane.amal)

    def create(self, key: str | None = None) -> str:
        key = key or str(uuid4())
        generation_id = self.client.create(key, seed=UUID(key).int % 10**9)
        self.watcher.watch(generation_id)
        return generation_id

    def begin(self, act: Callable[[], object]) -> None:
        """In a thread, for its answer may be long in coming."""
        self.acts.append(act)
        self.began.append(self.pool.submit(act))

    def ends(self) -> None:
        for one in self.began:
            one.result(END_WITHIN_S)

    def delete(self, generation_id: str) -> None:
        self.deleted.add(generation_id)
        self.watcher.leave(generation_id)
        self.client.delete(generation_id)

    def create_and_watch(self, **wishes: object) -> str:
        generation_id = self.client.create(str(uuid4()), **wishes)
        self.watcher.watch(generation_id)
        return generation_id

    @property
    def ids(self) -> list[str]:
        return [each for ids in self.client.answers.values() for each in ids]


def run_trial(lane: Lane, watcher: Watcher, point: Point, mode: Mode) -> Outcome:
    """Leaves the lane with all its processes running and nothing under way."""
    started = time.monotonic()
    lane.clear_traps()
    lane.start_missing()
    with ThreadPoolExecutor(4) as pool:
        round_ = Round(lane=lane, watcher=watcher, pool=pool)
        trap = _lead_into(round_, point)
        try:
            _strike(round_, point, trap, mode)
        finally:
            for slot in lane.all_slots():
                if slot.process:
                    slot.process.go_on()
            trap.drop()
        round_.ends()
    violations = settle(round_, is_late=mode == "overtake")
    return Outcome(
        point=point.name,
        mode=mode,
        seconds=round(time.monotonic() - started, 2),
        violations=[asdict(one) for one in violations],
    )


def _lead_into(round_: Round, point: Point) -> Trap:
    lane = round_.lane
    if point.begins_with == "delete":
        generation_id = round_.create()
        wait_for_end(lane, [generation_id])
        trap = point.set_trap(lane)
        round_.begin(lambda: round_.delete(generation_id))
    else:
        trap = point.set_trap(lane)
        key = str(uuid4())
        round_.begin(lambda: round_.create(key))
    trap.wait()
    round_.client.answered.clear()
    return trap


def _strike(round_: Round, point: Point, trap: Trap, mode: Mode) -> None:
    lane, slot = round_.lane, round_.lane.slot_caught_by(trap)
    assert slot.process
    match mode:
        case "kill":
            if slot.role == "web":
                lane.ask_next()
            slot.process.kill()
            trap.drop()
            lane.start_missing(slot.role)
        case "terminate":
            pids = [trap.backend_pid] if trap.backend_pid else slot.proxy.backend_pids()
            lane.terminate_backends(pids)
            (trap.drop if trap.backend_pid or point.never_arrives else trap.release)()
        case "overtake":
            _overtake(round_, point, trap, slot)
    _hurry_purges(lane)


def _overtake(round_: Round, point: Point, trap: Trap, slot: Slot) -> None:
    """The process stands still, another does its work, and then it goes on where it was."""
    lane = round_.lane
    assert slot.process
    slot.process.stop()
    if slot.role == "web":
        lane.ask_next()
    _hurry_purges(lane)
    _wait_until_overtaken(round_, point)
    slot.process.go_on()
    (trap.drop if point.never_arrives else trap.release)()
    trap.gone.wait(10)


def _wait_until_overtaken(round_: Round, point: Point) -> None:
    """Until the other process has done all that it can do."""
    if point.is_request:
        # The person asks again, and this time the other process.
        round_.begin(round_.acts[-1])
        assert round_.client.answered.wait(END_WITHIN_S)
    elif point.begins_with == "delete":
        _in_time(lambda: _unpurged(round_.lane) == 0)
    else:
        round_.ends()
        wait_for_end(round_.lane, round_.ids)


def _hurry_purges(lane: Lane) -> None:
    """What a worker had claimed when it died is due again now, and not in a minute."""
    lane.rows("UPDATE purges SET due_at = now()")
    lane.rows("UPDATE fal_purges SET due_at = now()")


def wait_for_end(lane: Lane, ids: list[str], *, deadline_s: float = END_WITHIN_S) -> bool:
    query = (
        "SELECT count(*)::int AS n FROM generations WHERE id = ANY (%s::uuid[])"
        "   AND deleted_at IS NULL AND state NOT IN ('completed', 'failed')"
    )
    return _in_time(lambda: lane.rows(query, ids)[0]["n"] == 0, deadline_s)


def settle(
    round_: Round, *, is_late: bool = False, end_within_s: float = END_WITHIN_S
) -> list[Violation]:
    """Wait for the end of all of it, ask every witness, and compare. `is_late`: more may follow."""
    lane, ids = round_.lane, round_.ids
    lane.accepted |= set(ids)
    wait_for_end(lane, ids, deadline_s=end_within_s)
    if round_.deleted:
        _in_time(lambda: _unpurged(lane) == 0, GONE_WITHIN_S)
    if is_late:
        _wait_for_calm(lane, ids)
    told = ask_witnesses(lane, round_.watcher, ids, deleted=round_.deleted)
    told.acknowledged = {key: min(found) for key, found in round_.client.answers.items()}
    told.answers = round_.client.answers
    told.codes = round_.client.codes | round_.watcher.codes
    round_.watcher.leave(*ids)
    return check(told)


def ask_witnesses(lane: Lane, watcher: Watcher, ids: list[str], *, deleted: set[str]) -> Witnesses:
    """All that is known of these generations, and what is left of the lane's others."""
    rows = {row["id"]: row for row in lane.rows(_ROWS, ids)}
    objects = dict(lane.bucket.objects)
    objects.pop(OWNER_KEY, None)
    return Witnesses(
        acknowledged={},
        deleted=deleted,
        rows=rows,
        keys_in_use={row["object_key"] for row in lane.rows(_KEYS)},
        submissions=lane.submissions(),
        objects=objects,
        seen={each: list(watcher.seen[each]) for each in ids if each in watcher.seen},
        shown_to_owner={each: _code(lane.amal, each) for each in ids},
        shown_to_stranger={each: _code(lane.badr, each) for each in ids},
        quota_used=_quota_used(lane),
        quota_expected=len(lane.accepted) - lane.rows(_UNCOUNTED)[0]["n"],
        unpurged=_unpurged(lane) if deleted else 0,
    )


def _code(person: Person, generation_id: str) -> int:
    return person.get(f"/api/generations/{generation_id}").status_code


def _quota_used(lane: Lane) -> int:
    """By the product's own query."""
    owner = lane.rows("SELECT id FROM users WHERE email = %s", AMAL)[0]["id"]
    query = text_of(("generations", "get_quota_use"))
    with psycopg.connect(lane.dsn, cursor_factory=psycopg.RawCursor) as conn:
        row = conn.execute(query.encode(), [owner, 86_400.0]).fetchone()
    assert row
    return int(row[0])


def _unpurged(lane: Lane) -> int:
    return int(lane.rows(_UNPURGED)[0]["n"])


def _wait_for_calm(lane: Lane, ids: list[str]) -> None:
    """Until the one that was overtaken has done whatever it still does."""
    last: list[Json] = []
    since = time.monotonic()

    def is_calm() -> bool:
        nonlocal last, since
        now = lane.rows(_ROWS, ids)
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > CALM_S

    _in_time(is_calm)


def _in_time(holds: Callable[[], bool], deadline_s: float = END_WITHIN_S) -> bool:
    """Whether it came true; that it did not is for the invariants to say."""
    try:
        eventually(lambda: holds() or None, deadline_s=deadline_s)
    except AssertionError:
        return False
    return True
