"""Frames between parent and child, and what the parent refuses to believe."""

import asyncio
import io
import json
import sys
import tracemalloc
from asyncio.subprocess import PIPE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madar.domain.transparency import Transparency
from madar.imaging import protocol
from madar.imaging.protocol import (
    AcceptedUpload,
    BrokenFrame,
    Finalized,
    Frame,
    PictureRefused,
)

MEASURED = Transparency(
    corner_alpha=0, coverage=0.4, opaque_share=0.3, soft_share=0.2, frame_share=0, haze_share=0
)
FINALIZED = Finalized(
    master_png=b"master",
    full_webp=b"full",
    thumbnail_webp=b"",
    width_px=3,
    height_px=4,
    transparency=MEASURED,
)
ACCEPTED = AcceptedUpload(png=b"png", thumbnail_webp=b"small", width_px=3, height_px=4)


def received(raw: bytes) -> Frame:
    async def receive() -> Frame:
        stream = asyncio.StreamReader()
        stream.feed_data(raw)
        stream.feed_eof()
        return await protocol.receive(stream)

    return asyncio.run(receive())


def sent(frame: Frame) -> bytes:
    return b"".join(frame.chunks())


def headed(head: object) -> bytes:
    raw = json.dumps(head).encode()
    return len(raw).to_bytes(4, "big") + raw


def test_answers_arrive_as_they_were_given() -> None:
    assert protocol.finalized_of(received(sent(protocol.answer(FINALIZED)))) == FINALIZED
    assert protocol.accepted_of(received(sent(protocol.answer(ACCEPTED)))) == ACCEPTED


def test_a_request_arrives_as_it_was_given() -> None:
    stream = io.BytesIO(sent(protocol.request("finalize", b"picture")))

    frame = protocol.read(stream)

    assert frame
    assert (frame.facts["task"], list(frame.parts)) == ("finalize", [b"picture"])
    assert protocol.read(stream) is None


def test_a_refusal_arrives_with_its_reason() -> None:
    frame = received(sent(protocol.refusal(PictureRefused("all_black", "why"))))

    with pytest.raises(PictureRefused) as caught:
        protocol.accepted_of(frame)
    assert (caught.value.reason, caught.value.detail) == ("all_black", "why")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x04null",
        b"\x00\x00\x00\x02\xff\xfe",
        headed([]),
        headed({}),
        headed({"sizes": 3}),
        headed({"sizes": [-1]}),
        headed({"sizes": [2**40]}),
        headed({"sizes": [1, 1, 1, 1]}),
    ],
)
def test_a_lying_head_is_not_believed(raw: bytes) -> None:
    with pytest.raises(BrokenFrame):
        received(raw)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(facts={}),
        Frame(facts={"refused": "no such reason"}),
        Frame(facts={"refused": ["too_large"]}),
        Frame(facts={"width_px": 1, "height_px": 1}, parts=[b"", b"", b""]),
        Frame(facts={"width_px": 1, "height_px": 1, "transparency": []}, parts=[b"", b"", b""]),
        Frame(
            facts={"width_px": 1, "height_px": 1, "transparency": {"odd": 1}},
            parts=[b"", b"", b""],
        ),
    ],
)
def test_an_answer_of_another_shape_is_not_believed(frame: Frame) -> None:
    with pytest.raises(BrokenFrame):
        protocol.finalized_of(frame)


def test_a_large_part_is_not_held_twice() -> None:
    size = 32 * 2**20
    head = headed({"sizes": [size]})
    program = f"import sys; sys.stdout.buffer.write({head!r} + bytes({size}))"

    async def receive() -> tuple[int, int]:
        command = (sys.executable, "-c", program)
        child = await asyncio.create_subprocess_exec(*command, stdout=PIPE, limit=2**20)
        assert child.stdout
        tracemalloc.start()
        frame = await protocol.receive(child.stdout)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await child.wait()
        return len(frame.parts[0]), peak_bytes

    received_bytes, peak_bytes = asyncio.run(receive())

    assert received_bytes == size
    assert peak_bytes < 1.5 * size


def test_a_part_that_breaks_off_is_known_as_such() -> None:
    with pytest.raises(EOFError):
        received(sent(Frame(facts={}, parts=[b"picture"]))[:-1])


@given(st.binary(max_size=200))
def test_any_bytes_give_a_frame_or_a_known_failure(raw: bytes) -> None:
    try:
        received(raw)
    except (BrokenFrame, EOFError):
        return
