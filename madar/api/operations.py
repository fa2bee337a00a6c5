"""One declaration an operation: what a handler's signature asks for is what a request is read for.

A handler names what it needs and the operation provides it, in this order:

    viewer: Viewer            who is signed in; refused otherwise
    viewer: Viewer | None     who, if anybody
    credential: Credential    what was shown, for a handler whose own query finds the person
    id: UUID                  from the path
    query: SomeQuery          the query string
    key: IdempotencyKey       the header
    seen: LastEventId         the header
    body: SomeIn              the JSON body; or a form, where the model says so, or either of two

openapi.py writes the same declarations down, so the document and the parsing cannot part.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args, get_type_hints
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from madar.api.limits import Policy, admit, admit_address, picture_turn
from madar.api.request import (
    IdempotencyKey,
    LastEventId,
    State,
    WireModel,
    credential_of,
    form_among,
    id_of,
    idempotency_key_of,
    last_event_id_of,
    optional_viewer_of,
    read_body,
    read_query,
    remember_viewer,
    viewer_of,
)
from madar.db.sessions import Credential, Viewer
from madar.errors import InvalidInput, NotFound, Unauthenticated
from madar.log import note

Handler = Callable[..., Awaitable[Response]]
Asks = Literal["viewer", "reader", "credential", "id", "query", "key", "seen", "body"]
# A model for JSON; the words of a media type for anything else; None for no body.
Answer = type[WireModel] | str | None
ORDER: tuple[Asks, ...] = get_args(Asks)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path. `problems` are codes beyond those its inputs bring along."""

    handler: Handler
    summary: str
    tag: str
    answers: Mapping[int, Answer]
    problems: tuple[str, ...]
    policy: Policy | None
    asks: Mapping[str, Asks] = field(default_factory=dict[str, Asks])
    query: type[WireModel] | None = None
    bodies: tuple[type[WireModel], ...] = ()
    raw_body: str | None = None
    example: str | None = None

    @property
    def is_signed_in(self) -> bool:
        return bool({"viewer", "credential"} & set(self.asks.values()))

    async def __call__(self, request: Request[State]) -> Response:
        given: dict[str, Any] = {}
        if not {"viewer", "reader", "credential"} & set(self.asks.values()):
            await admit_address(request, self.policy)
        async with AsyncExitStack() as held:
            for name, asked in self.asks.items():
                try:
                    given[name] = await self._provide(request, asked, held)
                except (InvalidInput, NotFound):
                    if "credential" in self.asks.values():
                        # The handler's query would have found the person; first things first.
                        await self._viewer(request, is_needed=True)
                    raise
            return await self.handler(request, **given)

    async def _provide(self, request: Request[State], asked: Asks, held: AsyncExitStack) -> object:
        match asked:
            case "viewer" | "reader":
                return await self._viewer(request, is_needed=asked == "viewer")
            case "credential":
                return await self._credential(request)
            case "id":
                return _noted(request, id_of(request))
            case "key":
                return idempotency_key_of(request)
            case "seen":
                return last_event_id_of(request)
            case "query":
                assert self.query
                return read_query(request, self.query)
            case "body":
                if form_among(request, self.bodies):
                    await held.enter_async_context(picture_turn(request))
                return await read_body(request, self.bodies)

    async def _viewer(self, request: Request[State], *, is_needed: bool) -> Viewer | None:
        try:
            viewer = await (viewer_of if is_needed else optional_viewer_of)(request)
        except Unauthenticated:
            await admit_address(request, self.policy)
            raise
        if viewer is None:
            await admit_address(request, self.policy)
        else:
            await admit(request, self.policy, viewer.id)
        return viewer

    async def _credential(self, request: Request[State]) -> Credential:
        try:
            return credential_of(request)
        except Unauthenticated:
            await admit_address(request, self.policy)
            raise


class Seen(Protocol):
    """What a query that finds person and answer at once says of the person."""

    @property
    def user_id(self) -> UUID: ...
    @property
    def session_id(self) -> UUID: ...
    @property
    def language(self) -> str: ...
    @property
    def is_language_chosen(self) -> bool: ...


async def recognise(request: Request[State], seen: Seen | None) -> None:
    """For a handler whose own query found the person, or nobody. Raises Unauthenticated."""
    if seen is None:
        await admit_address(request, "api")
        raise Unauthenticated
    remember_viewer(
        request,
        user_id=seen.user_id,
        session_id=seen.session_id,
        language=seen.language,
        is_language_chosen=seen.is_language_chosen,
    )
    await admit(request, "reads", seen.user_id)


def operation(
    summary: str,
    *,
    tag: str,
    answers: Mapping[int, Answer],
    problems: tuple[str, ...] = (),
    policy: Policy | None = "api",
    raw_body: str | None = None,
    example: str | None = None,
) -> Callable[[Handler], Operation]:
    """`policy`: the limit it counts for; a signed-in reading always counts as `reads`.

    `raw_body`: the media type of a body that the handler reads by itself.
    `example`: of an answer that is no JSON.
    """

    def declare(handler: Handler) -> Operation:
        hints = get_type_hints(handler, include_extras=True)
        names = [
            name for name in inspect.signature(handler).parameters if not name.endswith("request")
        ]
        kinds: dict[str, Asks] = {name: _kind_of(name, hints[name]) for name in names}
        in_order = sorted(names, key=lambda name: ORDER.index(kinds[name]))
        asks: dict[str, Asks] = {name: kinds[name] for name in in_order}
        return Operation(
            handler=handler,
            summary=summary,
            tag=tag,
            answers=answers,
            problems=problems,
            policy=policy,
            asks=asks,
            query=hints.get("query"),
            bodies=_alternatives(hints["body"]) if "body" in hints else (),
            raw_body=raw_body,
            example=example,
        )

    return declare


class Resource(Route):
    """A path and its operations by method; 405 names them all."""

    def __init__(self, path: str, **operations: Operation) -> None:
        self.operations = {verb.upper(): one for verb, one in operations.items()}
        super().__init__(path, self._dispatch, methods=list(self.operations))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """A path without parameters is compared first; most are asked for another one's sake."""
        if not self.param_convertors and scope["path"] != self.path:
            return Match.NONE, {}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Without the second layer for exceptions that Route has: the application's is enough."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        response = await self._dispatch(Request(scope, receive, send))
        await response(scope, receive, send)

    async def _dispatch(self, request: Request[State]) -> Response:
        verb = "GET" if request.method == "HEAD" else request.method
        return await self.operations[verb](request)


def _kind_of(name: str, hint: object) -> Asks:
    if hint is Viewer:
        return "viewer"
    if hint == Viewer | None:
        return "reader"
    if hint is Credential:
        return "credential"
    if hint is UUID:
        return "id"
    if hint == IdempotencyKey:
        return "key"
    if hint == LastEventId:
        return "seen"
    assert name in {"query", "body"}, f"nothing provides {name}: {hint}"
    return "query" if name == "query" else "body"


def _noted(request: Request[State], id: UUID) -> UUID:
    """What a request is about stands in its lines of the log."""
    if request.scope["path"].startswith(("/api/generations/", "/api/trash/")):
        note(generation_id=id)
    return id


def _alternatives(hint: Any) -> tuple[type[WireModel], ...]:
    return get_args(hint) or (hint,)
