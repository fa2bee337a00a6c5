"""The child process: one picture at a time from standard input to standard output.

    python -m madar.imaging.child

The parent starts it, see guard.py. It ends when its standard input does.
"""

import os
import sys
from typing import BinaryIO

import pyvips

from madar.imaging import limits, protocol
from madar.imaging.decode import allow_only_known_loaders, vips
from madar.imaging.limits import RESULT_SIDES
from madar.imaging.protocol import Finalized, Frame, PictureRefused
from madar.imaging.renditions import accept_upload, finalize

_WARM_UP_SIDE_PX = RESULT_SIDES.min_side_px


def main() -> None:
    requests, answers = sys.stdin.buffer, _private_output()
    allow_only_known_loaders()
    _warm_up()
    limits.confine()
    while request := protocol.read(requests):
        limits.renew_cpu()
        answers.writelines(answer_to(request).chunks())
        answers.flush()


def answer_to(request: Frame) -> Frame:
    (picture,) = request.parts
    work = finalize if request.facts["task"] == "finalize" else accept_upload
    try:
        return protocol.answer(work(picture))
    except PictureRefused as refused:
        return protocol.refusal(refused)
    except (MemoryError, pyvips.Error) as error:
        return protocol.refusal(PictureRefused("decoder_failed", str(error)))


def _private_output() -> BinaryIO:
    """Keep the pipe for frames alone: what a library prints goes to the log instead."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _warm_up() -> None:
    """Run every encoder and decoder once, so that whatever they open or start is there."""
    black = vips.Image.black(_WARM_UP_SIDE_PX, _WARM_UP_SIDE_PX, bands=4)
    half, part = _WARM_UP_SIDE_PX // 2, _WARM_UP_SIDE_PX // 4
    dot = black.draw_rect([255] * 4, half, half, part, part, fill=True).copy(interpretation="srgb")
    made = finalize(bytes(dot.pngsave_buffer()))
    assert isinstance(made, Finalized)
    for sample in (made.full_webp, bytes(dot.flatten().jpegsave_buffer())):
        accept_upload(sample)


if __name__ == "__main__":
    main()
