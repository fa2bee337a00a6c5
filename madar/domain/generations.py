"""What a generation is: its states and steps, and what may be asked for."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from uuid import UUID

from madar.domain.colors import parse_hex
from madar.errors import Fault, InvalidInput, RateLimited

State = Literal["queued", "processing", "finalizing", "reviving", "completed", "failed"]
PublicStatus = Literal["queued", "processing", "completed", "failed"]
# The same as the view generation_documents says. A generation is revived unseen.
PUBLIC: dict[State, PublicStatus] = {
    "queued": "queued",
    "processing": "processing",
    "finalizing": "processing",
    "reviving": "failed",
    "completed": "completed",
    "failed": "failed",
}
Step = Literal["translate", "draw", "cutout", "finalize"]
Translation = Literal["pending", "done", "failed"]
AttemptState = Literal[
    "prepared", "sent", "unknown", "accepted", "succeeded", "failed", "abandoned"
]
EndState = Literal["failed", "abandoned"]
AT_FAL: tuple[AttemptState, ...] = ("sent", "unknown", "accepted")
InputType = Literal["text", "image"]
AspectRatio = Literal["1:1", "16:9", "9:16", "4:3"]

INPUT_TYPES: tuple[InputType, ...] = get_args(InputType)
ASPECT_RATIOS: tuple[AspectRatio, ...] = get_args(AspectRatio)
_STYLE_NAME = re.compile(r"[a-z0-9-]{1,50}")
MAX_PROMPT_CHARACTERS = 1000
MAX_PROMPT_BYTES = 4000
MAX_COLORS = 8
MAX_SEED = 2**31 - 1
MAX_TRIES_PER_STEP = 3
MAX_CUTOUTS = 2
MAX_DECODER_FAILURES = 3  # a child killed once may have been unlucky, not the picture's fault


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """What somebody asks for, checked. Without a prompt, the style's own is used."""

    style: str
    prompt: str | None
    input_type: InputType
    aspect_ratio: AspectRatio
    custom_colors: tuple[str, ...]
    source_upload_id: UUID | None
    source_key: str | None
    seed: int | None


def check_request(
    *,
    style: str,
    prompt: str | None,
    input_type: str,
    aspect_ratio: str,
    custom_colors: Sequence[str],
    source_upload_id: UUID | None,
    source_key: str | None = None,
    has_picture: bool = False,
    seed: int | None,
) -> GenerationRequest:
    """A source is an upload by its id or its storage key, or a picture that comes along.

    Raises InvalidInput with everything that is wrong, each at its place in the body.
    """
    faults = [
        *_style_faults(style),
        *_prompt_faults(prompt),
        *_choice_faults("/inputType", "input_type_unknown", input_type, get_args(InputType)),
        *_choice_faults(
            "/aspectRatio", "aspect_ratio_unknown", aspect_ratio, get_args(AspectRatio)
        ),
        *_color_faults(custom_colors),
        *_source_faults(
            input_type,
            {
                "/sourceUploadId": source_upload_id is not None,
                "/sourceImageUrl": source_key is not None,
                "/sourceImage": has_picture,
            },
        ),
        *_seed_faults(seed),
    ]
    if faults:
        raise InvalidInput(faults)
    return GenerationRequest(
        style=style,
        prompt=prompt,
        input_type="image" if input_type == "image" else "text",
        aspect_ratio=_ratio(aspect_ratio),
        custom_colors=tuple(color.lower() for color in custom_colors),
        source_upload_id=source_upload_id,
        source_key=source_key,
        seed=seed,
    )


def check_quota(*, used: int, limit: int, seconds_to_next: float | None) -> None:
    """Raises RateLimited until the oldest that counts is out of the window."""
    if used >= limit:
        wait_s = max(1, math.ceil(seconds_to_next or 0))
        raise RateLimited("quota_exceeded", policy="quota", retry_after_s=wait_s, limit=limit)


def first_step(prompt: str | None, *, can_translate: bool) -> Step:
    """Fal's models read English; a style's own prompt is translated by nobody but its author."""
    return "translate" if can_translate and prompt and is_arabic(prompt) else "draw"


def next_step(step: Step, style_params: Mapping[str, Any]) -> Step:
    """The step after a finished one; a style whose model gives alpha has no `cutout`."""
    if step == "translate":
        return "draw"
    if step == "draw" and style_params.get("cutout"):
        return "cutout"
    return "finalize"


def is_arabic(text: str) -> bool:
    return any("ARABIC" in unicodedata.name(letter, "") for letter in text)


def _ratio(text: str) -> AspectRatio:
    return next(ratio for ratio in ASPECT_RATIOS if ratio == text)


def _style_faults(style: str) -> list[Fault]:
    """Only what cannot be a name at all; whether there is such a style, the database knows."""
    return [] if _STYLE_NAME.fullmatch(style) else [Fault(code="style_unknown", pointer="/style")]


def _prompt_faults(prompt: str | None) -> list[Fault]:
    if prompt is None:
        return []
    code, params = "", {}
    if len(prompt) > MAX_PROMPT_CHARACTERS or len(_bytes(prompt)) > MAX_PROMPT_BYTES:
        code, params = "prompt_too_long", {"limit": MAX_PROMPT_CHARACTERS}
    elif any(_is_control(letter) for letter in prompt):
        code = "prompt_unreadable"
    elif not any(_is_visible(letter) for letter in prompt):
        code = "prompt_empty"
    return [Fault(code=code, pointer="/textPrompt", params=params)] if code else []


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _is_control(letter: str) -> bool:
    """Control characters and lone surrogates; a text area's line breaks and tabs are fine."""
    return unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\n\r\t"


def _is_visible(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LNPS"


def _choice_faults(pointer: str, code: str, value: str, known: tuple[str, ...]) -> list[Fault]:
    if value in known:
        return []
    return [Fault(code=code, pointer=pointer, params={"known": ", ".join(known)})]


def _color_faults(colors: Sequence[str]) -> list[Fault]:
    if len(colors) > MAX_COLORS:
        limit = {"limit": MAX_COLORS}
        return [Fault(code="too_many_colors", pointer="/customColors", params=limit)]
    return [
        Fault(code="color_not_hex", pointer=f"/customColors/{n}", params={"position": n + 1})
        for n, color in enumerate(colors)
        if parse_hex(color) != color.lower()
    ]


def _source_faults(input_type: str, given: Mapping[str, bool]) -> list[Fault]:
    """`given` says at which places of the body there is a source."""
    pointers = [pointer for pointer, is_there in given.items() if is_there]
    if input_type == "image" and not pointers:
        return [Fault(code="source_missing", pointer="/sourceImage")]
    if input_type == "text" and pointers:
        return [Fault(code="source_unexpected", pointer=pointers[0])]
    return [Fault(code="source_repeated", pointer=pointer) for pointer in pointers[1:]]


def _seed_faults(seed: int | None) -> list[Fault]:
    if seed is None or 0 <= seed <= MAX_SEED:
        return []
    return [Fault(code="seed_out_of_range", pointer="/seed", params={"limit": MAX_SEED})]
