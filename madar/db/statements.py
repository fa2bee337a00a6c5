"""What a statement of a migration does to the tables it names: the locks it takes, what it reads.

Told from its words alone, as PostgreSQL 15 to 18 behave ("Explicit Locking" and "ALTER TABLE" in
its manual); a test holds it to the locks that our own migrations really take. Locks that only keep
others from changing the schema of what is read (ACCESS SHARE, ROW SHARE) are left out.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Mode = Literal[
    "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE"
]
# From the weakest on.
MODES: tuple[Mode, ...] = (
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
Work = Literal["scan", "index", "rewrite", "rows"]
Kind = Literal["relation", "index", "dropped"]

_TOKEN = re.compile(
    r"""--[^\n]* | /\*.*?\*/                      # comments
      | \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*'
      | (?P<tag>\$\w*\$).*?(?P=tag)
      | "(?:[^"]|"")*"
      | \bBEGIN\s+ATOMIC\b | \bCASE\b | \bEND\b | ;""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_NAME = r'((?:[\w$]+|"[^"]+")(?:\.(?:[\w$]+|"[^"]+"))?)'
_VOLATILE = re.compile(
    r"\b(random|gen_random_uuid|uuidv[47]|clock_timestamp|nextval)\s*\(", re.IGNORECASE
)
_NO_TABLE = re.compile(
    r"(CREATE|DROP|ALTER|COMMENT ON)( OR REPLACE)? "
    r"(TYPE|DOMAIN|FUNCTION|PROCEDURE|AGGREGATE|OPERATOR|CAST|SCHEMA|EXTENSION|SEQUENCE|COLLATION"
    r"|TEXT SEARCH|ROLE|USER|DATABASE|EVENT TRIGGER|STATISTICS)\b"
    r"|(SET|RESET|SELECT|VALUES|SHOW|GRANT|REVOKE|NOTIFY|ANALYZE)\b"
)


@dataclass(frozen=True, kw_only=True)
class Lock:
    """`of` is as it stands there. The table of an index, and what a dropped one refers to, too."""

    mode: Mode
    of: str
    kind: Kind = "relation"


@dataclass(frozen=True, kw_only=True)
class Reading:
    work: Work
    of: str


@dataclass(frozen=True, kw_only=True)
class Effect:
    """`makes`: the index it makes, and of which table. Not `is_known`: words do not tell."""

    locks: tuple[Lock, ...] = ()
    readings: tuple[Reading, ...] = ()
    makes: tuple[str, str] | None = None
    is_known: bool = True


Tell = Callable[[re.Match[str], str], Effect]


def statements_of(sql: str) -> Iterator[str]:
    """Each with the comments before it, without its semicolon."""
    start, depth = 0, 0
    for token in _TOKEN.finditer(sql):
        word = token[0].upper()
        if word.startswith("BEGIN") or (word == "CASE" and depth):
            depth += 1
        elif word == "END" and depth:
            depth -= 1
        elif word == ";" and not depth:
            yield sql[start : token.start()].strip()
            start = token.end()
    if bare(rest := sql[start:]):
        yield rest.strip()


def bare(sql: str) -> str:
    """On one line, without comments and with nothing between quotation marks but in names."""

    def emptied(token: re.Match[str]) -> str:
        if token[0].startswith(("--", "/*")):
            return " "
        return "''" if token[0][0] in "'$eE" and token[0].upper() != "END" else token[0]

    return " ".join(_TOKEN.sub(emptied, sql).split())


def strength(mode: Mode) -> int:
    return MODES.index(mode)


def effect_of(statement: str) -> Effect:
    """An unknown statement is told as such, never as harmless."""
    text = bare(statement)
    for pattern, effect in _EFFECTS:
        if found := re.match(pattern, text, re.IGNORECASE):
            return effect(found, text)
    return Effect(is_known=_NO_TABLE.match(text.upper()) is not None)


def _takes(mode: Mode, *readings: Work) -> Tell:
    """What the first group names, so that alone."""
    return lambda found, _: _lock(mode, found[1], *readings)


def _touches_nothing(_: re.Match[str], __: str) -> Effect:
    return Effect()


def _lock(mode: Mode, of: str, *readings: Work) -> Effect:
    return Effect(
        locks=(Lock(mode=mode, of=of),),
        readings=tuple(Reading(work=work, of=of) for work in readings),
    )


def _create_table(_: re.Match[str], text: str) -> Effect:
    return Effect(locks=_references(text))


def _references(text: str) -> tuple[Lock, ...]:
    named = re.findall(rf"\bREFERENCES {_NAME}", text, re.IGNORECASE)
    return tuple(Lock(mode="SHARE ROW EXCLUSIVE", of=one) for one in dict.fromkeys(named))


def _create_index(found: re.Match[str], _: str) -> Effect:
    concurrently, index, table = found["concurrently"], found["index"] or "", found["table"]
    mode: Mode = "SHARE UPDATE EXCLUSIVE" if concurrently else "SHARE"
    effect = _lock(mode, table, "index")
    return Effect(locks=effect.locks, readings=effect.readings, makes=(index, table))


def _alter_table(found: re.Match[str], _: str) -> Effect:
    table = found[1]
    parts = [_part_of(part) for part in _split(found[2])]
    mode = MODES[max(strength(mode) for mode, _ in parts)]
    readings: dict[Work, None] = dict.fromkeys(work for _, works in parts for work in works)
    return Effect(
        locks=(Lock(mode=mode, of=table), *_references(found[2])),
        readings=tuple(Reading(work=work, of=table) for work in readings),
    )


def _part_of(part: str) -> tuple[Mode, tuple[Work, ...]]:
    """What one action of an ALTER TABLE needs of its table."""
    for pattern, mode, works in _PARTS:
        if re.match(pattern, part, re.IGNORECASE):
            return mode, works
    return "ACCESS EXCLUSIVE", _added_column(part) if re.match(
        r"ADD\b", part, re.IGNORECASE
    ) else ()


def _added_column(part: str) -> tuple[Work, ...]:
    """Only a value that differs from row to row has to be written into each."""
    default = re.search(r"\bDEFAULT (.*)", part, re.IGNORECASE)
    is_generated = re.search(
        r"GENERATED .*(IDENTITY|STORED)|\b(small|big)?serial\b", part, re.IGNORECASE
    )
    if is_generated or (default and _VOLATILE.search(default[1])):
        return ("rewrite",)
    if re.search(r"\b(UNIQUE|PRIMARY KEY)\b", part, re.IGNORECASE):
        return ("index",)
    return ("scan",) if re.search(r"\b(CHECK|REFERENCES)\b", part, re.IGNORECASE) else ()


def _split(actions: str) -> Iterator[str]:
    """At the commas outside of brackets."""
    depth, start = 0, 0
    for at, letter in enumerate(actions):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            yield actions[start:at].strip()
            start = at + 1
    yield actions[start:].strip()


def _drop(found: re.Match[str], _: str) -> Effect:
    names = re.sub(r" (CASCADE|RESTRICT)$", "", found["names"], flags=re.IGNORECASE)
    kind: Kind = "index" if found["what"].upper() == "INDEX" else "dropped"
    mode: Mode = "SHARE UPDATE EXCLUSIVE" if found["concurrently"] else "ACCESS EXCLUSIVE"
    dropped = (name.strip() for name in names.split(","))
    return Effect(locks=tuple(Lock(mode=mode, of=name, kind=kind) for name in dropped))


def _changed_rows(_: re.Match[str], text: str) -> Effect:
    changed = re.findall(
        rf"\b(UPDATE|DELETE FROM|INSERT INTO) (?:ONLY )?{_NAME}", text, re.IGNORECASE
    )
    # In ON CONFLICT DO UPDATE SET and FOR UPDATE OF the word names no table.
    named = [(verb.upper(), of) for verb, of in changed if of.upper() not in {"SET", "OF", "SKIP"}]
    reads_much = [of for verb, of in named if verb != "INSERT INTO"]
    tables = dict.fromkeys(of for _, of in named)
    return Effect(
        locks=tuple(Lock(mode="ROW EXCLUSIVE", of=of) for of in tables),
        readings=tuple(Reading(work="rows", of=of) for of in dict.fromkeys(reads_much)),
        is_known=bool(tables) or not re.search(r"\bMERGE\b", text, re.IGNORECASE),
    )


_ONLY_VACUUM: Mode = "SHARE UPDATE EXCLUSIVE"
_CHECKED = r"ADD (CONSTRAINT \S+ )?(CHECK|NOT NULL)\b"
_KEYED = r"ADD (CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY|EXCLUDE)\b"
_FOREIGN = r"ADD (CONSTRAINT \S+ )?FOREIGN KEY\b"
# Actions of ALTER TABLE that need less than all, or read the table.
_PARTS: tuple[tuple[str, Mode, tuple[Work, ...]], ...] = (
    (rf"{_FOREIGN}.*NOT VALID", "SHARE ROW EXCLUSIVE", ()),
    (_FOREIGN, "SHARE ROW EXCLUSIVE", ("scan",)),
    (rf"{_CHECKED}.*NOT VALID", "ACCESS EXCLUSIVE", ()),
    (_CHECKED, "ACCESS EXCLUSIVE", ("scan",)),
    (rf"{_KEYED}.*USING INDEX", "ACCESS EXCLUSIVE", ()),
    (_KEYED, "ACCESS EXCLUSIVE", ("index",)),
    (r"VALIDATE CONSTRAINT", _ONLY_VACUUM, ("scan",)),
    (r"(ENABLE|DISABLE) (ALWAYS |REPLICA )?TRIGGER", "SHARE ROW EXCLUSIVE", ()),
    (r"ALTER (COLUMN )?\S+ SET STATISTICS", _ONLY_VACUUM, ()),
    (r"ALTER (COLUMN )?\S+ SET NOT NULL", "ACCESS EXCLUSIVE", ("scan",)),
    (r"ALTER (COLUMN )?\S+ (SET DATA )?TYPE", "ACCESS EXCLUSIVE", ("rewrite",)),
    (r"SET (LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD)", "ACCESS EXCLUSIVE", ("rewrite",)),
    (r"(SET|RESET) \(|CLUSTER ON|SET WITHOUT CLUSTER", _ONLY_VACUUM, ()),
    (r"ATTACH PARTITION", _ONLY_VACUUM, ()),
)
_IF = r"(?:IF (?:NOT )?EXISTS )?"
_CONCURRENTLY = r"(?P<concurrently>CONCURRENTLY )?"
_CREATE_INDEX = (
    rf"CREATE (?:UNIQUE )?INDEX {_CONCURRENTLY}{_IF}(?:(?P<index>\S+) )?ON (?:ONLY )?"
    rf"(?P<table>{_NAME})"
)
# By the words with which a statement begins.
_EFFECTS: tuple[tuple[str, Tell], ...] = (
    (r"CREATE (UNLOGGED |TEMP(ORARY)? )?TABLE\b", _create_table),
    (_CREATE_INDEX, _create_index),
    (rf"ALTER TABLE {_IF}(?:ONLY )?{_NAME} (.*)", _alter_table),
    (
        rf"DROP (?P<what>TABLE|(?:MATERIALIZED )?VIEW|INDEX) {_CONCURRENTLY}{_IF}(?P<names>.*)",
        _drop,
    ),
    (
        rf"(?:CREATE|ALTER)(?: OR REPLACE)? (?:CONSTRAINT )?TRIGGER \S+ .*?\bON {_NAME}",
        _takes("SHARE ROW EXCLUSIVE"),
    ),
    (rf"DROP TRIGGER {_IF}\S+ ON {_NAME}", _takes("ACCESS EXCLUSIVE")),
    (rf"CREATE OR REPLACE (?:RECURSIVE )?VIEW {_NAME}", _takes("ACCESS EXCLUSIVE")),
    (r"CREATE (RECURSIVE |TEMP(ORARY)? )?VIEW\b", _touches_nothing),
    (rf"ALTER (?:MATERIALIZED )?VIEW {_IF}{_NAME}", _takes("ACCESS EXCLUSIVE")),
    (rf"COMMENT ON (?:TABLE|VIEW|MATERIALIZED VIEW) {_NAME}", _takes("SHARE UPDATE EXCLUSIVE")),
    (r"COMMENT ON COLUMN (\S+)\.", _takes("SHARE UPDATE EXCLUSIVE")),
    (r"COMMENT ON INDEX\b", _touches_nothing),
    (rf"TRUNCATE (?:TABLE )?(?:ONLY )?{_NAME}", _takes("ACCESS EXCLUSIVE")),
    (rf"REFRESH MATERIALIZED VIEW {_NAME}", _takes("ACCESS EXCLUSIVE", "rewrite")),
    (rf"(?:VACUUM \(?FULL\)?|CLUSTER) {_NAME}", _takes("ACCESS EXCLUSIVE", "rewrite")),
    (rf"VACUUM {_NAME}", _takes(_ONLY_VACUUM, "scan")),
    (r"(INSERT|UPDATE|DELETE|WITH)\b", _changed_rows),
)
