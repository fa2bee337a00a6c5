"""Reading JSON that others wrote: whatever its shape, no surprise."""

from typing import Any, cast


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
