"""Reading JSON that others wrote: whatever its shape, no surprise."""

from typing import Any, cast
from uuid import UUID


def dig(answer: object, *path: str | int) -> Any:
    """The value at `path`, or None where the answer is shaped otherwise."""
    for key in path:
        if isinstance(answer, dict) and isinstance(key, str):
            answer = cast("dict[str, object]", answer).get(key)
        elif isinstance(answer, list) and isinstance(key, int):
            items = cast("list[object]", answer)
            answer = items[key] if 0 <= key < len(items) else None
        else:
            return None
    return answer


def text_at(answer: object, *path: str | int) -> str | None:
    value = dig(answer, *path)
    return value if isinstance(value, str) else None


def id_at(answer: object, *path: str | int) -> UUID | None:
    """An id in its one spelling; Python's parser knows four more."""
    text = text_at(answer, *path) or ""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text else None
