"""End this process when the one that started it is gone, however that happened.

The parent holds the other end of our standard input. When it dies, even by `kill -9`, the
system closes that end and we read end-of-file.
"""

import os
import signal
import threading
import time

LAST_RESORT_S = 30


def end_with_parent() -> None:
    """Watch standard input from a thread; at its end ask this process to stop, as Ctrl-C would."""
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    # os.read, because a daemon thread inside sys.stdin's lock makes the interpreter's exit abort.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_RESORT_S)
    os.kill(os.getpid(), signal.SIGKILL)  # the drain hangs, and nobody is left to notice
