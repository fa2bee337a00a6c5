"""Send cases one after another and keep what happened, family by family."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from madar.codes import CODES
from tests.hostile.case import Case
from tests.hostile.outputs import faults_of_png, faults_of_webp
from tests.hostile.site import Site

# Below what a person may keep (madar/domain/uploads.py), whatever the pictures are.
_FORGET_AFTER_FILES = 100
_FORGET_AFTER_BYTES = 100 * 2**20
_BUSY, _TRIES = 503, 3


@dataclass
class Tally:
    """What became of one family."""

    sent: int = 0
    accepted: int = 0
    codes: Counter[str] = field(default_factory=Counter[str])
    slowest: tuple[float, str] = (0, "")


@dataclass
class Outcome:
    families: dict[str, Tally] = field(default_factory=dict[str, Tally])
    faults: list[str] = field(default_factory=list[str])
    sent: int = 0
    _files: int = 0
    _bytes: int = 0

    def send(self, site: Site, case: Case) -> None:
        answer, took_s = _patiently(site, case)
        tally = self.families.setdefault(case.family, Tally())
        tally.sent += 1
        tally.slowest = max(tally.slowest, (took_s, case.name))
        self.sent += 1
        is_kept = answer.status_code == 201
        if is_kept:
            tally.accepted += 1
            self._files += 1
            self._bytes += answer.json()["fileSize"]
            wrong = _faults_of_kept(site, answer)
        else:
            code, wrong = _read_refusal(answer)
            tally.codes[code] += 1
        if case.fate == ("refused" if is_kept else "accepted"):
            wrong.append(f"was to be {case.fate}")
        self.faults += [f"{case.title}: {answer.status_code}, {fault}" for fault in wrong]
        if self._files > _FORGET_AFTER_FILES or self._bytes > _FORGET_AFTER_BYTES:
            self.settle(site)

    def settle(self, site: Site) -> None:
        """Look whether a refused file left anything behind, then make room."""
        rows, files = site.kept()
        if (rows, files) != (self._files, 2 * self._files):
            self.faults.append(f"{self._files} accepted, {rows} rows and {files} files kept")
        site.forget()
        self._files, self._bytes = 0, 0


def send_all(site: Site, cases: Iterable[Case]) -> Outcome:
    outcome = Outcome()
    for case in cases:
        outcome.send(site, case)
    outcome.settle(site)
    return outcome


def _patiently(site: Site, case: Case) -> tuple[httpx.Response, float]:
    """As a client that comes again when it is told that the server is busy."""
    for _ in range(_TRIES - 1):
        answer, took_s = site.upload(case.body, case.content_type)
        if answer.status_code != _BUSY:
            return answer, took_s
        time.sleep(int(answer.headers["Retry-After"]))
    return site.upload(case.body, case.content_type)


def _faults_of_kept(site: Site, answer: httpx.Response) -> list[str]:
    told = answer.json()
    picture = site.person.get(told["url"]).content
    thumbnail = site.person.get(told["thumbnailUrl"]).content
    faults = [*faults_of_png(picture), *faults_of_webp(thumbnail)]
    sides = {name: int.from_bytes(picture[at : at + 4]) for name, at in _SIDES}
    if (len(picture), sides) != (told["fileSize"], told["dimensions"]):
        faults.append("another size than told")
    return faults


_SIDES = (("width", 16), ("height", 20))


def _read_refusal(answer: httpx.Response) -> tuple[str, list[str]]:
    if answer.headers.get("content-type") != "application/problem+json":
        return f"status {answer.status_code}", ["no problem document"]
    code: str = answer.json()["code"]
    faults = [] if code in CODES else [f"an unknown code {code}"]
    if not httpx.codes.is_client_error(answer.status_code):
        faults.append("not the client's error")
    return code, faults
