"""sql/queries against the migrated schema, and against the functions that call them."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pglast import ast, parse_sql
from pglast.enums import SubLinkType
from pglast.visitors import Visitor

from madar.local import postgres
from tests.sql.contract import calls, describe
from tests.sql.recorder import ALL

# Whose words the comment of a query says it is for, when it asks for no owner.
_OTHERS = re.compile(
    r"For (a|the) (worker|hub|reconciler|operator|verified webhook|reader with a signed link)"
)
_OWNED = re.compile(r"\b(?:FROM|JOIN|UPDATE)\s+(?:generations|uploads|generation_documents)\b")


CALLS = calls()


@pytest.fixture(scope="module")
def described(postgres_server: postgres.Server) -> Iterator[dict[str, list[str]]]:
    """The columns of each query, after preparing it on the migrated schema."""
    with psycopg.connect(postgres_server.dsn("template_madar")) as conn:
        yield {
            name: [column.name for column in one.columns] for name, one in describe(conn).items()
        }


def test_each_query_is_understood_by_the_migrated_schema(
    described: dict[str, list[str]],
) -> None:
    assert len(described) == len(ALL) > 30


def test_each_query_is_called_and_each_call_has_its_query() -> None:
    assert {f"{call.aggregate}.{call.name}" for call in CALLS} == set(ALL)
    assert len(CALLS) == len(ALL), "one typed function for each query"


def test_each_is_called_as_what_it_is() -> None:
    for call in CALLS:
        assert ALL[f"{call.aggregate}.{call.name}"].kind == call.kind, call.name


def test_each_row_has_exactly_the_columns_of_its_query(
    described: dict[str, list[str]],
) -> None:
    for call in CALLS:
        if call.row:
            fields = [field.name for field in dataclasses.fields(getattr(call.module, call.row))]
            assert sorted(fields) == sorted(described[f"{call.aggregate}.{call.name}"]), call.name


def test_value_and_json_queries_have_one_column(
    described: dict[str, list[str]],
) -> None:
    for key, query in ALL.items():
        if query.kind in {"value", "json"}:
            assert len(described[key]) == 1, query.name


def test_whoever_asks_as_an_owner_sees_only_their_own() -> None:
    asked = {key: query for key, query in ALL.items() if "owner_id" in query.params}

    assert len(asked) >= 5
    for whole, query in asked.items():
        aggregate, name = whole.split(".")
        number = query.params.index("owner_id") + 1
        if not name.startswith("insert_"):
            column = "id" if aggregate == "users" else "user_id"
            pattern = rf"WHERE[^;]*\b{column} = \${number}\b"
            assert re.search(pattern, query.sql.decode()), name


def test_a_query_without_an_owner_says_for_whom_it_is() -> None:
    for query in ALL.values():
        text = query.sql.decode()
        # The person of the session is an owner too: who asks is found in the same statement.
        is_owned = "owner_id" in query.params or "live_viewer(" in text
        if _OWNED.search(text) and not is_owned:
            assert _OTHERS.search(text), query.name


def test_no_query_takes_all_columns() -> None:
    for query in ALL.values():
        assert "*" not in re.sub(r"count\(\*\)|\) \* |\* \$|- 1\) \*", "", query.sql.decode())


class _Batches(Visitor):
    """Whether what is written is chosen, up to a limit, where it is chosen again for each row."""

    def __init__(self) -> None:
        super().__init__()
        self.are_chosen_again = False

    def visit_SelectStmt(self, ancestors: Any, node: Any) -> None:  # noqa: N802
        above = list(_above(ancestors))
        is_written = any(isinstance(one, ast.UpdateStmt | ast.DeleteStmt) for one in above)
        if node.limitCount is not None and is_written:
            self.are_chosen_again |= isinstance(above[0], ast.RangeSubselect) or (
                isinstance(above[0], ast.SubLink)
                and above[0].subLinkType == SubLinkType.ANY_SUBLINK
            )


def _above(ancestors: Any) -> Iterator[Any]:
    """The nodes around one, from the inside."""
    while ancestors is not None:
        if isinstance(ancestors.node, ast.Node):
            yield ancestors.node
        ancestors = ancestors.parent


def test_a_batch_is_chosen_once() -> None:
    """An array is.

    In a join PostgreSQL may choose anew for each row, and passes over what it has changed: more is
    written than the limit says.
    """
    for name, query in ALL.items():
        batches = _Batches()
        batches(parse_sql(query.sql.decode()))
        assert not batches.are_chosen_again, name


def test_a_wrong_parameter_is_a_type_error() -> None:
    query = ALL["uploads.get_upload"]

    with pytest.raises(TypeError, match="get_upload takes"):
        query.arguments({"owner_id": 1})
    with pytest.raises(TypeError, match="get_upload takes"):
        query.arguments({"owner_id": 1, "id": 2, "limit": 3})
