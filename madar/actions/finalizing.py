"""The last step: fetch the picture, measure and encode it, store it, call it completed."""

import logging
from dataclasses import asdict

from madar.actions.submitting import pause_s
from madar.actions.work import Work
from madar.clients.fal import FalUnreachable
from madar.clients.media import ResultRefused
from madar.db import attempts, generations, styles
from madar.db.generations import Outcome
from madar.domain import prompts
from madar.domain.failures import FailureCode
from madar.domain.generations import MAX_CUTOUTS, MAX_DECODER_FAILURES
from madar.errors import Unavailable
from madar.imaging.guard import Finalized, PictureRefused

log = logging.getLogger(__name__)


async def finalize(work: Work) -> Outcome | None:
    """Everything may be done twice: the same bytes give the same files under the same keys."""
    url = prompts.picture_url(work.attempt.result)
    assert url
    try:
        picture = await work.resources.media.download(url)
        done = await work.resources.imaging.finalize(picture)
        keys = await _store(work, done)
    except (FalUnreachable, Unavailable) as error:
        return await _come_back(work, str(error))
    except ResultRefused as refused:
        gone = str(refused) == "gone"
        return await work.fail("result_expired" if gone else "result_invalid", str(refused))
    except PictureRefused as refused:
        return await _refuse(work, refused)
    return await _complete(work, done, keys)


async def _store(work: Work, done: Finalized) -> tuple[str, str, str]:
    storage = work.resources.storage
    files = (
        ("master", done.master_png, ".png"),
        ("full", done.full_webp, ".webp"),
        ("thumbnail", done.thumbnail_webp, ".webp"),
    )
    keys: list[str] = []
    for kind, content, suffix in files:
        key = storage.key_for(str(work.attempt.id), kind, content=content, suffix=suffix)
        await storage.put(key, content)
        keys.append(key)
    master, full, thumbnail = keys
    return master, full, thumbnail


async def _come_back(work: Work, why: str) -> Outcome | None:
    log.warning("finalize.postponed", extra={**work.facts, "why": why})
    async with work.connection() as conn:
        await attempts.count_poll(conn, work.attempt)
    return await work.postpone(pause_s(work))


async def _refuse(work: Work, refused: PictureRefused) -> Outcome | None:
    if refused.reason == "decoder_failed" and work.attempt.polls < MAX_DECODER_FAILURES:
        return await _come_back(work, refused.reason)
    if refused.reason == "not_transparent":
        can_repeat = work.attempt.step == "cutout" and work.attempt.successes < MAX_CUTOUTS
        if can_repeat:
            log.info("cutout.repeated", extra=work.facts)
            return await work.cut_out_again()
        return await work.fail("transparency_failed")
    code: FailureCode = "content_policy" if refused.reason == "all_black" else "result_invalid"
    return await work.fail(code, refused.reason)


async def _complete(work: Work, done: Finalized, keys: tuple[str, str, str]) -> Outcome | None:
    master, full, thumbnail = keys
    async with work.connection() as conn:
        outcome = await generations.complete_generation(
            conn,
            work.claimed,
            master_key=master,
            result_image_key=full,
            thumbnail_key=thumbnail,
            file_size_bytes=len(done.master_png),
            image_dimensions={"width": done.width_px, "height": done.height_px},
            transparency=asdict(done.transparency),
        )
        if outcome:
            log.info("generation.completed", extra=work.facts)
            await styles.update_typical_seconds(conn, style=work.claimed.style)
    return outcome
