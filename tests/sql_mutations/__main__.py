"""Spoils one thing at a time in every query of sql/queries; some property has to notice it.

    python -m tests.sql_mutations [word …] [--share 1/4] [--fresh] [--list]

Those whose name has one of the words, or all of them; `--share 2/4` takes the second of four parts.
What was tried before with the same queries and tests is not tried again, so it goes on where it was
cut off. Each is tried with the short form of its properties first, then with a longer one.
Exit code 1 when fewer than 95 of 100 are noticed, or one is not and nobody has said why.
"""
# ruff: noqa: T201 - the table is printed

import argparse
import hashlib
import importlib
import json
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from madar.db.sql import Query
from madar.local import postgres
from madar.settings import ROOT
from tests.sql.recorder import ALL
from tests.sql_mutations.mutants import Mutant, mutants
from tests.sql_mutations.trying import (
    SHORT,
    TEMPLATE,
    Tried,
    do_not_shrink,
    load_what_all_need,
    serving,
    try_tests,
)

DONE = ROOT / "build" / "mutations" / "sql.jsonl"
REASONS = Path(__file__).with_name("reasons.toml")
WANTED = 0.95
PROFILES = (SHORT, "long")


def main() -> int:
    given = _arguments()
    do_not_shrink()
    tests = tests_by_query()
    load_what_all_need()
    with serving() as server:
        chosen = [one for one in every_mutant(server) if _is_meant(one, given.words)]
        chosen = _share(chosen, given.share)
        if given.list:
            print("\n".join(f"{one.kind:10} {one.name}" for one in chosen))
            return 0
        if given.fresh:
            DONE.unlink(missing_ok=True)
        return _told(list(_results(server, chosen, tests)))


def _share(chosen: list[Mutant], share: str) -> list[Mutant]:
    """Whole queries: that its tests are sound is looked at once for each."""
    part, parts = (int(number) for number in share.split("/"))
    mine = set(list(dict.fromkeys(one.query for one in chosen))[part - 1 :: parts])
    return [one for one in chosen if one.query in mine]


def _results(
    server: postgres.Server, chosen: list[Mutant], tests: dict[str, list[str]]
) -> Iterator[dict[str, Any]]:
    known, sound = _known(), dict[str, bool]()
    for mutant in chosen:
        asked, query = tests.get(mutant.query, []), ALL[mutant.query]
        key = _key(mutant, asked)
        if key not in known and mutant.query not in sound:
            sound[mutant.query] = bool(asked) and _is_sound(server, query, asked)
        if key not in known and sound[mutant.query]:
            known[key] = _tried(server, mutant, asked)
            _keep(key, known[key])
        yield known.get(key, {"name": mutant.name, "kind": mutant.kind, "noticed": ""})


def every_mutant(server: postgres.Server) -> Iterator[Mutant]:
    """Each of which the server understands."""
    with psycopg.connect(server.dsn(TEMPLATE), autocommit=True) as conn:
        for name, query in ALL.items():
            types = _types_of(conn, query)
            owner = query.params.index("owner_id") + 1 if "owner_id" in query.params else None
            for mutant in mutants(name, query.sql.decode(), types, owner):
                if not conn.pgconn.prepare(b"mutant", mutant.sql.encode()).error_message:
                    conn.execute("DEALLOCATE mutant")
                    yield mutant


def _types_of(conn: psycopg.Connection[Any], query: Query) -> dict[int, str]:
    conn.pgconn.prepare(b"query", query.sql)
    described = conn.pgconn.describe_prepared(b"query")
    conn.execute("DEALLOCATE query")
    types: dict[int, str] = {}
    for number in range(described.nparams):
        row = conn.execute("SELECT %s::oid::regtype::text", [described.param_type(number)])
        [types[number + 1]] = row.fetchone() or [""]
    return types


def tests_by_query() -> dict[str, list[str]]:
    """As the register (tests/sql/register.py) has them, and those that take every query in turn."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests" / "sql").glob("test_*.py")):
        module = importlib.import_module(f"tests.sql.{path.stem}")
        for name, test in vars(module).items():
            for mark in getattr(test, "pytestmark", []) if name.startswith("test") else []:
                for query, ending in _held(mark):
                    found[query].append(f"tests/sql/{path.name}::{name}{ending}")
    return found


def _held(mark: Any) -> Iterator[tuple[str, str]]:
    """The queries, and how the test of each is called."""
    if mark.name == "holds":
        yield from ((query, "") for query in mark.args)
    if mark.name == "parametrize":
        yield from (
            (one, f"[{one}]") for one in mark.args[1] if isinstance(one, str) and one in ALL
        )


def _is_sound(server: postgres.Server, query: Query, tests: list[str]) -> bool:
    """What fails anyway notices nothing."""
    whole = try_tests(server, tests, profile=SHORT, query=query, sql=query.sql.decode())
    is_sound = whole.is_sound and not whole.failed
    if not is_sound:
        print(f"{query.name} fails as it is, so nothing is said of it:\n{whole.output[-2000:]}")
    return is_sound


def _tried(server: postgres.Server, mutant: Mutant, tests: list[str]) -> dict[str, Any]:
    tried = Tried(failed="", seconds=0, is_sound=True, output="")
    for profile in PROFILES:
        query = ALL[mutant.query]
        tried = try_tests(server, tests, profile=profile, query=query, sql=mutant.sql)
        if tried.failed or not tried.is_sound:
            break
    if not tried.is_sound:
        raise SystemExit(f"The tests did not run:\n{tried.output[-3000:]}")
    noticed = tried.failed.rpartition("::")[2]
    said = f"noticed by {noticed}" if noticed else "SURVIVED"
    print(f"{said:60} {tried.seconds:4.0f} s  {mutant.name}", flush=True)
    return {"name": mutant.name, "kind": mutant.kind, "noticed": noticed}


def _told(results: list[dict[str, Any]]) -> int:
    """Answers the exit code."""
    reasons: dict[str, str] = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    every = Counter(one["kind"] for one in results)
    noticed = Counter(one["kind"] for one in results if one["noticed"])
    for kind, count in sorted(every.items()):
        print(f"{kind:12} {noticed[kind]:4} of {count:4}")
    survivors = [one["name"] for one in results if not one["noticed"]]
    for name in survivors:
        print(f"survived: {name}\n          {reasons.get(name, 'NOBODY HAS SAID WHY')}")
    share = 1 - len(survivors) / max(len(results), 1)
    print(f"{share:.1%} of {len(results)} are noticed.")
    return int(share < WANTED or any(name not in reasons for name in survivors))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sql_mutations")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--share", default="1/1", help="k/n: the k-th of n parts")
    parser.add_argument("--fresh", action="store_true", help="try all of them again")
    parser.add_argument("--list", action="store_true", help="only say what there is to try")
    return parser.parse_args()


def _is_meant(mutant: Mutant, words: list[str]) -> bool:
    return not words or any(word in mutant.name for word in words)


def _key(mutant: Mutant, tests: list[str]) -> str:
    """The same for the same mutant, the same tests and what they all are made with."""
    files = {test.partition("::")[0] for test in tests}
    texts = [_shared(), *((ROOT / name).read_text(encoding="utf-8") for name in sorted(files))]
    return hashlib.sha256("\n".join([mutant.sql, *sorted(tests), *texts]).encode()).hexdigest()


@cache
def _shared() -> str:
    folder = ROOT / "tests" / "sql"
    paths = sorted({*folder.glob("*.py")} - {*folder.glob("test_*.py")})
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _known() -> dict[str, dict[str, Any]]:
    if not DONE.exists():
        return {}
    rows = [json.loads(line) for line in DONE.read_text(encoding="utf-8").splitlines()]
    return {row.pop("key"): row for row in rows}


def _keep(key: str, result: dict[str, Any]) -> None:
    DONE.parent.mkdir(parents=True, exist_ok=True)
    with DONE.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"key": key, **result}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
