"""One replay of a rule at a time on this master: a lock that the system takes back from a process that is killed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salt_eventsd.exceptions import EventsdError


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """
    Hold the lock of a replay.

    :param path: of its file; the folder is made if need be.
    :raises EventsdError: another one holds it, or the file cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise EventsdError(f"eventsd: state_file: {path} cannot be made beside it: {exc.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise EventsdError("another replay of this rule to this worker is running") from None
    try:
        # The file stays: if it were deleted, two might hold locks on two files of one name.
        yield
    finally:
        os.close(handle)
