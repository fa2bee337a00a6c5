"""What a picture may cost: bytes, pixels, and the memory, time and files of the child."""

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Sides:
    """How small and how large a picture may be."""

    min_side_px: int
    max_pixels: int


MAX_RESULT_BYTES = 25 * 2**20
MAX_UPLOAD_BYTES = 10 * 2**20
MAX_PIXELS = 25_000_000
MAX_SIDE_PX = 8192
# Usual progressive files have ten; each scan goes over all pixels again.
MAX_SCANS = 100
MAX_SEGMENTS = 10_000
MAX_EXIF_BYTES = 64 * 2**10
# A photo may be as large as a camera makes it.
UPLOAD_SIDES = Sides(min_side_px=1, max_pixels=MAX_PIXELS)
# The largest picture that is ever asked for has 1024 x 1024; what has more than four times as many
# pixels is somebody else's. It also bounds the master: noise with alpha makes 17 MB of this size,
# and would make 100 MB of a photo's. Below 32 there is nothing that could be looked at.
RESULT_SIDES = Sides(min_side_px=32, max_pixels=2048 * 2048)

CHILD_MEMORY_BYTES = 512 * 2**20
CHILD_CPU_S = 10
# Longer than the processor time: two children on one core each get half of it.
CHILD_WALL_S = 20
PICTURES_PER_CHILD = 200
# What a child keeps of one picture the next one cannot have, so it is replaced beyond this.
KEPT_BYTES_MAX = 160 * 2**20
# Uploads waiting or being decoded hold their bytes; what comes beyond that is to come back later.
LINE_BYTES_MAX = 48 * 2**20
LINE_WAIT_S = 10
BUSY_S = 5
NICENESS = 5

# Address space is only reserved, by malloc's arenas and thread stacks, and costs nothing: it gets
# room above the memory that is written to, which RLIMIT_DATA counts (setrlimit(2), Linux 4.7).
_RESERVED_BYTES = 512 * 2**20


def confine() -> None:
    """Bind this process for good. Call it warm: from here on it opens no file and no socket."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    if sys.platform == "win32":
        return
    # The module is missing on Windows.
    import resource  # noqa: PLC0415

    footprint = _footprint()
    if footprint:
        reserved_bytes, written_bytes = footprint
        _limit(resource.RLIMIT_AS, reserved_bytes + CHILD_MEMORY_BYTES + _RESERVED_BYTES)
        _limit(resource.RLIMIT_DATA, written_bytes + CHILD_MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, _highest_open_file() + 1)


def renew_cpu() -> None:
    """Grant the next picture its seconds; beyond them SIGXCPU ends the process."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415

    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_s = int(usage.ru_utime + usage.ru_stime) + 1
    # Only the soft limit: a lowered hard limit could not be raised for the next picture.
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (used_s + CHILD_CPU_S, hard))


def written_bytes_of(pid: int) -> int:
    """How much another process holds, as RLIMIT_DATA counts it; 0 where nobody tells."""
    footprint = _footprint(str(pid))
    return footprint[1] if footprint else 0


def _limit(kind: int, value: int) -> None:
    """Where the platform does not know a limit, the others and the wall clock still hold."""
    import resource  # noqa: PLC0415

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (value, value))


def _footprint(process: str = "self") -> tuple[int, int] | None:
    """Bytes reserved and bytes of data, as the kernel counts them for the two limits."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text("ascii").split()
    except OSError:
        return None
    # proc(5): field 1 is the total size, field 6 data and stack.
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    return int(pages[0]) * page_bytes, int(pages[5]) * page_bytes


def _highest_open_file() -> int:
    """Find the highest descriptor in use; the one that lists the folder is already closed then."""
    try:
        candidates = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208
    except OSError:
        return 63
    return max(number for number in candidates if _is_open(number))


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
