"""Live messages in both directions; docs/contract/events.schema.json is made of these."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, WithJsonSchema

from madar.api.generations import GenerationOut, Result, Stage, StepsOut
from madar.api.problems import KnownCode
from madar.api.request import ID_PATTERN, WireModel
from madar.api.schemas import schemas_of
from madar.codes import CODES

Json = dict[str, Any]

ABOUT = """\
Every text frame of /ws is one JSON object with a `type`. A socket signs in by ticket (as the
subprotocol `ticket.…` beside `madar.v1`), by cookie (from an allowed `Origin`), by the header
`Authorization: Bearer …`, or with `auth` as its first message. The `version` of a generation only
grows: ignore what is not newer than what you have of it. A reader bears fields and types that it
does not know. Server-sent events carry the same objects, and Socket.IO the same fields, with the
type as the name of the event."""
_EXAMPLE_ID = "0f8d3c1e-5b7a-4e0c-9d55-2f6b1f6f4a10"
_SNAPSHOT: Json = {
    "id": _EXAMPLE_ID,
    "status": "queued",
    "progress": 0,
    "stage": "queued",
    "version": 1,
    "prompt": "a red rocket",
    "style": "voxel-3d",
    "aspectRatio": "1:1",
    "inputType": "text",
    "customColors": [],
    "seed": "7",
    "isLiked": False,
    "createdAt": "2026-01-31T12:00:00.5+00:00",
}
_Id = Annotated[UUID, WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN})]
_FailureCode = Annotated[
    str,
    WithJsonSchema(
        {"type": "string", "enum": [code for code in CODES if CODES[code].ends_generation]}
    ),
]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Auth(WireModel):
    """Signs in with the token of the sign-in's answer; where that is done already, harmless."""

    model_config = _example(type="auth", token="eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl")  # noqa: S106

    type: Literal["auth"]
    token: str


class Join(WireModel):
    """Asks for the generation as it is now, and for what happens to it from then on."""

    model_config = _example(type="join:generation", generationId=_EXAMPLE_ID)

    type: Literal["join:generation"]
    generation_id: _Id


class JoinMine(WireModel):
    """Asks for all that is yours, and for what happens to it and to whatever is added from then on.

    Without `since`: what is not finished, and what changed last. With the `cursor` of an earlier
    answer: what changed after it, however long you were away.
    """

    model_config = _example(type="join:mine", since="1769860800000000")

    type: Literal["join:mine"]
    since: str | None = None


class LeaveMine(WireModel):
    """Not answered. What was joined by its id stays joined."""

    model_config = _example(type="leave:mine")

    type: Literal["leave:mine"]


class Leave(WireModel):
    """Not answered."""

    model_config = _example(type="leave:generation", generationId=_EXAMPLE_ID)

    type: Literal["leave:generation"]
    generation_id: _Id


class Ping(WireModel):
    model_config = _example(type="ping")

    type: Literal["ping"]


class Authenticated(WireModel):
    """Answers an `auth` that was not the first message; the first one is not answered."""

    model_config = _example(type="authenticated")

    type: Literal["authenticated"]


class Pong(WireModel):
    model_config = _example(type="pong")

    type: Literal["pong"]


class Joined(WireModel):
    """`snapshot` is what GET /api/generations/{id} answers."""

    model_config = _example(
        type="joined",
        generationId=_EXAMPLE_ID,
        version=1,
        snapshot=_SNAPSHOT,
    )

    type: Literal["joined"]
    generation_id: _Id
    version: int
    snapshot: GenerationOut


class JoinedMine(WireModel):
    """Answers `join:mine`; the newest change comes first.

    With `hasMore` that is not all: read the rest from GET /api/generations. With `resync` nobody
    asked: you read so slowly that some events were left out, and this is what they were about.
    """

    model_config = _example(
        type="joined",
        mine=True,
        generations=[_SNAPSHOT],
        deleted=[],
        cursor="1769860800000000",
        hasMore=False,
    )

    type: Literal["joined"]
    mine: Literal[True]
    generations: list[GenerationOut]
    deleted: list[_Id]
    cursor: str
    has_more: bool
    resync: Literal[True] | None = None


class ErrorMessage(WireModel):
    """A message that was refused, and what it would have joined is not joined.

    `generationId` where it named a generation.
    """

    model_config = _example(type="error", code="not_found", message="There is nothing here.")

    type: Literal["error"]
    code: KnownCode
    message: str
    generation_id: _Id | None = None


class Progress(WireModel):
    model_config = _example(
        type="generation:progress",
        generationId=_EXAMPLE_ID,
        version=3,
        status="processing",
        progress=40,
        stage="generating",
        steps={"done": 14, "total": 28},
        estimatedTimeRemaining=9,
    )

    type: Literal["generation:progress"]
    generation_id: _Id
    version: int
    status: Literal["queued", "processing"]
    progress: Annotated[int, Field(ge=0, le=100)]
    stage: Stage
    steps: StepsOut | None = None
    queue_position: int | None = None
    pause_reason: str | None = None
    estimated_time_remaining: float | None = None


class Completed(WireModel):
    model_config = _example(
        type="generation:completed",
        generationId=_EXAMPLE_ID,
        version=6,
        status="completed",
        progress=100,
        result={
            "imageUrl": "https://api.example/files/a",
            "thumbnailUrl": "https://api.example/files/b",
            "downloadUrl": "https://api.example/files/c",
            "masterUrl": "https://api.example/files/d",
            "dimensions": {"width": 1024, "height": 1024},
            "fileSize": 348112,
        },
    )

    type: Literal["generation:completed"]
    generation_id: _Id
    version: int
    status: Literal["completed"]
    progress: Literal[100]
    result: Result


class Failed(WireModel):
    """`error` is a sentence in the reader's language, `errorCode` the permanent word for it."""

    model_config = _example(
        type="generation:failed",
        generationId=_EXAMPLE_ID,
        version=5,
        status="failed",
        progress=0,
        error="This prompt goes against the content rules.",
        errorCode="content_policy",
    )

    type: Literal["generation:failed"]
    generation_id: _Id
    version: int
    status: Literal["failed"]
    progress: int
    error: str
    error_code: _FailureCode


class Deleted(WireModel):
    """It lies in the trash or is gone for good, and is not joined any more.

    If it is restored, `join:mine` hears of it again, in a newer version.
    """

    model_config = _example(type="generation:deleted", generationId=_EXAMPLE_ID, version=7)

    type: Literal["generation:deleted"]
    generation_id: _Id
    version: int


FROM_CLIENT: tuple[type[WireModel], ...] = (Auth, Join, JoinMine, Leave, LeaveMine, Ping)
FROM_SERVER: tuple[type[WireModel], ...] = (
    *(Authenticated, Pong, Joined, JoinedMine, ErrorMessage),
    *(Progress, Completed, Failed, Deleted),
)


def schema() -> Json:
    """JSON Schema 2020-12; `#/$defs/FromServer` and `#/$defs/FromClient` are the two directions."""
    models = (*FROM_CLIENT, *FROM_SERVER)
    named = schemas_of(models, mode="serialization", place="#/$defs/{model}")
    directions = {"FromClient": _one_of(FROM_CLIENT), "FromServer": _one_of(FROM_SERVER)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Messages of Madar's live connections",
        "description": ABOUT,
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in directions],
        "$defs": {**directions, **dict(sorted(named.items()))},
    }


def _one_of(models: tuple[type[WireModel], ...]) -> Json:
    return {"oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in models]}
