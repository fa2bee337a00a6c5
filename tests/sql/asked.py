"""What each query is asked of the crowd (crowd.py), by the names of its parameters.

A value is an expression of SQL. One for a query stands before one for its file, and that before one
for every query. `{owner}` is the person who asks, `{live}` the number of a generation under way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg

from madar.db.sql import Query
from tests.sql.recorder import ALL

Conn = psycopg.Connection[Any]

AMAL, BADR = 0, 1
_OWNER = "md5('user{owner}')::uuid"
_GENERATION = "md5('generation' || {live})::uuid"
_ATTEMPT = "md5('attempt' || 2 * {live})::uuid"
_REQUEST = "md5('request' || 2 * {live})"
_PICTURE = (
    "(SELECT id FROM generations WHERE user_id = md5('user{owner}')::uuid AND deleted_at IS NULL"
    " AND state = 'completed' ORDER BY created_at LIMIT 1 OFFSET 20)"
)
_FAILED = (
    "(SELECT id FROM generations WHERE user_id = md5('user{owner}')::uuid AND deleted_at IS NULL"
    " AND state = 'failed' ORDER BY created_at LIMIT 1)"
)
_IN_TRASH = (
    "(SELECT id FROM generations WHERE user_id = md5('user{owner}')::uuid AND gone_at > now()"
    " ORDER BY created_at LIMIT 1)"
)
_UPLOAD = (
    "(SELECT id FROM uploads WHERE user_id = md5('user{owner}')::uuid ORDER BY created_at LIMIT 1)"
)
_KEYS = (
    "(SELECT array_agg(result_image_key) FROM (SELECT result_image_key FROM generations"
    " WHERE state = 'completed' ORDER BY id LIMIT 50) few)"
)
_SOME_DUE = "(SELECT array_agg({0} ORDER BY id) FROM (SELECT id, due_at FROM {1} LIMIT 50) due)"
_NEW = "gen_random_uuid()"
_STYLE = "'neon-glow'"
_LIVE_IDS = (
    "(SELECT array_agg({0} ORDER BY id) FROM generations WHERE next_action_at IS NOT NULL"
    " AND deleted_at IS NULL)"
)

# Where it is not the one that Fal has accepted: how far the generation of this query is.
_LIVE = {
    "mark_attempt_sent": 56,
    "mark_attempt_accepted": 28,
    "mark_attempt_found": 0,
    "put_attempt_back": 28,
    "forget_sending": 28,
    "mark_attempt_unknown": 28,
    "join_line": 0,
    "repeat_cutout": 36,
    "insert_attempt": 36,
    "get_drawn_result": 36,
    "complete_generation": 44,
    "choose_files": 44,
    "claim_generation_to_advance": 36,
}

_OF_EVERY_QUERY = {
    "after_at": "'infinity'::timestamptz",
    "after_id": "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
    "after_s": "86400",
    "after_weight": "'Infinity'::real",
    "age": "interval '1 day'",
    "are_cancelled": "array_fill(true, ARRAY[50])",
    "arguments": """'{{"prompt": "a red rocket", "seed": 1}}'::jsonb""",
    "asking_id": _NEW,
    "aspect_ratio": "'1:1'",
    "attempt_id": _ATTEMPT,
    "avatar_url": "NULL",
    "base_url": "'https://madar.test'",
    "before_at": "'infinity'::timestamptz",
    "before_id": "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
    "beyond": (
        "(SELECT result_image_key FROM generations WHERE result_image_key ~>=~ 'results/10'"
        " ORDER BY result_image_key USING ~<~ LIMIT 1 OFFSET 2)"
    ),
    "body_hash": "sha256('body')",
    "browser_hash": "sha256('browser')",
    "burst_us": "60000000",
    "called": "'person1@madar.test'",
    "channel": "'madar_pulse'",
    "claimed_at": "now()",
    "code_verifier": "'c'",
    "cost_us": "300000",
    "counted_s": "86400",
    "current_id": "md5('session' || 2 * {owner})::uuid",
    "custom_colors": "'[]'",
    "deadline_s": "1800",
    "default_prompt": "NULL",
    "default_prompt_ar": "NULL",
    "description": "NULL",
    "description_ar": "NULL",
    "display_name": "'Somebody'",
    "due_at": "(SELECT due_at FROM fal_purges ORDER BY id LIMIT 1)",
    "email": "'somebody@madar.test'",
    "draw_step": "17",
    "draw_steps": "28",
    "end_state": "'failed'",
    "endpoint": "'fal-ai/draw'",
    "endpoints": "array_fill('/api/generations'::text, ARRAY[50])",
    "english": "'a translated sentence'",
    "epoch": "4",
    "epochs": _LIVE_IDS.replace("{0}", "lease_epoch"),
    "error_code": "'timeout'",
    "error_type": "'timeout'",
    "fal_error": "'timeout'",
    "fal_model_params": "NULL",
    "fal_status": "'IN_PROGRESS'",
    "file_size": "900000",
    "file_size_bytes": "700000",
    "first": "'results/10'",
    "first_step": "'draw'",
    "from_at": "NULL",
    "generation_id": _GENERATION,
    "generation_ids": "ARRAY[" + _GENERATION + "]",
    "google_id": "'g{owner}'",
    "height": "1200",
    "held_ids": _LIVE_IDS.replace("{0}", "id"),
    "id": _GENERATION,
    "idle_s": "604800",
    "ids": _LIVE_IDS.replace("{0}", "id"),
    "image_dimensions": """'{{"width": 1024, "height": 1024}}'""",
    "input_type": "'text'",
    "ip_addresses": "array_fill('10.0.0.1'::inet, ARRAY[50])",
    "is_active": "true",
    "is_liked": "true",
    "keeps_payload": "false",
    "key": "'key-300'",
    "kinds": "array_fill('view'::text, ARRAY[50])",
    "language": "'ar'",
    "lease_s": "30",
    "least_s": "5",
    "left_s": "60",
    "letters": "'person 1'",
    "life_s": "2678400",
    "liked": "NULL",
    "link_hashes": "array_fill(sha256('link'), ARRAY[50])",
    "master_key": "'results/new.png'",
    "may_be_suspect": "true",
    "methods": "array_fill('GET'::text, ARRAY[50])",
    "model": "'openrouter/any-llm'",
    "most_s": "300",
    "n": "100",
    "next_s": "10",
    "next_step": "'cutout'",
    "nonce": "'n'",
    "object_key": "(" + _KEYS + ")[1]",
    "object_keys": _KEYS,
    "of_state": "NULL",
    "owner": "'worker-0'",
    "owner_id": _OWNER,
    "owner_ids": "ARRAY[" + _OWNER + "]",
    "page_size": "20",
    "parent_id": "NULL",
    "payload": "'{{}}'",
    "percent": "1",
    "places": "30",
    "probe_s": "30",
    "progress": "50",
    "prompt": "'a red rocket above the clouds'",
    "prompt_english": "NULL",
    "prompt_hash": "sha256('50')",
    "queue_position": "NULL",
    "reason": "'unreachable'",
    "reason_ar": "'متوقف'",
    "recent": "20",
    "request_id": _REQUEST,
    "request_ids": "ARRAY[" + _REQUEST + "]",
    "response": "'{{}}'",
    "response_times_ms": "array_fill(7, ARRAY[50])",
    "result": "'{{}}'",
    "result_image_key": "'results/new.webp'",
    "return_to": "''",
    "route": "'POST /api/generations'",
    "search": "NULL",
    "seed": "7",
    "seen_state": "'accepted'",
    "session_id": "md5('session' || 2 * {owner})::uuid",
    "settled_s": "3600",
    "since": "(extract(epoch FROM now() - interval '1 hour') * 1000000)::bigint",
    "skip": "0",
    "sort": "'newest'",
    "source_upload_id": "NULL",
    "state": "'processing'",
    "state_hash": "sha256('state 7')",
    "states": "NULL",
    "status_codes": "array_fill(200, ARRAY[50])",
    "step": "'cutout'",
    "style": _STYLE,
    "taken_at": "now()",
    "thumbnail_key": "'results/new-400.webp'",
    "times": "array_fill(now(), ARRAY[50])",
    "title": "NULL",
    "title_ar": "NULL",
    "to_at": "NULL",
    "token_hash": "sha256(('session ' || 2 * {owner})::bytea)",
    "translation": "NULL",
    "transparency": "'{{}}'",
    "trash_s": "2592000",
    "ttl_s": "600",
    "user_agent": "'Mozilla/5.0 (X11)'",
    "user_agents": "array_fill('Mozilla/5.0 (X11)'::text, ARRAY[50])",
    "user_id": _OWNER,
    "user_ids": "array_fill(" + _OWNER + ", ARRAY[50])",
    "versions": _LIVE_IDS.replace("{0}", "version - 1"),
    "waits_s": "array_fill(60.0::float8, ARRAY[50])",
    "width": "1600",
    "window_s": "86400",
    "within_s": "3600",
}
_OF_FILE = {
    ("gallery", "session_id"): "NULL",
    ("generations", "session_id"): "NULL",
    ("sessions", "session_id"): "NULL",
    ("attempts", "id"): _ATTEMPT,
    ("turns", "id"): _ATTEMPT,
    ("fal_purges", "due_ats"): _SOME_DUE.format("due_at", "fal_purges"),
    ("fal_purges", "ids"): _SOME_DUE.format("id", "fal_purges"),
    ("jobs", "id"): "(SELECT id FROM procrastinate_jobs ORDER BY id LIMIT 1)",
    ("purges", "due_ats"): _SOME_DUE.format("due_at", "purges"),
    ("purges", "ids"): _SOME_DUE.format("id", "purges"),
    ("sessions", "id"): "md5('session' || 2 * {owner})::uuid",
    ("sessions", "ids"): "ARRAY[md5('session' || 2 * {owner})::uuid]",
    ("styles", "id"): _STYLE,
    ("tickets", "token_hash"): "sha256('ticket 2')",
    ("trash", "id"): _IN_TRASH,
    ("uploads", "id"): _UPLOAD,
    ("users", "id"): _OWNER,
    ("users", "ids"): "ARRAY[" + _OWNER + "]",
}
_OF_QUERY = {
    ("adopt_attempt", "attempt_id"): (
        "(SELECT id FROM attempts WHERE state = 'abandoned' ORDER BY id LIMIT 1)"
    ),
    ("adopt_attempt", "request_id"): "md5('late')",
    ("bind_fal_purge", "id"): "(SELECT id FROM fal_purges ORDER BY id LIMIT 1)",
    (
        "cancel_generation",
        "owner_id",
    ): f"(SELECT user_id FROM generations WHERE id = {_GENERATION})",
    ("clear_trash", "n"): "500",
    ("delete_generation", "id"): _PICTURE,
    ("delete_surplus_sessions", "n"): "1",
    ("delete_surplus_tickets", "n"): "1",
    ("fail_generation", "id"): _GENERATION,
    ("get_deletion", "object_key"): (
        "(SELECT thumbnail_key FROM generations WHERE gone_at > now() ORDER BY id LIMIT 1)"
    ),
    ("get_download", "id"): _PICTURE,
    ("get_generation_document", "id"): _PICTURE,
    ("get_job", "id"): "(SELECT id FROM procrastinate_jobs ORDER BY id LIMIT 1)",
    ("get_picture", "id"): _FAILED,
    ("get_seen_generation", "id"): _PICTURE,
    ("hurry_generation", "id"): _GENERATION,
    ("insert_attempt", "id"): _NEW,
    ("insert_generation", "attempt_id"): _NEW,
    ("insert_generation", "id"): _NEW,
    ("insert_idempotency_key", "key"): "'key-new'",
    ("insert_purges_of_gone", "generation_ids"): (
        "(SELECT array_agg(id) FROM (SELECT id FROM generations WHERE deleted_at IS NOT NULL"
        " AND gone_at IS NULL ORDER BY id LIMIT 50) gone)"
    ),
    ("insert_session", "token_hash"): "sha256('new')",
    ("insert_sign_in", "state_hash"): "sha256('new')",
    ("insert_ticket", "token_hash"): "sha256('new')",
    ("insert_upload", "id"): _NEW,
    ("insert_upload", "object_key"): "'uploads/new.jpg'",
    ("list_attempts_of", "generation_id"): _PICTURE,
    ("list_ended_sessions", "ids"): "ARRAY[md5('session' || 2 * {owner})::uuid]",
    ("list_orphans", "object_keys"): _KEYS + " || ARRAY['results/nobody.png']",
    ("lock_generation", "id"): _PICTURE,
    ("lock_source", "object_key"): "NULL",
    ("lock_wish", "id"): _FAILED,
    ("set_user_active", "is_active"): "false",
    ("settle_duplicate", "attempt_id"): (
        "(SELECT id FROM attempts WHERE state = 'abandoned' ORDER BY id LIMIT 1)"
    ),
    ("settle_duplicate", "request_id"): "md5('late')",
    ("take_rate", "key"): "'rate:reads:user:' || " + _OWNER,
    ("touch_sessions", "ids"): "ARRAY[md5('session' || 2 * {owner})::uuid]",
    ("update_generation", "id"): _PICTURE,
}
_NOWHERE = {"style": "NULL"}
_MIDDLE = (
    "(SELECT {0} FROM generations WHERE user_id = md5('user{owner}')::uuid AND deleted_at IS NULL"
    " ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET 50)"
)
# One query may be asked very different things.
_CASES: dict[str, dict[str, dict[str, str]]] = {
    "list_newest_documents": {
        "first page": {},
        "from a cursor": {
            "before_at": _MIDDLE.replace("{0}", "created_at"),
            "before_id": _MIDDLE.replace("{0}", "id"),
        },
    },
    "find_documents": {
        "a word in many": {**_NOWHERE, "search": "'clouds'"},
        "an Arabic word": {**_NOWHERE, "search": "'الصواريخ'"},
        "a rare word": {**_NOWHERE, "search": "'zeppelins'"},
        "nothing there": {**_NOWHERE, "search": "'unicorn'"},
        "two words by relevance": {**_NOWHERE, "search": "'red rocket'", "sort": "'relevance'"},
        "of a style": {},
        "liked": {**_NOWHERE, "liked": "true"},
        "failed": {**_NOWHERE, "states": "ARRAY['failed']"},
        "oldest": {
            **_NOWHERE,
            "sort": "'oldest'",
            "after_at": "'-infinity'::timestamptz",
            "after_id": "'00000000-0000-0000-0000-000000000000'",
        },
    },
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One query with what it is asked; `arguments` are literals' texts, in its order."""

    aggregate: str
    query: Query
    about: str
    arguments: tuple[str | None, ...]

    @property
    def name(self) -> str:
        return f"{self.query.name}: {self.about}" if self.about else self.query.name

    @property
    def writes(self) -> bool:
        return any(word in self.query.sql for word in (b"INSERT INTO", b"UPDATE ", b"DELETE FROM"))


def cases(conn: Conn, total: int, owner: int = BADR) -> Iterator[Case]:
    """Every query there is, in the order of their names."""
    for called, query in ALL.items():
        aggregate, _, name = called.partition(".")
        for about in _CASES.get(name, {"": {}}):
            yield case_of(conn, total, owner, aggregate, name, query, about)


def case_of(
    conn: Conn, total: int, owner: int, aggregate: str, name: str, query: Query, about: str = ""
) -> Case:
    """Also of a query that was so called in another release."""
    special = _CASES.get(name, {}).get(about, {})
    said = [special.get(one) or _expression(aggregate, name, one) for one in query.params]
    live = total - _LIVE.get(name, 20)
    texts = [_text_of(conn, expression.format(owner=owner, live=live)) for expression in said]
    return Case(aggregate=aggregate, query=query, about=about, arguments=tuple(texts))


def can_be_asked(query: Query) -> bool:
    """Not, where another release asked for something that this one does not know."""
    return set(query.params) <= set(_OF_EVERY_QUERY)


def _expression(aggregate: str, name: str, parameter: str) -> str:
    for key, known in (((name, parameter), _OF_QUERY), ((aggregate, parameter), _OF_FILE)):
        if key in known:
            return known[key]
    assert parameter in _OF_EVERY_QUERY, (
        f"say in {__name__} what {name} is asked for {parameter}, a parameter no query had before"
    )
    return _OF_EVERY_QUERY[parameter]


def _text_of(conn: Conn, expression: str) -> str | None:
    row = conn.execute(cast("LiteralString", f"SELECT ({expression})::text")).fetchone()
    assert row, expression
    return row[0]
