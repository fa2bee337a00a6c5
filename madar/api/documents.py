"""Finishing the JSON that PostgreSQL built: keys become links, codes become sentences.

The bytes are not parsed; at the few places that are meant, one expression replaces the value.
Text of a person cannot pass for such a place: its quotation marks are escaped.
"""

import hashlib
import re
from functools import lru_cache

import orjson
from starlette.requests import Request
from starlette.responses import Response

from madar import i18n
from madar.api.request import SAFE_METHODS, State, language_of, resources_of
from madar.clients.storage import Storage

_FILES = frozenset(
    (b"imageUrl", b"thumbnailUrl", b"downloadUrl", b"masterUrl", b"sourceImageUrl", b"url")
)
# It begins with letters that stand in few other places: a search for those is what is quick.
_FILE = re.compile(rb'rl" ?: ?"([0-9a-f/.a-z]+)"')
_ERROR = re.compile(rb'"error":"([a-z_]+)"')
_TEXT = rb'("(?:[^"\\]|\\.)*")'
_PAUSE = re.compile(rb'"pauseReason":\{"en":%b,"ar":%b\}' % (_TEXT, _TEXT))
_REASON = {"en": rb'"pauseReason":\1', "ar": rb'"pauseReason":\2'}


def finish(body: bytes, *, storage: Storage, language: i18n.Language) -> bytes:
    def sentence(match: re.Match[bytes]) -> bytes:
        words = i18n.text(f"failure.{match[1].decode()}", language)
        return b'"error":' + orjson.dumps(words)

    finished = _ERROR.sub(sentence, _with_links(body, storage))
    if b'"pauseReason"' in finished:
        finished = _PAUSE.sub(_REASON[language], finished)
    return finished


def _with_links(body: bytes, storage: Storage) -> bytes:
    expires_at = storage.next_expiry()
    pieces = _FILE.split(body)  # each second one is what stands where a key may stand
    for n in range(1, len(pieces), 2):
        before, key = pieces[n - 1], pieces[n]
        name = before[before.rfind(b'"') + 1 :] + b"rl"
        if name in _FILES:
            pieces[n] = _link(storage, key, name == b"downloadUrl", expires_at)
        else:
            pieces[n] = b'rl":"%s"' % key
    return b"".join(pieces)


@lru_cache(maxsize=20_000)
def _link(storage: Storage, key: bytes, is_to_save: bool, expires_at: int) -> bytes:  # noqa: FBT001
    """A link that is to save says so by its name: browsers ignore `download` elsewhere."""
    filename = "madar.png" if is_to_save else None
    return b'rl":"%s"' % storage.link(key.decode(), filename, expires_at).encode()


def answer_document(
    request: Request[State], body: bytes, *, cache: str, status: int = 200
) -> Response:
    """The finished document, or 304 for a reader that has it as it is."""
    language = language_of(request)
    finished = finish(body, storage=resources_of(request).storage, language=language)
    headers = {"Cache-Control": cache, "Content-Language": language, "Vary": "Accept-Language"}
    return answer_unless_known(request, finished, headers=headers, status=status)


def answer_unless_known(
    request: Request[State], body: bytes, *, headers: dict[str, str], status: int = 200
) -> Response:
    """`body` is JSON; its ETag is made of what the reader would see (RFC 9110, 8.8.3)."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'  # most processors have it built in
    headers = {**headers, "ETag": tag}
    is_reading = request.method in SAFE_METHODS
    if is_reading and _is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers=headers, media_type="application/json")


def _is_known(given: str, tag: str) -> bool:
    known = {one.strip().removeprefix("W/") for one in given.split(",")}
    return tag in known or given.strip() == "*"
