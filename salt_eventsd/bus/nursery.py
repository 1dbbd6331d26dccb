"""
The nursery: a process that starts readers. It was forked before the engine had a thread, a database or a socket.

A fork of a running engine would copy locks that the engine's threads hold, and could hang on any of them. A program
started from scratch would have all of Salt in memory a second time. The nursery shares nearly all its memory with the
engine, sleeps, and forks a reader when it is asked to.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from salt_eventsd.bus.page import Page
from salt_eventsd.bus.reader import Reader
from salt_eventsd.exceptions import EventsdError

_PR_SET_PDEATHSIG = 1
#: How long a fork may take.
_ANSWER_SECONDS = 10.0
#: The request for a reader; the answer is its process id.
_ANOTHER = b"?"
#: Signals that only the engine handles. They reach its whole process group; when the engine ends, so do its processes.
_IGNORED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM")
#: Modules that Salt loads when it reads a bus, in one version or another. Loaded before the fork, they are in memory
#: only once.
_LOADED_LATER = (
    *("salt.transport.tcp", "salt.transport.ipc", "salt.channel.server", "salt.channel.client"),
    *("tornado.platform.asyncio", "tornado.tcpserver", "salt.ext.tornado.platform.asyncio"),
)


class Nursery:
    """
    Forks readers. Make it before there is any thread.

    :param opts: Salt's options, for the readers.
    """

    def __init__(self, opts: Mapping[str, Any]) -> None:
        self.page = Page()
        prctl = _prctl()
        for name in _LOADED_LATER:
            with suppress(ImportError):
                importlib.import_module(name)
        # The garbage collector then leaves these objects alone, so their memory pages stay shared.
        gc.collect()
        gc.freeze()
        self._line, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        engine = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            _in_child(partial(_tend, its, engine, prctl, opts, self.page))
        its.close()
        self._line.settimeout(_ANSWER_SECONDS)

    def reader(self) -> tuple[int, socket.socket]:
        """
        Start a reader; return its process id and the socket its frames come from.

        :raises EventsdError: the nursery is gone.
        """
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with its:
                socket.send_fds(self._line, [_ANOTHER], [its.fileno()])
            if answer := self._line.recv(32):
                return int(answer), ours
            problem = "it has ended"
        except OSError as exc:
            problem = str(exc)
        ours.close()
        raise EventsdError(f"eventsd: no reader of the event bus can be started: {problem}")

    def close(self) -> None:
        """End the nursery, and with it the readers."""
        self._line.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _tend(line: socket.socket, engine: int, prctl: Callable[[int], None], opts: Mapping[str, Any], page: Page) -> None:
    _settle("salt-eventsd: nursery", engine, prctl)
    _keep_only(line.fileno())
    # The system then removes ended readers by itself; nobody waits for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    nursery = os.getpid()
    while True:
        request, handed, _, _ = socket.recv_fds(line, len(_ANOTHER), 1)
        if not request:
            return
        pid = os.fork()
        if not pid:
            _in_child(partial(_read, handed[0], nursery, prctl, opts, page))
        os.close(handed[0])
        line.send(str(pid).encode())


def _read(descriptor: int, nursery: int, prctl: Callable[[int], None], opts: Mapping[str, Any], page: Page) -> None:
    _settle("salt-eventsd: reader", nursery, prctl)
    _keep_only(descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    Reader(opts, socket.socket(fileno=descriptor), page).run()


def _in_child(work: Callable[[], None]) -> None:
    """Run ``work``, then end the process. Nothing of the parent's is tidied up: no exit handler, no caller runs on."""
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def _settle(title: str, parent: int, prctl: Callable[[int], None]) -> None:
    for name in _IGNORED:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    prctl(signal.SIGKILL)
    if os.getppid() != parent:
        # The parent ended before the line above asked the system to end this process with it.
        os._exit(0)
    with suppress(ImportError):
        import setproctitle

        setproctitle.setproctitle(title)


def _keep_only(descriptor: int) -> None:
    """
    Close every file descriptor that is not ours, except the standard three. Each becomes a descriptor of /dev/null, so
    that its number is not used again: an object copied from the parent may still hold the number, and close it.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        number = int(name)
        if number > 2 and number not in (descriptor, nothing):
            with suppress(OSError):
                os.fstat(number)
                os.dup2(nothing, number, inheritable=False)


def _prctl() -> Callable[[int], None]:
    """Return a function that has the system signal this process when its parent ends; it does nothing elsewhere."""
    try:
        function = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return lambda _signal: None

    def at_parents_end(number: int) -> None:
        function(_PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0)

    return at_parents_end
