"""
Write a parcel in a process of its own.

A parcel that was delivered often may be what ends writers, or it may only have waited out their restarts. Its next try
goes into a process of its own: if the parcel ends that, it is set aside whole, and the writer lives. Whatever else such
a try finds, the writer finds as well in the next one.

The process is this module: it reads what it is to write from its standard input, and says a line when it begins to
write and one when it has ended.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from typing import Any

import msgspec

from salt_eventsd.backends.broker.interface import Delivered
from salt_eventsd.dispatch.settle import Suspicion
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.workers.load import load_modules
from salt_eventsd.workers.write import Worker
from salt_eventsd.writer.carry.attempt import Attempt
from salt_eventsd.writer.carry.pulled import Pulled
from salt_eventsd.writer.config import read
from salt_eventsd.writer.plan import planned

#: How long such a process may take.
_SECONDS = 300.0
_BEGINS, _ENDS = b"begins\n", b"ends\n"


class Alone:
    """
    Has parcels written in processes of their own.

    :param path: the configuration's file.
    :param seconds: how long one may take.
    """

    def __init__(self, path: str, seconds: float = _SECONDS) -> None:
        self._path = path
        self._seconds = seconds

    def __call__(self, pulled: Pulled, _writer: Worker) -> str:
        """
        Have a parcel written, and return why it is to be set aside, "" if it is not.

        :param pulled: the parcel.
        """
        one = pulled.delivered
        given = {
            "worker": pulled.worker,
            "id": one.id,
            "lane": one.lane,
            "prio": one.prio,
            "master": one.master,
            "body": base64.b64encode(one.body).decode(),
            "deliveries": one.deliveries,
            "kept": one.kept,
        }
        command = [sys.executable, "-m", __name__, self._path]
        try:
            done = subprocess.run(
                command,
                input=msgspec.json.encode(given),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=self._seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            # There are no more processes to be had, or the backend hangs: the parcel is not to blame.
            return ""
        if _BEGINS not in done.stdout or _ENDS in done.stdout or done.returncode == -signal.SIGTERM:
            return ""
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
        return f"it ends the process that writes it ({how}), and was delivered {one.deliveries} times"


def main(path: str) -> None:
    """
    Write what standard input has.

    :param path: the configuration's file.
    """
    given: dict[str, Any] = msgspec.json.decode(sys.stdin.buffer.read())
    name = given.pop("worker")
    copy = Delivered(**{**given, "body": base64.b64decode(given["body"])})
    config = read(path)
    writers = planned(name, config, load_modules(config.opts)).writers
    writer = writers.of(copy.master)
    _say(_BEGINS)
    try:
        pulled = Pulled(copy, name)
        if not pulled.broken:
            Attempt([pulled]).write(writer, Suspicion())
    except (EventsdError, OSError):
        # The writer's next try says it again, and says it aloud.
        pass
    _say(_ENDS)


def _say(line: bytes) -> None:
    os.write(sys.stdout.fileno(), line)


if __name__ == "__main__":
    main(sys.argv[1])
