"""A mail server that keeps what it takes."""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType

from typing_extensions import Self


class MailServer:
    """
    A server on a free port of 127.0.0.1, within a ``with`` block.

    :ivar mails: those that it took: whom each was for, and the mail.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], bytes]] = []
        self._server = _Server(self.mails)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, mails: list[tuple[list[str], bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.mails = mails


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 here")
        given: list[str] = []
        while line := self.rfile.readline().decode().strip():
            word = line.upper()
            if word.startswith("RCPT TO:"):
                given.append(line[8:].strip("<> "))
            if word == "DATA":
                self._say("354 go on")
                self.server.mails.append((given, b"".join(map(_plain, iter(self.rfile.readline, b".\r\n")))))
            self._say("221 bye" if word == "QUIT" else "250 well")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


def _plain(line: bytes) -> bytes:
    """A line that begins with a dot has one more on its way."""
    return line[1:] if line.startswith(b"..") else line
