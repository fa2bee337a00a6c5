"""What a webhook of Fal says; pure, and only for what is verified already."""

from dataclasses import dataclass
from typing import Literal

from madar.domain.answers import dig, text_at

Said = Literal["success", "failure", "progress"]

_ENDS: dict[str, Said] = {
    "OK": "success",
    "ERROR": "failure",
    # What the queue and older descriptions of it call the same.
    "COMPLETED": "success",
    "FAILED": "failure",
}
_UNDER_WAY = ("IN_QUEUE", "IN_PROGRESS")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """`request_id` is empty where the body names none; `is_known`: its status is one of Fal's."""

    request_id: str
    said: Said
    is_known: bool = True


def delivery_in(body: object) -> Delivery:
    """Of a body in any shape.

    Fal's is `{request_id, status: OK | ERROR, payload, error?, payload_error?}`; OK without a
    payload is a success all the same, its result is asked for. The queue's is `{request_id,
    status: IN_QUEUE | IN_PROGRESS | COMPLETED, error?, error_type?}`, in which a failure is
    COMPLETED with an error; `FAILED` is taken too. A status that nobody knows says nothing: the
    request may still run, and polling finds out.
    """
    status = (text_at(body, "status") or "").upper()
    said = _ENDS.get(status, "progress")
    if status == "COMPLETED" and (dig(body, "error") or dig(body, "error_type")):
        said = "failure"
    return Delivery(
        request_id=text_at(body, "request_id") or "",
        said=said,
        is_known=status in _ENDS or status in _UNDER_WAY,
    )
