"""
An engine in a process of its own, which a test can kill: ``python -m tests.support.engine <file>``.

Salt's process manager takes up to ten seconds to restart a dead engine; a test can start this one at any time. The file
is JSON: ``master`` is the path of a running master's configuration, ``eventsd`` the engine's own. On SIGUSR2, its main
thread holds Python's global lock for :data:`HELD_SECONDS`. ``EVENTSD_LOG`` is its log level (INFO).
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import salt._logging
import salt.config

from salt_eventsd.engine import process

#: How long the lock is held; ``EVENTSD_HELD_SECONDS`` overrides it.
HELD_SECONDS = int(os.environ.get("EVENTSD_HELD_SECONDS", "20"))


def _hold(_number: int, _frame: Any) -> None:
    # Unlike functions of a CDLL, those of a PyDLL run with the lock held.
    ctypes.PyDLL(None).usleep(HELD_SECONDS * 1_000_000)


def main(path: str) -> None:
    """
    Run the engine until SIGTERM.

    :param path: the path of the file.
    """
    # SIGUSR1 is the engine's own: faulthandler would read the frames of threads that run meanwhile, and now and then
    # crash the process.
    signal.signal(signal.SIGUSR2, _hold)
    given = json.loads(Path(path).read_text(encoding="utf-8"))
    salt._logging.shutdown_temp_handler()
    logging.basicConfig(
        level=os.environ.get("EVENTSD_LOG", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    opts = salt.config.master_config(given["master"])
    opts["eventsd"] = given["eventsd"]
    # The configuration file is that of a master without an engine.
    opts["conf_file"] = ""
    process.run(opts, {})


if __name__ == "__main__":
    main(sys.argv[1])
