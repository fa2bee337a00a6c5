"""The last step: fetch the picture, measure and encode it, store it, call it completed."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from madar import metrics
from madar.actions.submitting import pause_s
from madar.actions.work import Work
from madar.clients.fal import FalUnreachable, RequestGone, SubmissionRejected
from madar.clients.media import ResultRefused
from madar.db import attempts, generations, purges, styles
from madar.db.generations import Outcome, Timing
from madar.domain import prompts
from madar.domain.failures import FailureCode
from madar.domain.generations import MAX_CUTOUTS, MAX_DECODER_FAILURES
from madar.errors import TooBusy, Unavailable
from madar.imaging.guard import Finalized, PictureRefused

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Files:
    """The three objects of a picture: where they go, and what they are."""

    master_key: str
    result_image_key: str
    thumbnail_key: str
    contents: Mapping[str, bytes]

    @property
    def keys(self) -> dict[str, str]:
        """By the names of their columns."""
        return {
            "master_key": self.master_key,
            "result_image_key": self.result_image_key,
            "thumbnail_key": self.thumbnail_key,
        }


async def finalize(work: Work) -> Outcome | None:
    """Everything may be done twice: the same bytes give the same files under the same keys."""
    outcome = await _finalize(work)
    if outcome is None:
        # Deleted meanwhile, perhaps, and its objects were removed before they were stored.
        async with work.connection() as conn:
            await purges.insert_purges_of_deleted(conn, generation_id=work.claimed.id)
    return outcome


async def _finalize(work: Work) -> Outcome | None:
    url = prompts.picture_url(work.attempt.result)
    assert url
    try:
        picture = await work.resources.media.download(url)
        done = await work.resources.imaging.finalize(picture)
        files = _files_of(work, done)
        if not await _choose(work, files):
            return None
        await _store(work, files)
    except (FalUnreachable, Unavailable, TooBusy) as error:
        return await _come_back(work, str(error))
    except ResultRefused as refused:
        if str(refused) == "gone":
            return await _ask_again(work, url)
        return await work.fail("result_invalid", str(refused))
    except PictureRefused as refused:
        return await _refuse(work, refused)
    return await _complete(work, done, files)


def _files_of(work: Work, done: Finalized) -> _Files:
    def key_for(kind: str, content: bytes, suffix: str) -> str:
        storage = work.resources.storage
        return storage.key_for(str(work.attempt.id), kind, content=content, suffix=suffix)

    master = key_for("master", done.master_png, ".png")
    full = key_for("full", done.full_webp, ".webp")
    thumbnail = key_for("thumbnail", done.thumbnail_webp, ".webp")
    return _Files(
        master_key=master,
        result_image_key=full,
        thumbnail_key=thumbnail,
        contents={master: done.master_png, full: done.full_webp, thumbnail: done.thumbnail_webp},
    )


async def _choose(work: Work, files: _Files) -> bool:
    async with work.connection() as conn:
        return await generations.choose_files(conn, work.claimed, **files.keys)


async def _store(work: Work, files: _Files) -> None:
    for key, content in files.contents.items():
        await work.resources.storage.put(key, content)


async def _come_back(work: Work, why: str) -> Outcome | None:
    log.warning("finalize.postponed", extra={**work.facts, "why": why})
    async with work.connection() as conn:
        await attempts.count_poll(conn, work.claimed, work.attempt)
    return await work.postpone(pause_s(work))


async def _ask_again(work: Work, url: str) -> Outcome | None:
    """The file is not there any more; perhaps the request has another address for it by now."""
    attempt = work.attempt
    assert attempt.endpoint
    assert attempt.request_id
    try:
        result = await work.resources.fal.fetch_result(
            endpoint=attempt.endpoint, request_id=attempt.request_id
        )
    except FalUnreachable as error:
        return await _come_back(work, str(error))
    except (RequestGone, SubmissionRejected):
        result = {}
    newer = prompts.picture_url(result)
    if newer in (None, url):
        log.error("result.gone", extra=work.facts)
        return await work.fail("result_expired", "gone")
    async with work.connection() as conn:
        await attempts.renew_result(conn, work.claimed, attempt, result={"image": {"url": newer}})
    return await _come_back(work, "moved")


async def _may_decode_again(work: Work) -> bool:
    async with work.connection() as conn:
        return await generations.count_stumble(conn, work.claimed) < MAX_DECODER_FAILURES


async def _refuse(work: Work, refused: PictureRefused) -> Outcome | None:
    if refused.reason == "decoder_failed" and await _may_decode_again(work):
        return await _come_back(work, refused.reason)
    if refused.reason == "not_transparent":
        can_repeat = work.attempt.step == "cutout" and work.attempt.successes < MAX_CUTOUTS
        if can_repeat:
            log.info("cutout.repeated", extra=work.facts)
            return await work.cut_out_again()
        return await work.fail("transparency_failed")
    code: FailureCode = "content_policy" if refused.reason == "all_black" else "result_invalid"
    return await work.fail(code, refused.reason)


async def _complete(work: Work, done: Finalized, files: _Files) -> Outcome | None:
    async with work.connection() as conn:
        outcome = await generations.complete_generation(
            conn,
            work.claimed,
            **files.keys,
            file_size_bytes=len(done.master_png),
            image_dimensions={"width": done.width_px, "height": done.height_px},
            transparency=done.transparency.document(),
        )
        if outcome:
            log.info("generation.completed", extra=work.facts)
            metrics.generations_completed.labels(work.claimed.style).inc()
            await styles.update_typical_seconds(conn, style=work.claimed.style)
            _measure(work, await generations.get_timing(conn, id=work.claimed.id))
    return outcome


def _measure(work: Work, timing: Timing | None) -> None:
    if timing and timing.took_s is not None:
        metrics.generation_seconds.labels(work.claimed.style).observe(timing.took_s)
    if timing and timing.late_s is not None:
        metrics.eta_error.observe(timing.late_s)
