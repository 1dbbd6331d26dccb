"""
The control socket, through which runners ask a running engine for something: a unix socket beside the state file, for
the engine's own user and root only. The event bus would not do: any minion may fire events.

A request is one line of JSON, ``{"verb": "reload", ...}``, and so is the answer. :mod:`~salt_eventsd.engine.verbs` has
the verbs.
"""

from __future__ import annotations

import logging
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd.config.folders import make_private
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.redact.error_text import one_line, traceback_text

log = logging.getLogger(__name__)

#: How long a runner waits for an answer. A reload compiles pillar and makes workers.
_ANSWER_SECONDS = 60.0
#: How long the engine waits for a request from somebody who has connected.
_REQUEST_SECONDS = 5.0
_LONGEST_REQUEST = 65_536
#: How long the end of the engine waits for the thread.
_END_SECONDS = 0.5

#: ``verb``, and what that verb takes; :mod:`salt_eventsd.engine.verbs` has the table.
Request = dict[str, Any]
#: Has a ``retcode`` as a runner's: 0 well, 2 not; and ``problems`` or the verb's own keys.
Answer = dict[str, Any]
#: Takes a request and returns the answer.
Handler = Callable[[Request], Answer]


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    turns = 0

    def service_actions(self) -> None:
        """Count the turns of the loop; the server calls this after each wait."""
        self.turns += 1


class Control(threading.Thread):
    """
    Answers requests until :meth:`stop`. Requests are handled one after the other, each once it has been read whole, so
    a client that sends slowly holds up no other.

    :param path: of the socket.
    :param handler: makes the answers; an error it raises is answered as a problem.
    :raises OSError: the socket cannot be made, or another engine has it.
    """

    def __init__(self, path: Path, handler: Handler) -> None:
        super().__init__(name="eventsd-control", daemon=True)
        make_private(path.parent)
        if _answers(path):
            raise FileExistsError(f"{path}: another engine listens there")
        path.unlink(missing_ok=True)
        self._path = path
        with _short(path) as name:
            self._server = _Server(name, _answering(handler), bind_and_activate=False)
            try:
                self._server.server_bind()
                # Before anybody can connect; a umask would be that of all threads.
                os.chmod(name, 0o600)
                self._server.server_activate()
            except OSError:
                self._server.server_close()
                raise

    def run(self) -> None:
        """Answer until stopped."""
        self._server.serve_forever(poll_interval=0.2)

    @property
    def turns(self) -> int:
        """A number that grows as long as the thread does something."""
        return self._server.turns

    def stop(self) -> None:
        """End, and remove the socket, without waiting for a request that is being handled."""
        if self.is_alive():
            # shutdown() waits for the thread of this object; if that hangs, the process must end all the same.
            threading.Thread(target=self._server.shutdown, name="eventsd-control-end", daemon=True).start()
            self.join(_END_SECONDS)
        self._server.server_close()
        self._path.unlink(missing_ok=True)


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
    :param verb: what for.
    :param details: further parts of the request.
    :raises EventsdError: there is no engine, or it does not answer.
    """
    try:
        with _connected(path, _ANSWER_SECONDS) as connection:
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
def answering(state_file: str, handler: Handler) -> Iterator[Control | None]:
    """
    Answer requests as long as the block runs. If the socket cannot be made, the block runs all the same, with None.

    :param state_file: the engine's; the socket is beside it.
    :param handler: makes the answers.
    """
    path = socket_path(state_file)
    try:
        control = Control(path, handler)
    except OSError as exc:
        log.error("eventsd: state_file: the engine cannot listen at %s, so eventsd.reload will not work: %s", path, exc)
        yield None
        return
    control.start()
    try:
        yield control
    finally:
        control.stop()


def _answering(handler: Handler) -> type[socketserver.StreamRequestHandler]:
    one_by_one = threading.Lock()

    class Request(socketserver.StreamRequestHandler):
        timeout = _REQUEST_SECONDS

        def handle(self) -> None:
            # A liveness probe connects and sends nothing.
            with suppress(OSError):
                if line := self.rfile.readline(_LONGEST_REQUEST):
                    with one_by_one:
                        answer = _answer(handler, line)
                    self.wfile.write(msgspec.json.encode(answer) + b"\n")

    return Request


def _answer(handler: Handler, line: bytes) -> Answer:
    try:
        return handler(msgspec.json.decode(line, type=dict[str, Any]))
    except msgspec.DecodeError:
        return {"problems": ["eventsd: a request is one line of JSON"], "retcode": 2}
    except Exception as exc:
        log.error("eventsd: a request failed: %s", one_line(exc))
        log.debug("eventsd: %s", traceback_text(exc))
        return {"problems": [f"eventsd: {one_line(exc)}"], "retcode": 2}


def _answers(path: Path) -> bool:
    try:
        with _connected(path, 1.0):
            return True
    except OSError:
        return False


@contextmanager
def _connected(path: Path, timeout_seconds: float) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, _short(path) as name:
        connection.settimeout(timeout_seconds)
        connection.connect(name)
        yield connection


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """
    Yield a short name of a socket. The system takes no more than 107 bytes; by the descriptor of the socket's folder,
    the name has few, however deep the folder is.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
