"""
Ends the servers of tests that could not: a run that is killed takes down no fixture.

A process of its own, which this one tells over a pipe what it has started. The pipe closes
with whoever holds it, however that ended; what was started and not forgotten is then killed.
Run as a script, so it needs nothing but Python.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

_lock = threading.Lock()
_watchers: list[subprocess.Popen[bytes]] = []  # one, from the first server on


def remember(pid: int) -> None:
    """Have a process and its children killed when this one is gone."""
    _tell(f"+{pid}\n")


def forget(pid: int) -> None:
    """Take back ``remember``: it has ended, and its number may be another's soon."""
    _tell(f"-{pid}\n")


def _tell(line: str) -> None:
    with _lock:
        if not _watchers:
            _watchers.append(_new_watcher())
        pipe = _watchers[0].stdin
        assert pipe is not None
        pipe.write(line.encode())
        pipe.flush()


def _new_watcher() -> subprocess.Popen[bytes]:
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__],
        stdin=subprocess.PIPE,
        start_new_session=True,  # what is typed or sent to the tests' group is not for it
    )
    atexit.register(watcher.communicate)
    return watcher


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process, to its children, and to the group that it leads."""
    for each in family(pid):
        with suppress(ProcessLookupError):
            os.kill(each, number)
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def family(pid: int) -> list[int]:
    """Return a process and its children: PostgreSQL answers each client in a process of its own."""
    found = [pid]
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += family(int(child))
    return found


def main() -> None:
    started: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        started = started | {pid} if line[0] == "+" else started - {pid}
    for pid in started:
        kill(pid)


if __name__ == "__main__":
    main()
