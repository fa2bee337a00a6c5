"""Every permanent code, in one table.

Its words stand in both catalogues under its name:

problem.CODE   what an answer says that carries it
failure.CODE   what a generation says that failed with it
cause.CODE     why it happens
cure.CODE      what to do
"""

from dataclasses import dataclass
from typing import Any

from madar import i18n


@dataclass(frozen=True)
class Code:
    """`status`: of an answer that carries it; None where it only ends generations.

    `is_retryable`: the same request, sent again a little later, may succeed.
    """

    status: int | None
    is_retryable: bool = False
    ends_generation: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        problem = ("problem",) if self.status else ()
        return (*problem, "failure") if self.ends_generation else problem


CODES: dict[str, Code] = {
    "not_json": Code(400),
    "body_not_object": Code(400),
    "form_unreadable": Code(400),
    "message_unknown": Code(400),  # of a socket's message, so nobody sees the status
    "content_type_missing": Code(415),
    "wrong_content_type": Code(415),
    "body_too_large": Code(413),
    "upload_too_large": Code(413),
    "field_missing": Code(422),
    "field_unknown": Code(422),
    "field_repeated": Code(422),
    "parameter_unknown": Code(422),
    "parameter_repeated": Code(422),
    "not_text": Code(422),
    "not_number": Code(422),
    "not_truth": Code(422),
    "not_list": Code(422),
    "not_id": Code(422),
    "not_file": Code(422),
    "wrong_type": Code(422),
    "text_unreadable": Code(422),
    "prompt_empty": Code(422),
    "prompt_too_long": Code(422),
    "prompt_unreadable": Code(422),
    "style_unknown": Code(422),
    "input_type_unknown": Code(422),
    "aspect_ratio_unknown": Code(422),
    "too_many_colors": Code(422),
    "color_not_hex": Code(422),
    "source_missing": Code(422),
    "source_unexpected": Code(422),
    "source_unknown": Code(422),
    "seed_out_of_range": Code(422),
    "page_out_of_range": Code(422),
    "limit_out_of_range": Code(422),
    "sort_unknown": Code(422),
    "status_unknown": Code(422),
    "liked_unreadable": Code(422),
    "search_too_long": Code(422),
    "search_unreadable": Code(422),
    "time_unreadable": Code(422),
    "from_after_to": Code(422),
    "cursor_invalid": Code(422),
    "idempotency_key_invalid": Code(422),
    "idempotency_mismatch": Code(422),
    "upload_unreadable": Code(422),
    "upload_too_many_pixels": Code(422),
    "not_signed_in": Code(401),
    "sign_in_expired": Code(401),
    "sign_in_refused": Code(401),
    "email_not_verified": Code(401),
    "webhook_refused": Code(401),
    "account_disabled": Code(403),
    "origin_refused": Code(403),
    "not_found": Code(404),
    "method_not_allowed": Code(405),
    "range_not_satisfiable": Code(416),
    "idempotency_in_flight": Code(409, is_retryable=True),
    "rate_limited": Code(429, is_retryable=True),
    "account_closed": Code(403),  # where a live connection ends
    "too_many_messages": Code(429),  # the same
    "too_many_sockets": Code(429),
    "too_many_joined": Code(429),  # of a socket's message too
    "too_many_unsigned_sockets": Code(429, is_retryable=True),
    "quota_exceeded": Code(429),  # a pause of hours or days is no retry
    "name_empty": Code(422),
    "name_too_long": Code(422),
    "name_unreadable": Code(422),
    "language_unknown": Code(422),
    "source_repeated": Code(422),
    "upload_quota_exceeded": Code(422),
    "sign_in_again": Code(403),
    "address_too_long": Code(414),
    "headers_too_large": Code(431),
    "encoding_unknown": Code(415),
    "body_too_slow": Code(408, is_retryable=True),
    "return_to_invalid": Code(422),
    "upload_animated": Code(422),
    "generation_ended": Code(409),
    "generation_not_failed": Code(409),
    "generation_not_retryable": Code(409),
    "internal": Code(500, is_retryable=True, ends_generation=True),
    "too_busy": Code(503, is_retryable=True),
    "database_unavailable": Code(503, is_retryable=True),
    "fal_unavailable": Code(503, is_retryable=True),
    "google_unavailable": Code(503, is_retryable=True),
    "storage_unavailable": Code(503, is_retryable=True),
    "content_policy": Code(None, ends_generation=True),
    "invalid_request": Code(None, ends_generation=True),
    "provider_unavailable": Code(None, is_retryable=True, ends_generation=True),
    "submit_unresolved": Code(None, is_retryable=True, ends_generation=True),
    "timeout": Code(None, is_retryable=True, ends_generation=True),
    "result_expired": Code(None, is_retryable=True, ends_generation=True),
    "result_invalid": Code(None, is_retryable=True, ends_generation=True),
    "cancelled": Code(None, is_retryable=True, ends_generation=True),
    "transparency_failed": Code(None, is_retryable=True, ends_generation=True),
}


def words_of(code: str, language: i18n.Language) -> dict[str, str]:
    """By kind: what it says (as a problem, as a failure, or both), the cause and the cure."""
    kinds = (*CODES[code].kinds, "cause", "cure")
    return {kind: i18n.outline(f"{kind}.{code}", language) for kind in kinds}


def document_of(code: str) -> dict[str, Any]:
    """For programs, the same from /docs/errors and from `madar errors --json`."""
    known = CODES[code]
    return {
        "code": code,
        "status": known.status,
        "retryable": known.is_retryable,
        "endsGeneration": known.ends_generation,
        **{language: words_of(code, language) for language in i18n.LANGUAGES},
    }
