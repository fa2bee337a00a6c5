"""The typed functions of madar.db say of their queries what PostgreSQL says."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from madar.local import postgres
from tests.sql.contract import IN_WORDS, Described, calls, describe, fits, is_optional

CALLS = calls()
# Columns that may be NULL in their table, and why they are not in what these queries find.
NEVER_NULL = {
    "generations.get_download": {"master_key": "generations_completed_has_files"},
    "attempts.list_bound_requests": {"request_id": "it is one of those that were asked about"},
}


@pytest.fixture(scope="module")
def described(postgres_server: postgres.Server) -> Iterator[dict[str, Described]]:
    with psycopg.connect(postgres_server.dsn("template_madar")) as conn:
        yield describe(conn)


def test_each_row_has_the_types_of_its_columns(described: dict[str, Described]) -> None:
    wrong = [
        f"{call.aggregate}.{call.name}: {column.name} is {column.type_name}"
        for call in CALLS
        for column in described[f"{call.aggregate}.{call.name}"].columns
        if call.row and not fits(call.fields[column.name], column.type_name)
    ]

    assert not wrong


def test_each_parameter_has_the_type_that_is_asked_for(described: dict[str, Described]) -> None:
    wrong = [
        f"{name}: {param} is {type_name}, not {call.given.get(param)}"
        for call in CALLS
        for name in [f"{call.aggregate}.{call.name}"]
        for param, type_name in described[name].params.items()
        if param not in IN_WORDS.get(name, ()) and not fits(call.given.get(param, Any), type_name)
    ]

    assert not wrong


def test_a_single_value_has_the_type_of_its_function(described: dict[str, Described]) -> None:
    """Where the function answers it as it came. Whether it is always there, properties look."""
    asked = [call for call in CALLS if call.kind == "value" and call.answer is not Any]

    assert len(asked) > 5
    for call in asked:
        [column] = described[f"{call.aggregate}.{call.name}"].columns
        assert fits(call.answer, column.type_name), f"{call.name} is {column.type_name}"


def test_what_a_table_lets_be_null_is_optional(described: dict[str, Described]) -> None:
    """For what is computed, the properties look whether NULL comes (contract.py)."""
    strict = {
        (f"{call.aggregate}.{call.name}", column.name)
        for call in CALLS
        for column in described[f"{call.aggregate}.{call.name}"].columns
        if call.row and column.may_be_null and not is_optional(call.fields[column.name])
    }

    assert strict == {(name, column) for name, why in NEVER_NULL.items() for column in why}


@pytest.mark.parametrize(
    ("annotation", "type_name", "is_right"),
    [
        (int, "int8", True),
        (int, "text", False),
        (bool, "int4", False),
        (int, "bool", False),
        (str | None, "varchar", True),
        (list[str], "_text", True),
        (list[int], "_text", False),
        (str, "_text", False),
        (dict[str, Any], "jsonb", True),
        (float, "numeric", False),
        (Any, "uuid", True),
    ],
)
def test_the_comparison_itself(annotation: Any, type_name: str, *, is_right: bool) -> None:
    assert fits(annotation, type_name) is is_right
