"""What a style must keep, so that an edit cannot make its next picture fail."""

from typing import Any

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
_NUMBER = (int, float)
_PARAMS: dict[str, tuple[str, tuple[type, ...]]] = {
    "endpoint": ("a text", (str,)),
    "image_endpoint": ("a text", (str,)),
    "prompt": ("a text", (str,)),
    "loras": ("a list", (list,)),
    "lora_scale": ("a number", _NUMBER),
    "parameters": ("an object", (dict,)),
    "strength": ("a number", _NUMBER),
}
# A style whose model gives alpha itself has none.
_CUTOUT: dict[str, tuple[str, tuple[type, ...]]] = {
    "endpoint": ("a text", (str,)),
    "parameters": ("an object", (dict,)),
}


def faults_in(changes: dict[str, Any]) -> list[str]:
    """Each fault of the columns that would change, as a sentence."""
    faults: list[str] = []
    for name, limit in TEXT_LIMITS.items():
        text = changes.get(name)
        if text is None:
            continue
        if not isinstance(text, str):
            faults.append(f"{name} must be a text")
        elif not text.strip() and name not in MAY_BE_EMPTY:
            faults.append(f"{name} must not be empty")
        elif len(text) > limit:
            faults.append(f"{name} has {len(text)} characters; {limit} are allowed")
    if "fal_model_params" in changes:
        faults += _param_faults(changes["fal_model_params"])
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


def _param_faults(params: Any) -> list[str]:
    faults = [
        f"fal_model_params.{name} must be {words}"
        for name, (words, kinds) in _PARAMS.items()
        if not _is(dig(params, name), kinds)
    ]
    if dig(params, "cutout") is None:
        return faults
    return faults + [
        f"fal_model_params.cutout.{name} must be {words}"
        for name, (words, kinds) in _CUTOUT.items()
        if not _is(dig(params, "cutout", name), kinds)
    ]


def _is(value: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)
