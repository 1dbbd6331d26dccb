"""A connection to NATS, on an event loop. Errors that come outside of a call are noted and raised by the next one."""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from salt_eventsd.backends.broker.jetstream.access import Access, Unusable, arguments
from salt_eventsd.exceptions import Cut, Transient
from salt_eventsd.redact.error_text import one_line

#: How long closing a connection may take.
CLOSE_SECONDS = 2.0


class Answer(msgspec.Struct, frozen=True):
    """
    What a stream answers to a message.

    :param code: 0 if the stream has taken it, else JetStream's number of the error (``err_code``) or :data:`NOBODY`.
    :param description: of the error.
    :param sequence: its number in the stream.
    :param is_double: whether the stream had it already.
    """

    code: int = 0
    description: str = ""
    sequence: int = 0
    is_double: bool = False


class _Error(msgspec.Struct, frozen=True):
    err_code: int = -1
    description: str = ""


class _Said(msgspec.Struct, frozen=True):
    error: _Error | None = None
    seq: int = 0
    duplicate: bool = False


#: No stream takes the subject, or the stream is away just now.
NOBODY = 503


class Link:
    """
    A connection.

    :param options: of the worker.
    """

    def __init__(self, options: Access) -> None:
        self._options = options
        self._disturbed = asyncio.Event()
        self._error: Exception | None = None
        self.client = Client()
        self.streams = self.client.jetstream(timeout=options.timeout)
        self._inbox = ""
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    @classmethod
    async def to_first(cls, options: Access, *, shuffled: bool = False) -> Link:
        """
        Connect to the first server that answers.

        :param options: of the worker.
        :param shuffled: begin with any of them.
        """
        problem: Exception = Transient("no server")
        # The client limits each step of connecting, and not all of them together. With this limit a server that hangs
        # leaves time for the others, and for the batch.
        limit = options.timeout / (len(options.url) + 1)
        for url in random.sample(list(options.url), len(options.url)) if shuffled else options.url:
            link = cls(options)
            try:
                await asyncio.wait_for(link.client.connect(str(url), **link._arguments()), limit)
            except Exception as exc:
                problem = link._reason(link._error or exc)
                await link.close()
            else:
                return link
        raise problem

    async def send(self, subject: str, payload: bytes, headers: dict[str, str]) -> asyncio.Future[Answer]:
        """
        Send a message, and return a future of the stream's answer.

        The client's own method for this (``publish_async``) loses answers that are errors.

        :param subject: of the message.
        :param payload: of the message.
        :param headers: of the message.
        """
        if not self._inbox:
            inbox = self.client.new_inbox()
            await self.client.subscribe(f"{inbox}.*", cb=self._take)
            self._inbox = inbox
        number = str(next(self._numbers))
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self.client.publish(subject, payload, reply=f"{self._inbox}.{number}", headers=headers)
        return answer

    async def answered(self, answers: Iterable[asyncio.Future[Answer]]) -> None:
        """
        Wait until all answers have come.

        :param answers: from :meth:`send`.
        :raises Exception: some of them will never come, and why.
        """
        todo: asyncio.Future[Any] = asyncio.gather(*answers, return_exceptions=True)
        disturbed: asyncio.Future[Any] = asyncio.ensure_future(self._disturbed.wait())
        done, _ = await asyncio.wait(
            [todo, disturbed], timeout=self._options.timeout, return_when=asyncio.FIRST_COMPLETED
        )
        disturbed.cancel()
        if todo not in done:
            todo.add_done_callback(lambda _: todo.cancelled() or todo.exception())
            todo.cancel()
            raise self._error or Cut("no acknowledgement in time")

    async def request(self, subject: str, payload: bytes, seconds: float) -> Msg:
        """
        Send a message, and return what is answered.

        :param subject: of the message.
        :param payload: of the message.
        :param seconds: how long the answer may take.
        :raises Exception: none came in time, or none will come, and why.
        """
        asked = asyncio.ensure_future(self.client.request(subject, payload, timeout=seconds))
        disturbed = asyncio.ensure_future(self._disturbed.wait())
        try:
            await asyncio.wait([asked, disturbed], return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                raise self._error or Cut("the connection was lost")
            return await asked
        finally:
            asked.cancel()
            disturbed.cancel()

    async def lost(self) -> None:
        """Wait until nothing more will come over this connection."""
        await self._disturbed.wait()

    @property
    def trouble(self) -> Exception | None:
        """Why nothing more will come over this connection; None if it is well."""
        if self._disturbed.is_set() or not self.client.is_connected:
            return self._error or Cut("the connection was lost")
        return None

    async def _take(self, message: Msg) -> None:
        answer = self._waiting.pop(message.subject.rpartition(".")[2], None)
        if answer is None or answer.done():
            return
        if message.headers and message.headers.get("Status") == str(NOBODY):
            answer.set_result(Answer(NOBODY))
            return
        said = msgspec.json.decode(message.data, type=_Said)
        if said.error is None:
            answer.set_result(Answer(sequence=said.seq, is_double=said.duplicate))
        else:
            answer.set_result(Answer(said.error.err_code, said.error.description))

    def _reason(self, exc: Exception) -> Exception:
        """
        Return why there is no connection. A server that does not accept our certificate closes it; what the client
        makes of that depends on which of the two is faster.
        """
        wants_certificate = (self.client._server_info or {}).get("tls_verify")
        is_closed = isinstance(exc, (ConnectionError, ssl.SSLError)) or "Connection" in type(exc).__name__
        if not wants_certificate or not is_closed or isinstance(exc, ssl.SSLCertVerificationError):
            return exc
        path = self._options.cert_file
        if path is None:
            return Unusable("cert_file", "missing; the server wants a certificate")
        return Unusable("cert_file", f"the server does not accept {path}: {one_line(exc)}")

    async def close(self) -> None:
        """Close the connection, whatever state it is in."""
        with suppress(Exception):
            await asyncio.wait_for(self.client.close(), CLOSE_SECONDS)

    def _arguments(self) -> dict[str, Any]:
        options = self._options
        return {
            **arguments(options),
            "name": "salt-eventsd",
            # The next batch makes a new connection. The client would keep what it could not send, and send it later.
            "allow_reconnect": False,
            # For the first connection, too; 0 would mean without end.
            "max_reconnect_attempts": 1,
            "reconnect_time_wait": 0,
            "connect_timeout": options.timeout,
            # Pings find a dead connection that nobody uses.
            "ping_interval": max(1, int(options.timeout)),
            "error_cb": self._note,
            "closed_cb": self._note_end,
        }

    async def _note(self, error: Exception) -> None:
        # The first error is the cause; the others come of the connection's end.
        self._error = self._error or error
        if "permissions violation" in str(error).lower():
            # The server drops the message and never acknowledges it.
            self._disturbed.set()

    async def _note_end(self) -> None:
        self._error = self._error or Cut("the connection was lost")
        self._disturbed.set()
