"""
What each signal does to the engine. SIGTERM, SIGINT and SIGQUIT end it in order, SIGHUP reloads, SIGUSR1 logs where the
threads are. No other signal ends it: Salt's master, its systemd unit and log rotation send some.
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
#: Unless they are handled, these would end the process.
_HARMLESS = ("SIGPIPE", "SIGUSR2", "SIGALRM")


def install(end: Callable[[], object], reload: Callable[[], object]) -> None:
    """
    Install the engine's handlers; only the main thread may.

    :param end: ends the engine; called in the main thread, once for each signal. Salt's own handler would call
        ``os._exit``, with events still in memory.
    :param reload: called at SIGHUP, in a thread of its own.
    """

    def on_end(_number: int, _frame: Any) -> None:
        end()

    def on_hangup(_number: int, _frame: Any) -> None:
        threading.Thread(target=reload, name="eventsd-hangup", daemon=True).start()

    for name in _END:
        signal.signal(getattr(signal, name), on_end)
    signal.signal(signal.SIGHUP, on_hangup)
    # Salt, or whoever has started this process, may have handlers of its own for the others; they stay.
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
    """Say whether a signal has a handler or is ignored; C code (faulthandler) may have installed it."""
    if signal.getsignal(number) not in (signal.SIG_DFL, None):
        return True
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigCgt:", "SigIgn:"))]
        return any(mask >> (number - 1) & 1 for mask in masks)
    return False
