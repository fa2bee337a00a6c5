"""What each endpoint accepts, and how it says what it does not (facts/fal.md, parts 4 and 5).

Names that an endpoint does not know are ignored without an error, as Fal does.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from madar.simulator.config import JsonObject

Kind = Literal["draw", "cutout", "translate"]

_ERRORS_URL = "https://docs.fal.ai/errors#"
_PRESETS_PX: Mapping[str, tuple[int, int]] = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
_DEFAULT_SIZE = "landscape_4_3"
_DEFAULT_STEPS = 28
_SIDE_PX = (1, 14142)
_DEFAULT_SIDE_PX = 512


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One model: what it does, how long it takes, what it asks for."""

    kind: Kind
    duration_s: float
    required: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]] = field(
        default_factory=dict[str, tuple[float, float]]
    )
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


_DRAW_RANGES = {
    "num_inference_steps": (1, 50),
    "guidance_scale": (0, 35),
    "num_images": (1, 4),
}
_DRAW_CHOICES = {"output_format": ("jpeg", "png"), "acceleration": ("none", "regular")}

ENDPOINTS: Mapping[str, Endpoint] = {
    "fal-ai/flux-lora": Endpoint(
        kind="draw",
        duration_s=5.0,
        required=("prompt",),
        ranges=_DRAW_RANGES,
        choices=_DRAW_CHOICES,
    ),
    "fal-ai/flux-lora/image-to-image": Endpoint(
        kind="draw",
        duration_s=5.0,
        required=("prompt", "image_url"),
        ranges={**_DRAW_RANGES, "strength": (0.01, 1)},
        choices=_DRAW_CHOICES,
    ),
    "fal-ai/birefnet/v2": Endpoint(
        kind="cutout",
        duration_s=1.2,
        required=("image_url",),
        choices={
            "model": (
                "General Use (Light)",
                "General Use (Light 2K)",
                "General Use (Heavy)",
                "Matting",
                "Portrait",
                "General Use (Dynamic)",
            ),
            "operating_resolution": ("1024x1024", "2048x2048", "2304x2304"),
            "output_format": ("png", "webp", "gif"),
        },
    ),
    "openrouter/router": Endpoint(
        kind="translate",
        duration_s=0.4,
        required=("model", "prompt"),
        ranges={"temperature": (0, 2)},
    ),
}


def problem(
    name: str, error_type: str, message: str, *, given: object = None, ctx: JsonObject | None = None
) -> JsonObject:
    """One entry of a model error's `detail` list."""
    entry: JsonObject = {
        "loc": ["body", name],
        "msg": message,
        "type": error_type,
        "url": f"{_ERRORS_URL}{error_type}",
        "input": given,
    }
    return {**entry, "ctx": ctx} if ctx is not None else entry


def problems_of(endpoint: Endpoint, arguments: JsonObject) -> list[JsonObject]:
    """Everything wrong with the arguments, in the order Fal lists it."""
    return [
        *_missing(endpoint, arguments),
        *_out_of_range(endpoint, arguments),
        *_not_a_choice(endpoint, arguments),
        *(_bad_size(arguments) if endpoint.kind == "draw" else ()),
    ]


def _missing(endpoint: Endpoint, arguments: JsonObject) -> Iterator[JsonObject]:
    for name in endpoint.required:
        given = arguments.get(name)
        if given is None:
            yield problem(name, "missing", "Field required", given=arguments)
        elif not isinstance(given, str):
            yield problem(name, "string_type", "Input should be a valid string", given=given)
        elif not given.strip():
            yield problem(
                name,
                "sequence_too_short",
                "The value is too short",
                given=given,
                ctx={"min_length": 1},
            )


def _out_of_range(endpoint: Endpoint, arguments: JsonObject) -> Iterator[JsonObject]:
    for name, (least, most) in endpoint.ranges.items():
        if (given := arguments.get(name)) is not None:
            yield from _check_number(name, given, least, most)
    seed = arguments.get("seed")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        yield problem("seed", "int_type", "Input should be a valid integer", given=seed)


def _check_number(name: str, given: object, least: float, most: float) -> Iterator[JsonObject]:
    if not isinstance(given, int | float) or isinstance(given, bool):
        yield problem(name, "float_type", "Input should be a valid number", given=given)
    elif given < least:
        message = f"Input should be greater than or equal to {least}"
        yield problem(name, "greater_than_equal", message, given=given, ctx={"ge": least})
    elif given > most:
        message = f"Input should be less than or equal to {most}"
        yield problem(name, "less_than_equal", message, given=given, ctx={"le": most})


def _not_a_choice(endpoint: Endpoint, arguments: JsonObject) -> Iterator[JsonObject]:
    for name, allowed in endpoint.choices.items():
        given = arguments.get(name)
        if given is not None and given not in allowed:
            message = f"Input should be one of {', '.join(allowed)}"
            yield problem(name, "one_of", message, given=given, ctx={"expected": list(allowed)})


def _bad_size(arguments: JsonObject) -> Iterator[JsonObject]:
    given: Any = arguments.get("image_size")
    if given is None or (isinstance(given, str) and given in _PRESETS_PX):
        return
    if not isinstance(given, dict):
        allowed = list(_PRESETS_PX)
        yield problem(
            "image_size", "one_of", "Unknown image size", given=given, ctx={"expected": allowed}
        )
        return
    sides = cast("JsonObject", given)
    for side in ("width", "height"):
        yield from _check_number(side, sides.get(side, _DEFAULT_SIDE_PX), *_SIDE_PX)


def size_px(arguments: JsonObject) -> tuple[int, int]:
    """The asked width and height, of arguments that have passed `problems_of`."""
    given: Any = arguments.get("image_size") or _DEFAULT_SIZE
    if isinstance(given, str):
        return _PRESETS_PX[given]
    return int(given.get("width", _DEFAULT_SIDE_PX)), int(given.get("height", _DEFAULT_SIDE_PX))


def steps_of(arguments: JsonObject) -> int:
    return int(arguments.get("num_inference_steps") or _DEFAULT_STEPS)


def seed_of(request_id: str, arguments: JsonObject) -> int:
    """The given seed, or one that a restart draws again. Like Fal's it may exceed 2^53."""
    given: Any = arguments.get("seed")
    if given is not None:
        return int(given)
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:8]) >> 1


def fingerprint_of(endpoint_id: str, arguments: JsonObject) -> str:
    """Equal for two submissions of the same work."""
    parts = (arguments.get(name) for name in ("seed", "prompt", "image_url"))
    return hashlib.sha256(repr((endpoint_id, *parts)).encode()).hexdigest()
