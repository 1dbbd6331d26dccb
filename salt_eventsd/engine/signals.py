"""
What signals do to the engine. None ends it but those that ask it to end: Salt's master, its unit and whoever rotates
logs send others, too.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_END = ("SIGTERM", "SIGINT", "SIGQUIT")
#: Those nobody has a use for would end the process.
_HARMLESS = ("SIGPIPE", "SIGUSR2", "SIGALRM")


def install(end: Callable[[], object], reload: Callable[[], object]) -> None:
    """
    Have the engine's signals handled; in the main thread.

    :param end: called in the main thread, again and again if there are several. Salt's own handler ends in
        ``os._exit``, with events still in memory.
    :param reload: called in a thread of its own at SIGHUP.
    """

    def on_end(_number: int, _frame: Any) -> None:
        end()

    def on_hangup(_number: int, _frame: Any) -> None:
        threading.Thread(target=reload, name="eventsd-hangup", daemon=True).start()

    for name in _END:
        signal.signal(getattr(signal, name), on_end)
    signal.signal(signal.SIGHUP, on_hangup)
    # Salt, or who else has started this process, may have a use for these.
    for name in _HARMLESS:
        if not _is_handled(number := getattr(signal, name)):
            signal.signal(number, signal.SIG_IGN)
    if not _is_handled(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, _show)


def _show(_number: int, _frame: Any) -> None:
    """Say in the log where the threads are."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        log.warning("eventsd: thread %s:\n%s", names.get(ident, ident), "".join(traceback.format_stack(frame)))


def _is_handled(number: int) -> bool:
    """Whether a signal has a handler or is ignored, also by what is no Python (faulthandler)."""
    if signal.getsignal(number) not in (signal.SIG_DFL, None):
        return True
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigCgt:", "SigIgn:"))]
        return any(mask >> (number - 1) & 1 for mask in masks)
    return False
