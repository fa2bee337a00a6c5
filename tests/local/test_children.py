"""madar.local.children and supervisor: programs that die, hang or talk too much."""

import asyncio
import sys
from pathlib import Path

import pytest

from madar.local import children
from madar.local.children import Child, KeepsDying, Program
from madar.local.supervisor import Ending, running


def make_child(folder: Path, code: str, said: list[str]) -> Child:
    program = Program(
        name="clerk",
        command=(sys.executable, "-c", code),
        folder=folder,
        variables={},
        log=folder / "logs" / "clerk.log",
    )
    return Child(program, say=said.append, started=lambda: None)


def run_until_the_end(child: Child, said: list[str]) -> Ending:
    async def run() -> Ending:
        ending = Ending()
        async with running([child], ending=ending, say=said.append):
            await asyncio.wait_for(ending.wait(), 30)
        return ending

    return asyncio.run(run())


def test_five_quick_deaths_end_everything_with_the_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE_S", 0.01)
    said: list[str] = []
    child = make_child(tmp_path, "print('no ink'); raise SystemExit(3)", said)

    ending = run_until_the_end(child, said)

    assert isinstance(ending.failure, KeepsDying)
    assert "clerk ended by itself with code 3, 5 times in a row" in str(ending.failure)
    assert "no ink" in str(ending.failure)
    assert len(said) == 4


def test_warnings_reach_the_terminal_and_chatter_does_not(tmp_path: Path) -> None:
    said: list[str] = []
    lines = ["12:00:00 info    tea.ready", "12:00:01 warning ink.low left=3"]
    lines += [f"12:00:02 error   drop n={number}" for number in range(9)]
    code = f"print({chr(10).join(lines)!r}, flush=True); input()"
    child = make_child(tmp_path, code, said)

    async def run() -> None:
        ending = Ending()
        async with running([child], ending=ending, say=said.append):
            while len(said) < 6:
                await ending.pause(0.01)

    asyncio.run(asyncio.wait_for(run(), 20))

    assert said[0] == "clerk: 12:00:01 warning ink.low left=3"
    assert "… 5 more in" in said[5]


def test_one_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "DRAIN_S", 0.2)
    said: list[str] = []
    deaf = (
        "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    )
    child = make_child(tmp_path, deaf, said)

    async def run() -> None:
        ending = Ending()
        async with running([child], ending=ending, say=said.append):
            while "up" not in child.log.last_lines():
                await ending.pause(0.01)

    asyncio.run(asyncio.wait_for(run(), 20))

    assert said == ["clerk did not end within 0.2 s and is killed"]
