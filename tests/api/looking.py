"""What the tests of the edge look at: problem documents, and what was written."""

from uuid import UUID

import httpx

from madar.codes import CODES
from tests.product import Json, Product

TABLES = (
    *("users", "user_sessions", "sign_ins", "uploads"),
    *("generations", "attempts", "idempotency_keys", "procrastinate_jobs"),
)


def problem_in(answer: httpx.Response, status: int, code: str) -> Json:
    """The problem document (RFC 9457), after checking what all of ours have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: Json = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["type"].endswith(f"/docs/errors#{code}")
    assert body["instance"] == f"urn:request:{answer.headers['x-request-id']}"
    assert body["requestId"] == answer.headers["x-request-id"]
    assert body["retryable"] == CODES[code].is_retryable
    assert str(body.get("retryAfterSeconds")) == str(answer.headers.get("retry-after"))
    assert body["title"]
    assert body["detail"]
    return body


def places_in(body: Json) -> list[tuple[str, str]]:
    """Where the faults are, and their codes."""
    return [(fault["pointer"], fault["code"]) for fault in body.get("errors", [])]


def without_id(answer: httpx.Response) -> Json:
    """The body apart from what differs in every answer."""
    body: Json = answer.json()
    return {name: body[name] for name in body if name not in {"instance", "requestId"}}


def is_arabic(text: str) -> bool:
    return any("\u0600" <= letter <= "\u06ff" for letter in text)


def written(product: Product) -> dict[str, int]:
    """How many rows each table has."""
    counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in TABLES)
    return product.rows(f"SELECT {counts}")[0]


def finish(product: Product, generation_id: str, *, picture: bytes = b"not a real PNG") -> None:
    """A completed picture with its files, without the minute of work that leads there."""
    keys = {name: f"aa/{UUID(generation_id).hex}{name[0]}" for name in ("master", "full", "small")}
    files = {
        "master": f"{keys['master']}.png",
        "full": f"{keys['full']}.webp",
        "small": f"{keys['small']}.webp",
    }
    for key in files.values():
        path = product.settings.storage_dir / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    product.execute(
        "UPDATE generations SET state = 'completed', fal_progress = 100, next_action_at = NULL,"
        " master_key = %s, result_image_key = %s, thumbnail_key = %s, completed_at = now(),"
        " file_size_bytes = %s, image_dimensions = %s, version = version + 1 WHERE id = %s",
        *files.values(),
        len(picture),
        '{"width": 1024, "height": 1024}',
        generation_id,
    )
