"""
Ends a server when the process that started it is gone, however that went: ``python guard.py <pid> <folder>``.

The guard reads its standard input, whose other end the owner holds; the kernel closes that end even after a SIGKILL.
It is a program of its own because nothing inside the owner survives that, and needs no name of ours to import.
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
    Return a process and all its descendants, the process first; [] if it is gone.

    :param pid: of the process.
    """
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def send(processes: list[psutil.Process], number: int) -> None:
    """
    Send a signal to those processes that are still there.

    :param processes: from :func:`tree`.
    :param number: the signal's.
    """
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def end(processes: list[psutil.Process], number: int, seconds: float) -> None:
    """
    End a server: ask its first process, and kill what is left after a while.

    :param processes: from :func:`tree`.
    :param number: the signal that asks.
    :param seconds: the while.
    """
    send(processes, signal.SIGCONT)
    send(processes[:1], number)
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    send(alive, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=seconds)


def main(pid: int, folder: str) -> None:
    """
    Wait for the owner to end, then end the server and remove its folder.

    :param pid: the server's.
    :param folder: the server's.
    """
    # Asked for now, so that the pid cannot have become another process's by the time it is needed.
    first = tree(pid)[:1]
    sys.stdin.buffer.read()
    if first and first[0].is_running():
        end(tree(pid), signal.SIGQUIT, _GRACE_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
