"""What a style must keep, so that an edit cannot make its next picture fail."""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, cast

from madar.domain.answers import dig

TEXT_LIMITS = {
    "title": 100,
    "title_ar": 100,
    "description": 1000,
    "description_ar": 1000,
    "default_prompt": 1000,
    "default_prompt_ar": 1000,
}
MAY_BE_EMPTY = ("description", "description_ar")
MAX_DEPTH = 20  # no model's input comes near it, and a thousand could no longer be printed
MAX_LORA_SCALE = 4  # fal.ai/models/fal-ai/flux-lora/api, "LoraWeight"
MIN_STRENGTH = 0.01  # fal.ai/models/fal-ai/flux-lora/image-to-image/api

_ENDPOINT = re.compile(r"[a-z0-9-]+(/[a-z0-9._-]+)+")
_UNREADABLE = ("Cc", "Cs")  # control characters and lone surrogates


def faults_in(changes: dict[str, Any]) -> list[str]:
    """Each fault of the columns that would change, as a sentence."""
    faults: list[str] = []
    for name, value in changes.items():
        if name in TEXT_LIMITS:
            faults += _text_faults(name, value)
        elif name == "fal_model_params":
            faults += _param_faults(value)
        elif name == "is_active" and not isinstance(value, bool):
            faults.append("is_active must be true or false")
    return faults


def with_param(params: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value set; dots lead into inner objects. Raises KeyError at a wrong turn."""
    head, _, rest = path.partition(".")
    if not rest:
        return {**params, head: value}
    inner = params.get(head)
    if not isinstance(inner, dict):
        raise KeyError(head)
    return {**params, head: with_param(inner, rest, value)}  # pyright: ignore[reportUnknownArgumentType]


def parsed(text: str) -> Any:
    """Raises ValueError (JSONDecodeError where the grammar is broken), whatever the text is."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _text_faults(name: str, text: object) -> list[str]:
    limit = TEXT_LIMITS[name]
    if not isinstance(text, str):
        return [f"{name} must be a text"]
    if not text.strip() and name not in MAY_BE_EMPTY:
        return [f"{name} must not be empty"]
    if len(text) > limit:
        return [f"{name} has {len(text)} characters; {limit} are allowed"]
    if not _is_readable(text):
        return [f"{name} must not have control characters or halves of characters"]
    return []


def _param_faults(params: object) -> list[str]:
    if not isinstance(params, dict):
        return ["fal_model_params must be an object"]
    params = cast("dict[str, object]", params)
    faults = [
        f"fal_model_params.{name} must be {words}"
        for name, (words, is_right) in _PARAMS.items()
        if not is_right(dig(params, name))
    ]
    return faults or list(_odd_values(params))


def _odd_values(params: dict[str, object]) -> Iterator[str]:
    """What PostgreSQL or Fal cannot hold. A loop: too much depth is one of the faults."""
    left: list[tuple[str, int, object]] = [("fal_model_params", 0, params)]
    while left:
        path, depth, value = left.pop()
        if isinstance(value, (dict, list)) and depth == MAX_DEPTH:
            yield f"{path} is nested too deeply"
        elif isinstance(value, dict):
            inner = cast("dict[str, object]", value)
            if not all(key and _is_readable(key) for key in inner):
                yield f"{path} has a key that is empty or unreadable"
            left += [(f"{path}.{key}", depth + 1, item) for key, item in inner.items()]
        elif isinstance(value, list):
            items = cast("list[object]", value)
            left += [(f"{path}.{n}", depth + 1, item) for n, item in enumerate(items)]
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{path} must be a finite number"
        elif isinstance(value, str) and not _is_storable(value):
            yield f"{path} must not have the character 0 or halves of characters"


def _is_readable(text: str) -> bool:
    return all(unicodedata.category(character) not in _UNREADABLE for character in text)


def _is_storable(text: str) -> bool:
    """A text of jsonb may have line ends, but neither of these."""
    return all(c != "\0" and unicodedata.category(c) != "Cs" for c in text)


def _is_prompt(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and _is_readable(value)


def _is_endpoint(value: object) -> bool:
    """It becomes part of an address at Fal, so it must not lead out of there."""
    return isinstance(value, str) and bool(_ENDPOINT.fullmatch(value)) and ".." not in value


def _is_number(value: object, least: float, most: float) -> bool:
    """NaN is in no range, and true is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return least <= value <= most


def _is_strength(value: object) -> bool:
    return _is_number(value, MIN_STRENGTH, 1)


def _is_lora_scale(value: object) -> bool:
    return _is_number(value, 0, MAX_LORA_SCALE)


def _are_loras(value: object) -> bool:
    """A scale of its own wins over the style's, so it is held to the same range."""
    return isinstance(value, list) and all(
        _is_prompt(dig(lora, "path")) and _is_lora_scale(cast("Any", lora).get("scale", 1))
        for lora in cast("list[object]", value)
    )


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_cutout(value: object) -> bool:
    """A style whose model gives alpha itself has none."""
    return value is None or (
        _is_endpoint(dig(value, "endpoint")) and _is_object(dig(value, "parameters"))
    )


_MODEL = "the path of a model, such as fal-ai/flux-lora"
_PARAMS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "endpoint": (_MODEL, _is_endpoint),
    "image_endpoint": (_MODEL, _is_endpoint),
    "prompt": ("a text, not empty and without control characters", _is_prompt),
    "loras": ('a list of objects such as {"path": "https://…", "scale": 1}', _are_loras),
    "lora_scale": (f"a number from 0 to {MAX_LORA_SCALE}", _is_lora_scale),
    "parameters": ("an object", _is_object),
    "strength": (f"a number from {MIN_STRENGTH} to 1", _is_strength),
    "cutout": ("null, or an object with endpoint (a path) and parameters (an object)", _is_cutout),
}
