"""Strings that break programs, and the places of a request that take one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes

ID = "0f8d3c1e-5b7a-4e0c-9d55-2f6b1f6f4a10"
TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "NUL": b"\0",
    "NUL inside": b"a\0b",
    "space": b" ",
    "line break": b"\r\nX-Injected: 1\r\n\r\n",
    "bare line feed": b"a\nb",
    "bare return": b"a\rb",
    "tab": b"\t",
    "escape": b"\x1b[2J",
    "lone surrogate": b"\xed\xa0\x80",
    "overlong slash": b"\xc0\xaf",
    "half a letter": b"\xe2\x82",
    "no UTF-8 at all": bytes(range(128, 256)),
    "byte order mark": b"\xef\xbb\xbf1",
    "override": "\u202egnp.exe\u202c".encode(),
    "joiners": "\u200d\u200c\ufeff".encode(),
    "Arabic digits": "٣".encode(),
    "underscored": b"1_0",
    "exponent": b"1e999",
    "not a number": b"NaN",
    "infinite": b"-Infinity",
    "negative": b"-1",
    "zero": b"0",
    "plus": b"+1",
    "hexadecimal": b"0x10",
    "float": b"1.0",
    "beyond 64 bits": b"18446744073709551616",
    "5,000 digits": b"9" * 5000,
    "true": b"true",
    "null": b"null",
    "upper id": ID.upper().encode(),
    "bare id": ID.replace("-", "").encode(),
    "braced id": b"{" + ID.encode() + b"}",
    "quote": b"' OR 1=1 --",
    "dollar": b"$1::text; DROP TABLE users",
    "percent": b"%s%n%00%",
    "braces": b"{0.__class__}{{}}",
    "template": b"${jndi:ldap://x}",
    "markup": b"<script>alert(1)</script>",
    "climbing": b"../../../../etc/passwd",
    "encoded climbing": b"..%2f..%5c..%252f",
    "address": b"//evil.test/\\evil.test",
    "long": b"a" * 7000,
    "longer than any": b"a" * 20_000,
    "zalgo": ("e" + "\u0301" * 2000).encode(),
    "emoji": "👩\u200d👩\u200d👧\u200d👦🇸🇦".encode(),
    "plane 16": "\U0010ffff\U000fffff".encode(),
    "commas": b"," * 500,
    "semicolons": b";" * 500,
    "brackets": b"[" * 3000,
}
PATHS = (
    *("/{}", "/api/{}", "/api/generations/{}", "/api/generations/{}/download"),
    *("/api/auth/sessions/{}", "/files/{}", "/previews/{}", "/docs/errors/{}", "/docs/assets/{}"),
    *("/studio/{}", "/studio/assets/{}", "/studio/assets/x/{}"),
)
QUERIES = {
    "/api/generations": (
        *("page", "limit", "search", "style", "sort", "cursor", "liked", "status", "from", "to"),
        *("x", "page=1&page"),
    ),
    "/api/auth/google/callback": ("code", "state", "error"),
    "/api/auth/google/url": ("returnTo",),
    "/api/webhooks/fal": ("a", "t"),
    "/": ("error",),
    "/studio": ("lang", "error", "picture"),
}
HEADERS = (
    *("Authorization", "Cookie", "Idempotency-Key", "If-None-Match", "Accept-Language", "Accept"),
    *("X-Request-Id", "Origin", "Content-Type", "Content-Length", "Content-Encoding", "Host"),
    *("Transfer-Encoding", "X-Forwarded-For", "Sec-Fetch-Site", "Expect", "Range"),
)
# By place: what makes a valid body of it, and the fields that are broken one by one.
BODIES: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "POST /api/generations": (
        {"style": "voxel-3d"},
        (
            *("textPrompt", "style", "inputType", "aspectRatio", "customColors", "seed", "x"),
            *("sourceUploadId", "sourceImageUrl"),
        ),
    ),
    "PATCH /api/generations/{id}": ({}, ("isLiked",)),
    "PATCH /api/user/profile": ({}, ("displayName", "language")),
    "POST /api/auth/google/callback": ({"code": "x", "state": "x"}, ("code", "state")),
}
FORM_FIELDS = ("style", "textPrompt", "customColors", "customColors[]", "seed", "sourceUploadId")
# Whole documents; %s stands where a body's first field does.
DOCUMENTS: dict[str, bytes] = {
    "nothing": b"",
    "not an object": b"[]",
    "a word": b'"x"',
    "null": b"null",
    "a number": b"1",
    "not a number": b'{"%s": NaN}',
    "infinite": b'{"%s": Infinity}',
    "exponent": b'{"%s": 1e999}',
    "5,000 digits": b'{"%s": ' + b"9" * 5000 + b"}",
    "5,000 digits behind the point": b'{"%s": 0.' + b"9" * 5000 + b"}",
    "a negative zero": b'{"%s": -0.0}',
    "deep lists": b'{"%s": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "deep lists, 200,000": b'{"%s": ' + b"[" * 200_000,
    "deep objects": b'{"%s":' * 8000,
    "lone surrogate": b'{"%s": "\\ud800"}',
    "lone surrogate as a name": b'{"\\ud800": "x"}',
    "NUL": b'{"%s": "\\u0000"}',
    "a NUL as it is": b'{"%s": "\0"}',
    "the same name twice": b'{"%s": "a", "%s": 1}',
    "the empty name": b'{"": 1}',
    "two documents": b"{}{}",
    "a comma too many": b'{"%s": "a",}',
    "single quotes": b"{'%s': 'a'}",
    "a comment": b'{/* */"%s": "a"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "no UTF-8": b'{"%s": "\xff\xfe"}',
    "a name of its own": b'{"__proto__": {"x": 1}, "constructor": 1}',
    "a thousand names": json.dumps({f"n{n}": n for n in range(1000)}).encode(),
    "a list of nothing": b'{"%s": [null, null]}',
    "an object": b'{"%s": {"a": {}}}',
}


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """A request as bytes, and what it is called."""

    name: str
    method: str = "GET"
    target: bytes = b"/"
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())
    body: bytes = b""

    def wire(self, token: str) -> bytes:
        given = {name.lower() for name, _ in self.headers}
        usual = {
            b"Host": b"x",
            b"Authorization": b"Bearer " + token.encode(),
            b"Content-Length": str(len(self.body)).encode(),
        }
        lines = [(name, value) for name, value in usual.items() if name.lower() not in given]
        head = b"".join(b"%s: %s\r\n" % pair for pair in (*lines, *self.headers))
        first = b"%s %s HTTP/1.1\r\n" % (self.method.encode(), self.target)
        return first + head + b"Connection: close\r\n\r\n" + self.body


def hostile(generation_id: str) -> Iterator[Hostile]:
    """For somebody whose generation this is."""
    yield from _in_paths()
    yield from _in_queries()
    yield from _in_headers()
    yield from _in_json(generation_id)
    yield from _in_forms()


def _in_paths() -> Iterator[Hostile]:
    for path in PATHS:
        for name, text in TEXTS.items():
            target = path.encode().replace(b"{}", quote_from_bytes(text, safe="").encode())
            yield Hostile(name=f"path {path}: {name}", target=target)
    for name, text in TEXTS.items():
        yield Hostile(name=f"path, as it is: {name}", target=b"/api/generations/" + text)


def _in_queries() -> Iterator[Hostile]:
    for path, names in QUERIES.items():
        method = "POST" if path.startswith("/api/webhooks") else "GET"
        for parameter in names:
            for name, text in TEXTS.items():
                query = f"?{parameter}={quote_from_bytes(text, safe='')}"
                target = f"{path}{query}".encode()
                yield Hostile(
                    name=f"query {path} {parameter}: {name}", method=method, target=target
                )
    for name, text in TEXTS.items():
        target = b"/api/generations?" + quote_from_bytes(text, safe="").encode() + b"=1"
        yield Hostile(name=f"query, a name: {name}", target=target)


def _in_headers() -> Iterator[Hostile]:
    for header in HEADERS:
        for name, text in TEXTS.items():
            pair = (header.encode(), text)
            yield Hostile(
                name=f"header {header}: {name}", target=b"/api/generations", headers=(pair,)
            )
    for cookie in (b"madar", b"madar-sign-in"):
        for name, text in TEXTS.items():
            headers = ((b"Cookie", cookie + b"=" + text), (b"Authorization", b""))
            yield Hostile(
                name=f"cookie {cookie.decode()}: {name}",
                target=b"/api/auth/user",
                headers=headers,
            )


def _in_json(generation_id: str) -> Iterator[Hostile]:
    for place, (valid, fields) in BODIES.items():
        method, path = place.split()
        target = path.replace("{id}", generation_id).encode()
        for name, body in _bodies(valid, fields):
            yield Hostile(
                name=f"{place} {name}",
                method=method,
                target=target,
                headers=((b"Content-Type", b"application/json"),),
                body=body,
            )


def _bodies(valid: dict[str, str], fields: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for wanted in fields:
        for name, text in TEXTS.items():
            # Bytes that are no UTF-8 become lone surrogates here, escaped as JSON allows.
            broken = valid | {wanted: text.decode("utf-8", "surrogateescape")}
            yield f"{wanted}: {name}", json.dumps(broken).encode()
    for name, document in DOCUMENTS.items():
        yield f"document: {name}", document.replace(b"%s", fields[0].encode())


def _in_forms() -> Iterator[Hostile]:
    kind = ((b"Content-Type", b"multipart/form-data; boundary=edge"),)
    for wanted in FORM_FIELDS:
        for name, text in TEXTS.items():
            part = b'--edge\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
            yield Hostile(
                name=f"form {wanted}: {name}",
                method="POST",
                target=b"/api/generations",
                headers=kind,
                body=part % (b"style", b"voxel-3d")
                + part % (wanted.encode(), text)
                + b"--edge--\r\n",
            )
    for name, text in TEXTS.items():
        named = (
            b'--edge\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n\r\nx\r\n'
        )
        yield Hostile(
            name=f"form, a file's name: {name}",
            method="POST",
            target=b"/api/uploads/image",
            headers=kind,
            body=named % text + b"--edge--\r\n",
        )
