"""
The runner's end of the control socket.

A request is one line of JSON, ``{"verb": "reload", ...}``, and so is the answer.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd.exceptions import EventsdError

#: How long a runner waits for an answer. A reload compiles pillar and makes workers.
_ANSWER_SECONDS = 60.0

#: ``verb``, and what that verb takes; :mod:`salt_eventsd.engine.control.verbs` has the table.
Request = dict[str, Any]
#: Has a ``retcode`` as a runner's: 0 well, 2 not; and ``problems`` or the verb's own keys.
Answer = dict[str, Any]


def socket_path(state_file: str | Path) -> Path:
    """
    Return where an engine listens.

    :param state_file: its state file.
    """
    return Path(f"{state_file}.control")


def ask(path: Path, verb: str, **details: Any) -> Answer:
    """
    Ask a running engine for something.

    :param path: from :func:`socket_path`.
    :param verb: one of the table in :mod:`salt_eventsd.engine.control.verbs`.
    :param details: what the verb takes.
    :raises EventsdError: there is no engine, or it does not answer.
    """
    try:
        with connected(path, _ANSWER_SECONDS) as connection:
            connection.sendall(msgspec.json.encode({"verb": verb, **details}) + b"\n")
            with connection.makefile("rb") as file:
                answer: Answer = msgspec.json.decode(file.readline())
                return answer
    except (FileNotFoundError, ConnectionRefusedError):
        raise EventsdError(f"eventsd: no engine answers at {path}: is it running?") from None
    except PermissionError:
        raise EventsdError(f"eventsd: {path} may be used by the engine's user and root only") from None
    except (OSError, msgspec.DecodeError) as exc:
        raise EventsdError(f"eventsd: the engine does not answer at {path}: {exc}") from exc


@contextmanager
def connected(path: Path, timeout_seconds: float) -> Iterator[socket.socket]:
    """
    Connect to a socket as long as the block runs.

    :param path: from :func:`socket_path`.
    :param timeout_seconds: how long each step may take.
    :raises OSError: nobody listens there, or it may not be used.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, short_name(path) as name:
        connection.settimeout(timeout_seconds)
        connection.connect(name)
        yield connection


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """
    Yield a short name of a socket. The system takes no more than 107 bytes; by the descriptor of the socket's folder,
    the name has few, however deep the folder is.

    :param path: the socket's; its folder is there.
    :raises OSError: the folder cannot be opened.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
