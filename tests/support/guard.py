"""
Ends a server when the process that started it has ended in any way: ``python guard.py <pid> <folder>``.

The guard reads its standard input. The owner of the server holds the other end, which the kernel closes even after a
SIGKILL. The guard is a separate program because nothing inside the owner survives that. It imports no module of ours.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys

import psutil

#: How long a server may take to clean up after itself.
_GRACE_SECONDS = 5.0


def tree(pid: int) -> list[psutil.Process]:
    """
    Return a process and all its descendants, the process first; [] if it has ended.

    :param pid: the id of the process.
    """
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def send(processes: list[psutil.Process], number: int) -> None:
    """
    Send a signal to the processes that still run.

    :param processes: from :func:`tree`.
    :param number: the number of the signal.
    """
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def end(processes: list[psutil.Process], number: int, seconds: float) -> None:
    """
    End a server: ask its first process to end, and later kill all that still run.

    :param processes: from :func:`tree`.
    :param number: the signal that asks.
    :param seconds: how long to wait before killing.
    """
    send(processes, signal.SIGCONT)
    send(processes[:1], number)
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    send(alive, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=seconds)


def main(pid: int, folder: str) -> None:
    """
    Wait for the owner to end, then end the server and remove its folder.

    :param pid: the process id of the server.
    :param folder: the folder of the server.
    """
    # Looked up now: later, the pid may belong to another process.
    first = tree(pid)[:1]
    sys.stdin.buffer.read()
    if first and first[0].is_running():
        end(tree(pid), signal.SIGQUIT, _GRACE_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
