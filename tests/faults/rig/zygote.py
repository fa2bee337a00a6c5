"""Forks web and worker processes of the product in moments: everything is imported already.

Each is a process of its own with its own loop, connections and children; only what `import` does
is shared. Reads one JSON object a line from standard input, answers with the process's id.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1


def main() -> None:
    # Imported here and not above: whoever only wants to talk to this need not wait for it.
    importlib.import_module("jobs.__main__")
    importlib.import_module("madar.app")

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    answers = os.dup(1)
    os.write(answers, b"ready\n")
    for line in sys.stdin:
        asked = json.loads(line)
        if (pid := os.fork()) == 0:
            os.close(answers)
            _become(asked)
        os.write(answers, f"{pid}\n".encode())


def _become(asked: dict[str, Any]) -> None:
    """Never returns; a process that cannot start says why in its log."""
    from jobs.__main__ import run  # noqa: PLC0415
    from madar.app import serve  # noqa: PLC0415
    from madar.settings import load_settings  # noqa: PLC0415

    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _redirect(Path(asked["log"]))
        settings = load_settings(asked["settings"])
        code = (run if asked["role"] == "worker" else serve)(settings) or 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (words, 1), (words, 2)):
        os.dup2(source, target)


if __name__ == "__main__":
    main()
