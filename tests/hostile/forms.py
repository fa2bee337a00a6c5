"""Hostile forms around good pictures: names, boundaries, numbers of parts."""

from tests.hostile.case import BOUNDARY, FORM, Case, Cases, Fate, file_case, form, part
from tests.hostile.seeds import seeds


def file_names() -> Cases:
    """No name has any effect; a few tear the form's own header apart."""
    harmless = {
        "traversal": "../../../../etc/passwd",
        "traversal by backslash": "..\\\\..\\\\windows\\\\win.ini",
        "absolute": "/etc/cron.d/x",
        "percent": "%2e%2e%2f%00.png",
        "4 KB": "a" * 4096 + ".png",
        "right to left": "\u202egnp.exe",
        "arabic": "صورة.png",
        "reserved": "CON.png",
        "dots": "...",
        "empty": "",
        "shell": "$(touch x);`id`|x.png",
        "markup": "<img src=x onerror=alert(1)>.png",
    }
    for name, filename in harmless.items():
        yield file_case("file names", name, seeds()["jpeg"], fate="accepted", filename=filename)
    broken = {"nul": "a\0.png", "crlf": "a\r\nX-Evil: 1\r\n\r\nb.png", "quote": 'a"; name="x'}
    for name, filename in broken.items():
        yield file_case("file names", name, seeds()["jpeg"], fate="either", filename=filename)
    heads = {
        "extended": "filename*=UTF-8''%e2%80%ae.png",
        "both": "filename=\"a.png\"; filename*=UTF-8''..%2f..%2fb.png",
        "in another encoding": "filename*=utf-7''+AC8-",
        "twice": 'filename="a.png"; filename="b.svg"',
        "unquoted": "filename=a b.png",
    }
    for name, head in heads.items():
        yield _case("file names", name, form(_part_with(head)), "either")


def forms() -> Cases:
    good = part(seeds()["png rgb"])
    text = part(b"words", None)
    refused: dict[str, bytes] = {
        "two files": form(good, good),
        "another field": form(part(seeds()["jpeg"], field="file")),
        "a field instead": form(text),
        "no part": form(),
        "empty body": b"",
        "wrong boundary": form(good, boundary="other"),
        "no boundary in the body": seeds()["jpeg"],
        "1,001 parts": form(*[part(b"x", None, field=f"f{n}") for n in range(1001)], good),
        "1,001 files": form(*[part(b"x", field=f"f{n}") for n in range(1001)]),
        "part without head": form(b"\r\nwords\r\n"),
        "part without name": form(b"Content-Type: image/png\r\n\r\nx\r\n"),
        "head without end": form(b"Content-Disposition: form-data; name=" + b"a" * 100_000),
        "many heads": form(b"X-Y: z\r\n" * 20_000 + part(seeds()["jpeg"])),
    }
    for name, body in refused.items():
        yield _case("forms", name, body, "refused")
    yield _case("forms", "without end", form(good, is_closed=False), "either")
    more = text.replace(b"image", b"note", 1)
    yield _case("forms", "a field more", form(more, good), "either")
    yield from _nested()
    types: dict[str, Fate] = {
        "multipart/form-data": "refused",
        "multipart/form-data; boundary=": "refused",
        "multipart/form-data; boundary=" + "b" * 5000: "refused",
        "multipart/mixed; boundary=" + BOUNDARY: "refused",
        "application/x-www-form-urlencoded": "refused",
        "image/png": "refused",
        "text/plain": "refused",
        f'MULTIPART/FORM-DATA; BOUNDARY="{BOUNDARY}"': "accepted",
        f"{FORM}; charset=utf-7": "either",
        f"{FORM}; charset=no-such-thing": "either",
        f"{FORM}; boundary=other": "either",
        "": "refused",
        "garbage": "refused",
    }
    for content_type, fate in types.items():
        yield _case("forms", f"type {content_type[:60]}", form(good), fate, content_type)


def _nested() -> Cases:
    inner = form(part(seeds()["jpeg"]), boundary="inner")
    whole = b'Content-Disposition: form-data; name="image"\r\n'
    mixed = whole + b"Content-Type: multipart/mixed; boundary=inner\r\n\r\n" + inner + b"\r\n"
    yield _case("forms", "nested", form(mixed), "refused")
    odd = b"Content-Transfer-Encoding: base64\r\n" + part(seeds()["jpeg"])
    yield _case("forms", "transfer encoding", form(odd), "either")
    yield _case(
        "forms",
        "many fields",
        form(*[part(b"x", None, field=f"f{n}") for n in range(9)]),
        "refused",
    )


def _part_with(head: str) -> bytes:
    opened = f'Content-Disposition: form-data; name="image"; {head}\r\n'.encode()
    return opened + b"Content-Type: image/png\r\n\r\n" + seeds()["jpeg"] + b"\r\n"


def _case(family: str, name: str, body: bytes, fate: Fate, content_type: str = FORM) -> Case:
    return Case(family=family, name=name, body=body, fate=fate, content_type=content_type)
