"""What every answer is checked for, and where no schema can say what is valid."""

from collections.abc import Callable
from typing import Any

import schemathesis.checks
import schemathesis.specs.openapi.checks

from tests.product import Json

Check = Callable[..., Any]
# Their types are generic beyond what a checker of types can follow.
general: Any = schemathesis.checks
checks: Any = schemathesis.specs.openapi.checks

# Well formed, and refused by a rule that needs more than the words of JSON Schema.
BEYOND_SCHEMAS = {
    "prompt_empty": "a visible letter is one by its Unicode category; patterns differ by language",
    "prompt_too_long": "4,000 bytes, beside the 1,000 characters that the schema has",
    "name_empty": "as prompt_empty",
    "name_unreadable": "Unicode categories again: directional overrides, unassigned letters",
    "style_unknown": "which styles there are is data",
    "source_unknown": "an upload has to be one's own",
    "source_missing": "one of three fields, where the input is an image",
    "source_unexpected": "none of three fields, where it is not",
    "source_repeated": "one of three fields and no second",
    "seed_out_of_range": "a number in a string has no maximum",
    "idempotency_mismatch": "whether a key was used before, and with which body",
    "upload_unreadable": "whether bytes are a picture",
    "upload_animated": "the same",
    "upload_too_many_pixels": "the same",
    "cursor_invalid": "cursors are signed",
    "from_after_to": "two fields against each other",
    "time_unreadable": "RFC 3339 has a year 0 and seconds from 60 on; calendars here have not",
    "return_to_invalid": "whether a path stays on the frontend takes a parser of addresses",
}
_REFUSED = 422


def valid_is_accepted(ctx: Any, response: Any, case: Any) -> None:
    """`positive_data_acceptance`, but for the rules above."""
    if response.status_code == _REFUSED and _codes_in(response.json()) <= BEYOND_SCHEMAS.keys():
        return
    checks.positive_data_acceptance(ctx, response, case)


def _codes_in(problem: Json) -> set[str]:
    return {fault["code"] for fault in problem.get("errors", [])} or {problem["code"]}


def all_checks() -> list[Check]:
    """Not those that follow a thing over many requests, such as `object_level_authorization`."""
    return [
        general.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
        checks.negative_data_rejection,
        checks.missing_required_header,
        checks.unsupported_method,
        checks.ignored_auth,
        valid_is_accepted,
    ]
