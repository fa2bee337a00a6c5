"""What it costs to finalize one picture of 1024 × 1024: processor time and memory.

    python bench/finalize.py

The cost is the children's, beside what starting them takes; the parent only passes bytes on.
"""

import asyncio
import os
import resource
from pathlib import Path

from madar.imaging.guard import Finalized, open_imaging
from madar.simulator.renderer import STYLES, Style, render, to_png

SIDE_PX = 1024
ROUNDS = 10
GOAL_MS = 400


def main() -> None:
    for style in STYLES:
        picture = drawn(style)
        once_s, _, _ = cost_of(picture, rounds=1)
        many_s, done, peak_mib = cost_of(picture, rounds=1 + ROUNDS)
        cpu_ms = (many_s - once_s) / ROUNDS * 1000
        sizes = [len(done.master_png), len(done.full_webp), len(done.thumbnail_webp)]
        kilobytes = " + ".join(f"{size // 1000}" for size in sizes)
        print(
            f"{style:16} {cpu_ms:4.0f} ms of CPU (goal {GOAL_MS}), {kilobytes} kB, "
            f"peak RSS {peak_mib} MiB"
        )
        print(f"{'':16} {done.transparency}")


def drawn(style: Style) -> bytes:
    picture = render("a house", style=style, seed=7, width_px=SIDE_PX, height_px=SIDE_PX)
    return to_png(picture.rgba)


def cost_of(picture: bytes, *, rounds: int) -> tuple[float, Finalized, int]:
    before = children_cpu_s()
    done, peak_mib = asyncio.run(finalized(picture, rounds=rounds))
    return children_cpu_s() - before, done, peak_mib


async def finalized(picture: bytes, *, rounds: int) -> tuple[Finalized, int]:
    async with open_imaging(children=1) as imaging:
        for _ in range(rounds - 1):
            await imaging.finalize(picture)
        return await imaging.finalize(picture), peak_child_mib()


def children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak_child_mib() -> int:
    """Ask the kernel about the living child: what wait4 tells later includes the parent's peak."""
    (child,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split()
    status = Path(f"/proc/{child}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


if __name__ == "__main__":
    main()
