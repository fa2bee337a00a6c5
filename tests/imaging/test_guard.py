"""The guard: what happens to pictures, children and the parent when something goes wrong."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import uvloop

from madar.errors import TooBusy
from madar.imaging import limits
from madar.imaging.guard import Finalized, Imaging, PictureRefused, open_imaging
from tests.imaging.pictures import ball, hollow_png, photo, png

MIB = 2**20
PICTURE = png(ball(64))


def children() -> list[psutil.Process]:
    """Other tests' processes are ours too, so the children are told by their command."""
    living = [child for child in psutil.Process().children() if child.status() != "zombie"]
    return [child for child in living if "madar.imaging.child" in child.cmdline()]


def with_imaging(
    scenario: Callable[[Imaging], Awaitable[None]],
    *,
    places: int = 1,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    async def run() -> None:
        async with open_imaging(places) as imaging:
            await scenario(imaging)
        assert children() == []

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run())


async def begin(imaging: Imaging, tasks: asyncio.TaskGroup) -> "asyncio.Task[str]":
    """Have a stopped child in the middle of a picture; the task gives the reason of the refusal."""
    await imaging.finalize(PICTURE)
    (child,) = children()
    child.suspend()
    task = tasks.create_task(reason_of(imaging.finalize(PICTURE)))
    # The request is in the pipe after one turn of the loop, and a stopped child does not answer.
    await asyncio.sleep(0)
    return task


async def reason_of(call: Awaitable[object]) -> str:
    try:
        await call
    except PictureRefused as refused:
        return refused.reason
    return "done"


def test_a_process_that_sees_no_picture_starts_no_child() -> None:
    async def scenario(imaging: Imaging) -> None:
        del imaging
        assert children() == []

    with_imaging(scenario)


def test_a_killed_child_refuses_its_picture_and_the_next_call_works() -> None:
    async def scenario(imaging: Imaging) -> None:
        async with asyncio.TaskGroup() as tasks:
            task = await begin(imaging, tasks)
            children()[0].send_signal(signal.SIGKILL)

        assert task.result() == "decoder_failed"
        assert (await imaging.finalize(PICTURE)).width_px == 64

    with_imaging(scenario)


def test_a_child_that_died_while_idle_is_replaced_unnoticed() -> None:
    async def scenario(imaging: Imaging) -> None:
        await imaging.finalize(PICTURE)
        (place,) = imaging._children  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        process = place._process  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        assert process
        process.kill()
        # Nothing outside tells when the loop knows, which is when the guard may know.
        await process.wait()

        assert (await imaging.finalize(PICTURE)).width_px == 64

    with_imaging(scenario)


def test_a_child_without_an_answer_is_killed_and_its_picture_may_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(imaging: Imaging) -> None:
        await imaging.finalize(PICTURE)
        monkeypatch.setattr(limits, "CHILD_WALL_S", 0.05)
        (hung,) = children()
        hung.suspend()
        with pytest.raises(TooBusy):
            await imaging.finalize(PICTURE)
        monkeypatch.undo()
        assert (await imaging.finalize(PICTURE)).width_px == 64
        assert hung.pid not in [child.pid for child in children()]

    with_imaging(scenario)


@pytest.mark.parametrize("loop_factory", [None, uvloop.new_event_loop])
def test_a_cancelled_call_kills_its_child_and_the_next_call_works(
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None,
) -> None:
    async def scenario(imaging: Imaging) -> None:
        async with asyncio.TaskGroup() as tasks:
            task = await begin(imaging, tasks)
            (stopped,) = children()
            task.cancel()

        again = await imaging.accept_upload(png(photo()))
        assert again.width_px == 300
        assert stopped.pid not in [child.pid for child in children()]

    with_imaging(scenario, loop_factory=loop_factory)


def test_four_calls_at_once_share_two_children() -> None:
    async def scenario(imaging: Imaging) -> None:
        pictures = [png(ball(side_px)) for side_px in (64, 80, 96, 112)]
        made = await asyncio.gather(*(imaging.finalize(picture) for picture in pictures))

        assert [done.width_px for done in made] == [64, 80, 96, 112]
        assert len(children()) == 2

    with_imaging(scenario, places=2)


def test_a_refusal_keeps_the_child() -> None:
    async def scenario(imaging: Imaging) -> None:
        await imaging.finalize(PICTURE)
        before = children()
        assert await reason_of(imaging.finalize(b"no picture")) == "not_an_image"
        await imaging.finalize(PICTURE)

        assert children() == before

    with_imaging(scenario)


def test_a_child_is_replaced_when_it_has_served_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PICTURES_PER_CHILD", 2)

    async def scenario(imaging: Imaging) -> None:
        pids: list[int] = []
        for _ in range(3):
            await imaging.finalize(PICTURE)
            pids += [child.pid for child in children()]

        assert pids[0] == pids[1] != pids[2]

    with_imaging(scenario)


def test_a_child_that_keeps_too_much_memory_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(imaging: Imaging) -> None:
        await imaging.finalize(PICTURE)
        before = children()
        monkeypatch.setattr(limits, "KEPT_BYTES_MAX", 0)

        assert (await imaging.finalize(PICTURE)).width_px == 64
        assert before != children()

    with_imaging(scenario)


def test_uploads_beyond_the_line_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINE_BYTES_MAX", 2 * len(PICTURE))

    async def scenario(imaging: Imaging) -> None:
        calls = [imaging.accept_upload(PICTURE) for _ in range(3)]
        made = await asyncio.gather(*calls, return_exceptions=True)

        assert [isinstance(one, TooBusy) for one in made] == [False, False, True]
        assert (await imaging.accept_upload(PICTURE)).width_px == 64

    with_imaging(scenario)


def test_an_upload_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINE_WAIT_S", 0.05)

    async def scenario(imaging: Imaging) -> None:
        async with asyncio.TaskGroup() as tasks:
            busy = await begin(imaging, tasks)
            with pytest.raises(TooBusy) as caught:
                await imaging.accept_upload(PICTURE)
            children()[0].resume()

        assert caught.value.retry_after_s
        assert busy.result() == "done"

    with_imaging(scenario)


def test_without_processes_to_be_had_nobody_blames_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(imaging: Imaging) -> None:
        monkeypatch.setattr("madar.imaging.guard._COMMAND", ("/no/such/program",))
        for call in (imaging.finalize, imaging.accept_upload):
            with pytest.raises(TooBusy):
                await call(PICTURE)
        monkeypatch.undo()

        assert (await imaging.finalize(PICTURE)).width_px == 64

    with_imaging(scenario)


def raw_answer(head: bytes, rest: bytes = b"") -> str:
    answer = len(head).to_bytes(4, "big") + head + rest
    return f"import sys; sys.stdout.buffer.write({answer!r}); sys.stdout.flush(); input()"


@pytest.mark.parametrize(
    "program",
    [
        "print('hello, I am not the child you wanted')",
        "import sys; sys.exit(3)",
        raw_answer(b"{}"),
        raw_answer(b'{"sizes": [1, 1, 1]}', b"abc"),
    ],
    ids=["prints", "exits", "answers without sizes", "answers without facts"],
)
def test_a_child_that_talks_nonsense_fails_only_its_picture(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(imaging: Imaging) -> None:
        assert await reason_of(imaging.finalize(PICTURE)) == "decoder_failed"

        monkeypatch.undo()
        assert (await imaging.finalize(PICTURE)).width_px == 64

    monkeypatch.setattr("madar.imaging.guard._COMMAND", (sys.executable, "-c", program))
    with_imaging(scenario)


def test_what_a_child_complains_about_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(imaging: Imaging) -> None:
        await reason_of(imaging.finalize(PICTURE))

    program = "import sys; sys.stderr.write('libvips is missing')"
    monkeypatch.setattr("madar.imaging.guard._COMMAND", (sys.executable, "-c", program))
    with_imaging(scenario)

    said = [vars(record)["words"] for record in caplog.records if record.msg.endswith("says")]
    assert said == ["libvips is missing"]


def test_an_error_of_the_caller_leaves_nothing_behind() -> None:
    async def scenario(imaging: Imaging) -> None:
        await imaging.finalize(PICTURE)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        with_imaging(scenario)
    assert children() == []


HUGE = hollow_png(5000, 5000, bits=16, has_colour=True, is_interlaced=True)


def test_a_huge_interlaced_picture_does_not_reach_the_parent() -> None:
    parent = psutil.Process()

    async def scenario(imaging: Imaging) -> None:
        await imaging.finalize(PICTURE)
        before_bytes = parent.memory_info().rss
        accepted = await imaging.accept_upload(HUGE)

        assert accepted.width_px == 5000
        assert parent.memory_info().rss - before_bytes < 32 * MIB
        (child,) = children()
        assert child.memory_info().rss < 600 * MIB

    with_imaging(scenario)


def test_a_picture_that_needs_more_memory_than_there_may_be_is_refused() -> None:
    async def scenario(imaging: Imaging) -> None:
        await imaging.finalize(PICTURE)
        (child,) = children()
        child.rlimit(psutil.RLIMIT_DATA, (128 * MIB, 128 * MIB))

        assert await reason_of(imaging.accept_upload(HUGE)) == "decoder_failed"

        assert (await imaging.finalize(PICTURE)).width_px == 64
        assert children() != [child]

    with_imaging(scenario)


def test_a_picture_that_takes_too_much_processor_time_is_refused() -> None:
    async def scenario(imaging: Imaging) -> None:
        await imaging.finalize(PICTURE)
        (child,) = children()
        child.rlimit(psutil.RLIMIT_CPU, (1, 1))

        reason = "done"
        while reason == "done":  # a fast machine decodes it in less than the shortest limit
            assert children() == [child]
            reason = await reason_of(imaging.accept_upload(HUGE))

        assert reason == "decoder_failed"

        assert (await imaging.finalize(PICTURE)).width_px == 64
        assert children() != [child]

    with_imaging(scenario)


def test_a_child_is_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "not for decoders")

    async def look(imaging: Imaging) -> None:
        await imaging.finalize(PICTURE)
        (child,) = children()
        data_bytes = child.rlimit(psutil.RLIMIT_DATA)[0]
        assert 512 * MIB < data_bytes < 640 * MIB
        assert child.rlimit(psutil.RLIMIT_AS)[0] < 2048 * MIB
        assert child.rlimit(psutil.RLIMIT_CPU)[0] <= 12
        assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
        assert child.rlimit(psutil.RLIMIT_NOFILE)[1] <= 8
        assert child.nice() >= 5
        assert "JWT_SECRET" not in child.environ()
        assert "PATH" not in child.environ()

    with_imaging(look)


def test_a_child_ends_with_its_parent() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "madar.imaging.child"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    said, _ = child.communicate(timeout=20)

    assert (child.returncode, said) == (0, b"")


def test_results_are_the_same_from_any_child() -> None:
    made: list[Finalized] = []

    async def scenario(imaging: Imaging) -> None:
        made.append(await imaging.finalize(PICTURE))

    with_imaging(scenario)
    with_imaging(scenario)

    assert made[0] == made[1]
