"""Takes one guard at a time out of a copy of this project; some test has to miss it.

`python -m tests.mutations [word …]`: those whose name has one of the words, or all of them.
Exit code 1 when the tests pass without a guard, or when a guard is not where it is looked for.
"""
# ruff: noqa: T201 - the table is printed

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from madar.settings import ROOT, child_environment

COPIED = ("madar", "jobs", "sql", "tests", "pyproject.toml")
TIMEOUT_S = 900

WEBHOOK = ("tests/faults/test_webhook_forgeries.py", "tests/api/test_fal_webhook.py")
KEYS = ("tests/faults/test_webhook_keys.py",)
ACCESS = ("tests/api/test_access.py::test_what_is_not_yours_is_what_is_not_there",)
SOCKETS = ("tests/api/test_access.py::test_sockets_keep_the_same_secrets",)
LEASES = ("tests/db/test_transitions.py", "tests/faults/test_leases.py")
PAUSE = "tests/commands/test_submitting.py"
QUOTA = (
    "tests/faults/test_quota_lock.py",
    "tests/api/test_quota.py::test_over_the_quota_one_is_told_until_when",
)


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """`text` stands in `path` once, or more often where it is a guard `everywhere`."""

    name: str
    path: str
    text: str
    instead: str
    tests: tuple[str, ...]
    everywhere: bool = False

    def applied_to(self, source: str) -> str:
        found = source.count(self.text)
        if not found or (found > 1 and not self.everywhere):
            raise TargetMoved(f"{self.name}: found {found} times in {self.path}")
        return source.replace(self.text, self.instead)


class TargetMoved(Exception):
    """A guard is not where it is looked for; the mutation has to follow it."""


MUTATIONS = (
    # Webhooks
    Mutation(
        name="webhook: the signature is not checked",
        path="madar/clients/fal_keys.py",
        text="    except InvalidSignature:\n        return False\n",
        instead="    except InvalidSignature:\n        return True\n",
        tests=WEBHOOK,
    ),
    Mutation(
        name="webhook: the token is not checked",
        path="madar/clients/fal_webhooks.py",
        text="if attempt_id is None or not is_right:",
        instead="if attempt_id is None:",
        tests=WEBHOOK,
    ),
    Mutation(
        name="webhook: a token is good for every attempt",
        path="madar/settings.py",
        text="hmac.new(secret, attempt_id.bytes, hashlib.sha256)",
        instead='hmac.new(secret, b"", hashlib.sha256)',
        tests=WEBHOOK,
    ),
    Mutation(
        name="webhook: the account is not checked",
        path="madar/clients/fal_webhooks.py",
        text="self._settings.fal_account_id.encode()",
        instead="user_id.encode()",
        tests=WEBHOOK,
    ),
    Mutation(
        name="webhook: the time is not checked",
        path="madar/clients/fal_webhooks.py",
        text="if abs(skew_s) > MAX_SKEW_S:",
        instead="if abs(skew_s) > 10**12:",
        tests=WEBHOOK,
    ),
    Mutation(
        name="webhook: of a header given twice the first counts",
        path="madar/clients/fal_webhooks.py",
        text='return values[0] if len(values) == 1 else ""',
        instead='return values[0] if values else ""',
        tests=WEBHOOK,
    ),
    Mutation(
        name="webhook: the body may name another request",
        path="madar/api/webhooks.py",
        text="if delivery.request_id != seal.request_id:",
        instead="if not seal.request_id:",
        tests=WEBHOOK,
    ),
    Mutation(
        name="webhook: news counts as an end",
        path="madar/api/webhooks.py",
        text='if delivery.said != "progress":',
        instead="if delivery.said:",
        tests=WEBHOOK,
    ),
    Mutation(
        name="webhook: keys are fetched for every forgery",
        path="madar/clients/fal_keys.py",
        text="time.monotonic() - self._tried_at < REFETCH_S",
        instead="time.monotonic() < 0",
        tests=KEYS,
    ),
    Mutation(
        name="webhook: keys of any age are good",
        path="madar/clients/fal_keys.py",
        text="return bool(self._keys) and self._age_s() < LIFE_S",
        instead="return bool(self._keys)",
        tests=KEYS,
    ),
    Mutation(
        name="webhook: a second request takes an attempt over",
        path="sql/queries/attempts.sql",
        text="AND (a.request_id IS NULL OR a.request_id = $2)",
        instead="AND true",
        tests=("tests/api/test_fal_webhook.py",),
    ),
    # Whose it is
    Mutation(
        name="owner: anybody sees a picture's status",
        path="sql/queries/generations.sql",
        text="ON g.user_id = v.id AND g.id = $3",
        instead="ON g.id = $3",
        tests=ACCESS,
    ),
    Mutation(
        name="owner: anybody throws a picture away",
        path="sql/queries/generations.sql",
        text="WHERE user_id = $1\n       AND id = $2\n       AND deleted_at IS NULL\n    RETURNING",
        instead="WHERE $1::uuid IS NOT NULL AND id = $2 AND deleted_at IS NULL\n    RETURNING",
        tests=ACCESS,
    ),
    Mutation(
        name="owner: anybody loads a picture down",
        path="sql/queries/generations.sql",
        text=" WHERE user_id = $1\n   AND id = $2\n   AND state = 'completed'",
        instead=" WHERE $1::uuid IS NOT NULL\n   AND id = $2\n   AND state = 'completed'",
        tests=ACCESS,
    ),
    Mutation(
        name="owner: anybody likes a picture, and any socket joins it",
        path="sql/queries/generations.sql",
        text="  FROM generation_documents\n WHERE user_id = $1\n",
        instead="  FROM generation_documents\n WHERE $1::uuid IS NOT NULL\n",
        tests=SOCKETS,
    ),
    Mutation(
        name="owner: anybody ends a session",
        path="sql/queries/sessions.sql",
        text="   AND user_id = $2;",
        instead="   AND $2::uuid IS NOT NULL;",
        tests=ACCESS,
        everywhere=True,
    ),
    # Who works on it
    Mutation(
        name="lease: a worker without it writes to the attempt",
        path="sql/queries/attempts.sql",
        text="lease_epoch = $3",
        instead="lease_epoch >= $3 - 1000000",
        tests=LEASES,
        everywhere=True,
    ),
    Mutation(
        name="lease: a worker without it writes to the generation",
        path="sql/queries/generations.sql",
        text="lease_epoch = $2",
        instead="lease_epoch >= $2 - 1000000",
        tests=LEASES,
        everywhere=True,
    ),
    Mutation(
        name="lease: the epoch does not grow",
        path="sql/queries/generations.sql",
        text="lease_epoch = lease_epoch + 1,",
        instead="lease_epoch = lease_epoch,",
        tests=LEASES,
    ),
    Mutation(
        name="lease: what a webhook changed meanwhile is overwritten",
        path="sql/queries/attempts.sql",
        text="       AND a.state = $4\n",
        instead="       AND a.state IN ($4, 'accepted')\n",
        tests=LEASES,
        everywhere=True,
    ),
    # What an operator holds back
    Mutation(
        name="pause: turns are given all the same",
        path="sql/queries/turns.sql",
        text="CASE WHEN paused_at IS NOT NULL THEN 0\n                      WHEN closed_until",
        instead="CASE WHEN closed_until",
        tests=(f"{PAUSE}::test_what_fal_answers_meanwhile_does_not_end_the_pause",),
    ),
    Mutation(
        name="pause: a turn that nobody used is used",
        path="sql/queries/turns.sql",
        text="SET granted_at = NULL,\n           waiting_since",
        instead="SET waiting_since",
        tests=(f"{PAUSE}::test_a_turn_that_nobody_has_used_is_taken_back_and_given_again",),
    ),
    Mutation(
        name="pause: what waits fails at its deadline",
        path="madar/actions/advance.py",
        text="if work.claimed.is_overdue and not is_paused:",
        instead="if work.claimed.is_overdue:",
        tests=(f"{PAUSE}::test_no_deadline_of_what_waits_runs_while_it_is_paused",),
    ),
    # How much
    Mutation(
        name="quota: wishes are counted without a lock",
        path="madar/actions/generations.py",
        text='key=f"rate:{POLICY}:user:{owner_id}"',
        instead='key=f"rate:{POLICY}:user:{uuid4()}"',
        tests=QUOTA,
    ),
    Mutation(
        name="quota: it is not checked",
        path="madar/actions/generations.py",
        text="    check_quota(used=use.used,",
        instead="    check_quota(used=0,",
        tests=QUOTA,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Tried:
    failed: str
    is_sound: bool  # the tests ran, and those that failed failed in the test itself
    output: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations")
    parser.add_argument("words", nargs="*")
    words: list[str] = parser.parse_args().words
    chosen = [one for one in MUTATIONS if not words or any(word in one.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="madar-mutations-") as folder:
        copy = Path(folder) / "madar"
        _copy_to(copy)
        whole = try_tests(copy, tuple(dict.fromkeys(test for one in chosen for test in one.tests)))
        if whole.failed or not whole.is_sound:
            print(f"The tests fail with every guard in place:\n{whole.output}")
            return 1
        missed = [one.name for one in chosen if not _is_missed_when_gone(copy, one)]
    if missed:
        print(f"\n{len(missed)} of {len(chosen)} are not missed by any test.")
        return 1
    print(f"\nNone of {len(chosen)} can go without a test that fails.")
    return 0


def _is_missed_when_gone(copy: Path, one: Mutation) -> bool:
    path = copy / one.path
    source, began = path.read_text(encoding="utf-8"), time.monotonic()
    path.write_text(one.applied_to(source), encoding="utf-8")
    try:
        tried = try_tests(copy, one.tests)
    finally:
        path.write_text(source, encoding="utf-8")
    is_missed = bool(tried.failed) and tried.is_sound
    said = f"missed by {tried.failed.rpartition('::')[2]}" if is_missed else "NOT MISSED"
    print(f"{one.name:60} {time.monotonic() - began:4.0f} s  {said}", flush=True)
    if not is_missed:
        print(tried.output[-3000:])
    return is_missed


def try_tests(copy: Path, tests: tuple[str, ...]) -> Tried:
    """Until one fails; in a process of its own, which finds the copy first."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *tests, "-x", "-rfE", "--show-capture=no", "--tb=line"],
        cwd=copy,
        env={
            **child_environment(),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": os.defpath,
            "HYPOTHESIS_STORAGE_DIRECTORY": str(copy / ".hypothesis"),
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    found = re.search(r"^FAILED (\S+)", ran.stdout, re.MULTILINE)
    failed = found[1] if found else ""
    return Tried(
        failed=failed,
        is_sound=ran.returncode == (1 if failed else 0) and "\nERROR " not in ran.stdout,
        output=ran.stdout + ran.stderr,
    )


def _copy_to(copy: Path) -> None:
    copy.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules", ".hypothesis")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=unwanted)
        else:
            shutil.copy(source, copy / name)


if __name__ == "__main__":
    sys.exit(main())
