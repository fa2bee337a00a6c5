"""Which pages of other origins may read answers."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Send

_WITHOUT_ORIGIN = Headers()


class Cors(CORSMiddleware):
    """Starlette's, but a page of another origin is told nothing, not even that cookies count."""

    async def send(self, message: Message, send: Send, request_headers: Headers) -> None:
        if message["type"] != "http.response.start":
            await send(message)
            return
        if not self.is_allowed_origin(request_headers.get("origin", "")):
            request_headers = _WITHOUT_ORIGIN
        await super().send(message, send, request_headers)

    def preflight_response(self, request_headers: Headers) -> Response:
        if self.is_allowed_origin(request_headers["origin"]):
            return super().preflight_response(request_headers)
        headers = {"Vary": self.preflight_headers["Vary"]}
        return PlainTextResponse("Disallowed CORS origin", 400, headers)
