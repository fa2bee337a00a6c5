"""What may go wrong in a query, one thing at a time, by PostgreSQL's own parser."""

import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, LockWaitPolicy
from pglast.stream import RawStream

Kind = Literal["owner", "guard", "condition", "tie-break", "comparison", "lock"]
Slot = tuple[Any, str]  # a node, and the attribute of it where something stands

_FLIPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "~<~": "~<=~", "~>=~": "~>~"}
_WHERES = {"SelectStmt", "UpdateStmt", "DeleteStmt", "OnConflictClause", "InferClause"}
_ORDERS = {"SelectStmt": "sortClause", "WindowDef": "orderClause", "FuncCall": "agg_order"}
# What says how far something is, and so who may change it.
_GUARD = re.compile(
    r"\b(state|status|deleted_at|gone_at|next_action_at|lease_\w+|expires_at|is_active|due_at"
    r"|granted_at|waiting_since|paused_at|failing_since|\w+_until|announced_at|error_code)\b"
)


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """`what` says what is wrong with it, in words that stay the same while the query does."""

    query: str
    kind: Kind
    what: str
    sql: str

    @property
    def name(self) -> str:
        return f"{self.query}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class _Site:
    """What a node has in one of its attributes instead."""

    kind: Kind
    what: str
    node: Any
    name: str
    instead: Any


def mutants(query: str, sql: str, types: Mapping[int, str], owner: int | None) -> list[Mutant]:
    """`types` are those of its parameters by number; `owner` is the number of whose things it is.

    A parameter that nothing mentions any more has to keep its type, so it is still mentioned.
    """
    tree = _parsed(sql)
    made: list[Mutant] = []
    seen: Counter[str] = Counter()
    texts = {_printed(tree)}
    for site in list(_sites(tree, owner)):
        with _having(site.node, site.name, site.instead):
            lost = set(types) - set(_parameters(tree))
            with _having(tree, "withClause", _mentioning(tree.withClause, lost, types)):
                text = _printed(tree)
        if text in texts:  # what is set at once stands in the tree once for each column
            continue
        texts.add(text)
        seen[site.what] += 1
        count = f" ({seen[site.what]})" if seen[site.what] > 1 else ""
        made.append(Mutant(query=query, kind=site.kind, what=site.what + count, sql=text))
    return made


@contextmanager
def _having(node: Any, name: str, value: Any) -> Generator[None]:
    before = getattr(node, name)
    setattr(node, name, value)
    try:
        yield
    finally:
        setattr(node, name, before)


def _parsed(sql: str) -> Any:
    [raw] = parse_sql(sql)
    return raw.stmt


def _printed(node: Any) -> str:
    return RawStream()(node)


def _sites(tree: Any, owner: int | None) -> Iterator[_Site]:
    for node in _nodes(tree):
        kind = type(node).__name__
        if kind in _WHERES and node.whereClause is not None:
            yield from _conditions((node, "whereClause"), owner)
        if kind == "JoinExpr" and node.quals is not None:
            yield from _conditions((node, "quals"), owner)
        if kind in _ORDERS and len(getattr(node, _ORDERS[kind]) or ()) > 1:
            yield _tie_break((node, _ORDERS[kind]))
        if kind == "A_Expr" and node.kind == A_Expr_Kind.AEXPR_OP:
            yield from _comparison(node)
        if kind == "SelectStmt" and node.lockingClause:
            yield from _locks(node)


def _nodes(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple):
        for one in cast("tuple[Any, ...]", node):
            yield from _nodes(one)
    elif isinstance(node, ast.Node):
        yield node
        for name in cast("tuple[str, ...]", getattr(node, "__slots__")):  # noqa: B009 - no stub has it
            yield from _nodes(getattr(node, name))


def _conditions(slot: Slot, owner: int | None) -> Iterator[_Site]:
    """Each part of it that has to be true by itself."""
    node, name = slot
    whole = getattr(node, name)
    is_and = isinstance(whole, ast.BoolExpr) and whole.boolop == BoolExprType.AND_EXPR
    parts: tuple[Any, ...] = cast("Any", whole).args if is_and else (whole,)
    for number, part in enumerate(parts):
        rest = parts[:number] + parts[number + 1 :]
        text = _printed(part)

        instead = _both(rest) or (_true() if name == "quals" else None)
        what = f"without {_short(text)}"
        yield _Site(kind=_kind_of(text, owner), what=what, node=node, name=name, instead=instead)


def _kind_of(text: str, owner: int | None) -> Kind:
    text = re.sub(r"\(SELECT .*\)", "", text, flags=re.DOTALL)
    if re.search(r"\b(user_id|owner_id)\b", text) or (owner and f"${owner}" in text):
        return "owner"
    return "guard" if _GUARD.search(text) else "condition"


def _both(parts: tuple[Any, ...]) -> Any:
    if len(parts) > 1:
        return ast.BoolExpr(boolop=BoolExprType.AND_EXPR, args=parts)
    return parts[0] if parts else None


def _true() -> Any:
    return ast.A_Const(val=ast.Boolean(boolval=True))


def _tie_break(slot: Slot) -> _Site:
    node, name = slot
    ordered: tuple[Any, ...] = getattr(node, name)
    what = f"order not by {_short(_printed(ordered[-1]))}"
    return _Site(kind="tie-break", what=what, node=node, name=name, instead=ordered[:-1])


def _comparison(node: Any) -> Iterator[_Site]:
    sign = node.name[-1].sval
    if sign in _FLIPPED:
        what = f"{_FLIPPED[sign]} in {_short(_printed(node))}"
        instead = (ast.String(sval=_FLIPPED[sign]),)
        yield _Site(kind="comparison", what=what, node=node, name="name", instead=instead)


def _locks(node: Any) -> Iterator[_Site]:
    [lock] = node.lockingClause
    what = f"without {_printed(lock)}"
    yield _Site(kind="lock", what=what, node=node, name="lockingClause", instead=None)
    if lock.waitPolicy == LockWaitPolicy.LockWaitSkip:
        what, instead = f"waiting in {_printed(lock)}", LockWaitPolicy.LockWaitBlock
        yield _Site(kind="lock", what=what, node=lock, name="waitPolicy", instead=instead)


def _parameters(tree: Any) -> Iterator[int]:
    for node in _nodes(tree):
        if isinstance(node, ast.ParamRef):
            yield cast("int", cast("Any", node).number)


def _mentioning(clause: Any, numbers: set[int], types: Mapping[int, str]) -> Any:
    """With one CTE more, which nobody reads."""
    if not numbers:
        return clause
    said = ", ".join(f"${number}::{types[number]}" for number in sorted(numbers))
    made = _parsed(f"WITH unasked AS (SELECT {said}) SELECT 1").withClause
    if clause is None:
        return made
    return ast.WithClause(ctes=(*clause.ctes, *made.ctes), recursive=clause.recursive)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 100 else f"{text[:97]}…"
