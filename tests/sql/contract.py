"""What PostgreSQL says of a query beside what its typed function says of it.

PostgreSQL tells the types of a prepared query's parameters and columns, and of a column that is a
table's own, whether it may be NULL. It does not tell that of anything computed, nor of a column of
a view or of the outer side of a join; there it counts what comes (`Watching`).
"""

import ast
import importlib
import inspect
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints
from uuid import UUID

import psycopg
from psycopg.types.json import Json, Jsonb

from madar import db
from madar.db.sql import Query
from tests.sql.recorder import ALL, Answer

# By the server's name of a type, what stands for it in Python.
PYTHON: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "bytea": (bytes,),
    "float4": (float, int),
    "float8": (float, int),
    "inet": (str,),
    "int2": (int,),
    "int4": (int,),
    "int8": (int,),
    "interval": (timedelta,),
    "json": (dict, list, str, Json, Jsonb),
    "jsonb": (dict, list, str, Json, Jsonb),
    "name": (str,),
    "numeric": (Decimal,),
    "oid": (int,),
    "text": (str,),
    "timestamptz": (datetime,),
    "uuid": (UUID,),
    "varchar": (str,),
}
# Parameters that are handed over in PostgreSQL's own words: Python has no infinite time, and for
# thousands of ids psycopg is slow (`array_of`).
IN_WORDS = {
    "live.list_changed_ids": {"owner_ids"},
    "live.list_news": {"ids", "versions"},
    "sessions.list_ended_sessions": {"ids", "owner_ids"},
    "gallery.list_newest_documents": {"before_at"},
    "gallery.find_documents": {"after_at", "after_weight"},
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """`may_be_null` is None where PostgreSQL does not say."""

    name: str
    type_name: str
    may_be_null: bool | None


@dataclass(frozen=True, kw_only=True)
class Described:
    params: dict[str, str]
    columns: list[Column]


@dataclass(frozen=True, kw_only=True)
class Call:
    """`_sql.kind(conn, "name", Row, …)` in a function of madar.db.

    `given` has the arguments whose type can be told from the function's signature.
    """

    module: ModuleType
    aggregate: str
    kind: str
    name: str
    row: str | None
    given: dict[str, Any]
    answer: Any

    @property
    def fields(self) -> dict[str, Any]:
        """The annotations of its row class."""
        return get_type_hints(getattr(self.module, self.row)) if self.row else {}


def describe(conn: psycopg.Connection[Any]) -> dict[str, Described]:
    names: dict[int, str] = dict(conn.execute("SELECT oid, typname FROM pg_type").fetchall())
    nullable: dict[tuple[int, int], bool] = {
        (table, number): not is_not_null
        for table, number, is_not_null in conn.execute(
            "SELECT attrelid, attnum, attnotnull FROM pg_attribute"
            " JOIN pg_class c ON c.oid = attrelid WHERE c.relkind = 'r'"
        )
    }
    return {name: _describe(conn, query, names, nullable) for name, query in ALL.items()}


def _describe(
    conn: psycopg.Connection[Any],
    query: Query,
    names: dict[int, str],
    nullable: dict[tuple[int, int], bool],
) -> Described:
    prepared = conn.pgconn.prepare(query.name.encode(), query.sql)
    assert not prepared.error_message, f"{query.name}: {prepared.error_message.decode()}"
    found = conn.pgconn.describe_prepared(query.name.encode())
    conn.execute(f"DEALLOCATE {query.name}".encode())
    assert found.nparams == len(query.params), query.name
    return Described(
        params={one: names[found.param_type(n)] for n, one in enumerate(query.params)},
        columns=[
            Column(
                name=(found.fname(n) or b"").decode(),
                type_name=names[found.ftype(n)],
                may_be_null=nullable.get((found.ftable(n), found.ftablecol(n))),
            )
            for n in range(found.nfields)
        ],
    )


@cache
def calls() -> tuple[Call, ...]:
    """Each call of a query in madar.db, with what its function says of it."""
    return tuple(_calls())


def _calls() -> Iterator[Call]:
    for path in sorted(Path(db.__path__[0]).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {ast.unparse(node.func): node for node in ast.walk(tree) if _is_call(node)}
        if "Queries" not in named or path.stem == "sql":
            continue
        aggregate = ast.literal_eval(named["Queries"].args[0])
        module = importlib.import_module(f"madar.db.{path.stem}")
        for function in tree.body:
            if isinstance(function, ast.AsyncFunctionDef):
                yield from _calls_of(module, aggregate, function)


def _is_call(node: ast.AST) -> typing.TypeGuard[ast.Call]:
    return isinstance(node, ast.Call)


def _calls_of(module: ModuleType, aggregate: str, function: ast.AsyncFunctionDef) -> Iterator[Call]:
    hints = get_type_hints(getattr(module, function.name))
    plainly = {id(node.value) for node in ast.walk(function) if isinstance(node, ast.Return)}
    awaited = {id(node.value): node for node in ast.walk(function) if isinstance(node, ast.Await)}
    dicts = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in filter(_is_call, ast.walk(function)):
        owner, _, kind = ast.unparse(node.func).rpartition(".")
        if owner == "_sql":
            has_row = kind in {"one", "maybe", "many"}
            is_plain = id(awaited.get(id(node))) in plainly
            yield Call(
                module=module,
                aggregate=aggregate,
                kind=kind,
                name=ast.literal_eval(node.args[1]),
                row=ast.unparse(node.args[2]) if has_row else None,
                given=dict(_given(node, hints, dicts)),
                answer=hints["return"] if is_plain else Any,
            )


def _given(
    call: ast.Call, hints: dict[str, Any], dicts: dict[str, ast.Dict]
) -> Iterator[tuple[str, Any]]:
    for keyword in call.keywords:
        if keyword.arg:
            yield keyword.arg, _type_of(keyword.value, hints)
        elif isinstance(keyword.value, ast.Name) and keyword.value.id in dicts:  # **given
            whole = dicts[keyword.value.id]
            for key, value in zip(whole.keys, whole.values, strict=True):
                assert key
                yield ast.literal_eval(key), _type_of(value, hints)


def _type_of(expression: ast.expr, hints: dict[str, Any]) -> Any:
    """Of a parameter, or of a field of one; Any for what is computed."""
    match expression:
        case ast.Name(id=name):
            return hints.get(name, Any)
        case ast.Attribute(value=ast.Name(id=name), attr=field):
            return _field_type(hints.get(name), field)
        case _:
            return Any


def _field_type(owner: Any, name: str) -> Any:
    if not inspect.isclass(owner):
        return Any
    known = getattr(owner, name, None)
    if isinstance(known, property) and known.fget:
        return get_type_hints(known.fget).get("return", Any)
    return get_type_hints(owner).get(name, Any)


def is_optional(annotation: Any) -> bool:
    if annotation in {Any, None, types.NoneType}:
        return True
    return _is_union(annotation) and any(map(is_optional, get_args(annotation)))


def fits(annotation: Any, type_name: str) -> bool:
    """Whether values of the server's type are what the annotation says, NULL aside."""
    if annotation is Any:
        return True
    if _is_union(annotation):
        parts = [part for part in get_args(annotation) if part is not types.NoneType]
        return all(fits(part, type_name) for part in parts)
    if get_origin(annotation) is Literal:
        return all(fits(type(value), type_name) for value in get_args(annotation))
    if type_name.startswith("_"):
        elements = get_args(annotation)
        return bool(elements) and fits(elements[0], type_name[1:])
    plain = get_origin(annotation) or annotation
    return plain in PYTHON[type_name]


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in {typing.Union, types.UnionType}


@dataclass(frozen=True, kw_only=True)
class Watching:
    """Looks at each call of a property: what goes in, and which columns come as NULL."""

    described: dict[str, Described]
    calls: dict[str, Call]

    def __call__(self, name: str, arguments: list[Any], answer: Answer) -> None:
        told = self.described[name]
        for (param, type_name), value in zip(told.params.items(), arguments, strict=True):
            is_worded = param in IN_WORDS.get(name, ()) and isinstance(value, str)
            assert is_worded or _is_of(value, type_name), f"{name}: {param} is {value!r}"
        call = self.calls[name]
        nulls = set(self._nulls(name, answer))
        if call.row:
            strict = {one for one in nulls if not is_optional(call.fields[one])}
            assert not strict, f"{name}: came as NULL: {strict}"
        elif call.kind == "value" and not is_optional(call.answer):
            assert answer.rowcount == 1, f"{name}: there is no value"
            assert not nulls, f"{name}: came as NULL"

    def _nulls(self, name: str, answer: Answer) -> Iterator[str]:
        result = answer.pgresult
        assert result
        for n, column in enumerate(self.described[name].columns):
            if any(result.get_value(row, n) is None for row in range(result.ntuples)):
                yield column.name


def _is_of(value: Any, type_name: str) -> bool:
    if value is None:
        return True
    if type_name.startswith("_"):
        return isinstance(value, list) and all(_is_of(one, type_name[1:]) for one in value)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, bool):
        return type_name == "bool"
    return isinstance(value, PYTHON[type_name])
