"""Finishing the JSON that PostgreSQL built: keys become links, codes become sentences.

The bytes are not parsed; at the few places that are meant, one expression replaces the value.
Text of a person cannot pass for such a place: its quotation marks are escaped.
"""

import re

import orjson

from madar import i18n
from madar.clients.storage import Storage

_FILE = re.compile(rb'"(imageUrl|thumbnailUrl|downloadUrl|masterUrl)":"([0-9a-f/.a-z]+)"')
_ERROR = re.compile(rb'"error":"([a-z_]+)"')


def finish(body: bytes, *, storage: Storage, language: i18n.Language) -> bytes:
    def link(match: re.Match[bytes]) -> bytes:
        # A link that is to save the picture has to say so: browsers ignore `download` elsewhere.
        filename = "madar.png" if match[1] == b"downloadUrl" else None
        url = storage.sign(match[2].decode(), filename=filename)
        return b'"%s":"%s"' % (match[1], url.encode())

    def sentence(match: re.Match[bytes]) -> bytes:
        words = i18n.text(f"failure.{match[1].decode()}", language)
        return b'"error":' + orjson.dumps(words)

    return _ERROR.sub(sentence, _FILE.sub(link, body))
