"""
The engine's end of the control socket: a thread that answers requests.

The socket is for the engine's own user and root only.
"""

from __future__ import annotations

import logging
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd.config.folders import make_private
from salt_eventsd.engine.control.client import Answer, Request, connected, short_name, socket_path
from salt_eventsd.redact.error_text import one_line, traceback_text

log = logging.getLogger(__name__)

#: How long the engine waits for a request from somebody who has connected.
_REQUEST_SECONDS = 5.0
_LONGEST_REQUEST = 65_536
#: How long the end of the engine waits for the thread.
_END_SECONDS = 0.5

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
        with short_name(path) as name:
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
        with connected(path, 1.0):
            return True
    except OSError:
        return False
