"""Where pictures are kept: one object is written, read, fetched by a signed link, and removed."""

import re
import time
from collections.abc import Iterable

import httpx

from madar.clients.storage import LINK_LIFE_S, Link, Storage
from madar.commands.checks.findings import Finding, Place, first_line, ok, problem
from madar.errors import MadarError

BUCKET_SETTINGS = ("aws_bucket_name", "aws_access_key_id", "aws_secret_access_key",
                   "aws_region", "aws_endpoint_url")  # fmt: skip
_CODE = re.compile(r"<Code>(\w+)</Code>(?:.*?<Message>(.*?)</Message>)?", re.DOTALL)
# As S3, R2 and Google say it, then Azure.
_ADVICE = {
    "InvalidAccessKeyId": "correct AWS_ACCESS_KEY_ID: the provider does not know this key",
    "InvalidArgument": "correct AWS_ACCESS_KEY_ID: no key of this provider looks so",
    "SignatureDoesNotMatch": "correct AWS_SECRET_ACCESS_KEY: it does not belong to this key",
    "AccessDenied": "allow this key to read, write, list and delete in the bucket",
    "NoSuchBucket": "make the bucket, or correct AWS_BUCKET_NAME",
    "RequestTimeTooSkewed": "set this machine's clock: the provider refuses its time",
    "PermanentRedirect": "correct AWS_REGION: the bucket is elsewhere",
    "AuthorizationHeaderMalformed": "correct AWS_REGION: the bucket is elsewhere",
    "AuthenticationFailed": "correct AWS_SECRET_ACCESS_KEY, or set this machine's clock",
    "ContainerNotFound": "make the container, or correct AWS_BUCKET_NAME",
}
_NO_ADVICE = "check the AWS_… settings and what this key may do in the bucket"


async def look_at_storage(place: Place) -> Iterable[Finding]:
    settings = place.settings
    storage, content = Storage(settings), b"madar doctor"
    key = storage.key_for("doctor", content=content, suffix=".tmp")
    where = str(settings.storage_dir)
    if not storage.is_local:
        where = f"{settings.storage_provider} {settings.aws_bucket_name}"
    began_at = time.monotonic()
    try:
        await storage.put(key, content)
        if await storage.read(key) != content:
            return [problem("storage", f"{where} gives back something else", "look there")]
        fault = await _fault_of_link(place, storage, key, content)
        await storage.delete(key)
    except MadarError as error:
        return [_refused(where, error.__cause__ or error, is_local=storage.is_local)]
    if fault:
        step = "check AWS_ENDPOINT_URL and AWS_REGION, and that the bucket allows signed links"
        return [problem("storage", f"{where}: a signed link is answered with {fault}", step)]
    ms = (time.monotonic() - began_at) * 1000
    return [ok("storage", f"{where}: write, read, signed link, delete in {ms:.0f} ms")]


async def _fault_of_link(place: Place, storage: Storage, key: str, content: bytes) -> str:
    """Of local disk the web process answers for links; here they are only opened again."""
    link = Link(key=key, filename=None, expires_at=storage.next_expiry())
    if storage.is_local:
        token = storage.link(key, None, link.expires_at).rpartition("/")[2]
        return "" if storage.open_link(token) == link else "another object"
    try:
        url = storage.link_into_bucket(link, method="GET", life_s=LINK_LIFE_S)
        answer = await place.ask("GET", url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__  # its words may have the link
    if not answer.is_success:
        code = _CODE.search(answer.text)
        return f"{answer.status_code} {code[1] if code else ''}".strip()
    return "" if answer.content == content else "something else"


def _refused(where: str, error: BaseException, *, is_local: bool) -> Finding:
    if is_local:
        return problem("storage", f"{where}: {first_line(error)}", "let this user write there")
    if found := _CODE.search(str(error)):
        code, words = found.groups()
        text = f"{where}: {code}: {words}" if words else f"{where}: {code}"
        return problem("storage", text, _ADVICE.get(code, _NO_ADVICE))
    if isinstance(error, TimeoutError):
        return problem("storage", f"{where}: no answer in time", "check AWS_ENDPOINT_URL")
    return problem("storage", f"{where}: {first_line(error)}", _NO_ADVICE)
