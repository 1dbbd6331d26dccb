"""
Events into a JetStream stream of NATS: each acknowledged by the stream, doubles dropped by their ids.

The client library is asyncio's, so a worker has a thread of its own with an event loop in it. All messages of a batch
are sent before the first acknowledgement is awaited; a connection that is lost is made anew by the next batch.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nats import errors
from nats.js import JetStreamContext
from nats.js.api import Header, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from salt_eventsd.backends.envelope import envelope
from salt_eventsd.backends.ids import event_id
from salt_eventsd.backends.nats.link import NOBODY, Answer, Link
from salt_eventsd.backends.nats.options import NatsOptions
from salt_eventsd.backends.nats.subject import fit_subject, widest
from salt_eventsd.backends.options import check_file, read_field, read_options, read_template
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Cut, Held, Refused, Transient, WorkerError
from salt_eventsd.language.fields import MISSING, Facts, Field, as_text
from salt_eventsd.language.template import Template
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.isolate import bury, make_each
from salt_eventsd.workers.write import Batch, Context, Refusal

Result = TypeVar("Result")

#: Subject, payload and id.
Message = tuple[str, bytes, str]

#: What the headers add to a message besides the stream's name.
_HEADER_BYTES = 256
#: JetStream's codes for a message that is too large for the stream ...
_TOO_LARGE = 10054
#: ... for one whose subject another stream takes ...
_OTHER_STREAM = 10060
#: ... for a limit of the stream, or of one subject in it ...
_STORE_FAILED = 10077
#: ... and for what passes: no leader, no resources, too many requests.
_PASSING = (10008, 10009, 10023, 10026, 10028, 10047, 10118, 10167, _STORE_FAILED)
#: So much later than each wait's own limit, in seconds, which says more clearly what was waited for.
_GRACE = 0.25
_NO_ENTRY = re.compile("authorization|authentication|permissions? violation|credentials|certificate", re.IGNORECASE)


@dataclass(frozen=True)
class _Sent:
    """What has become of messages: those that are too large, and those that are refused for another reason."""

    too_large: list[Refusal] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class Writer:
    """
    The worker.

    :param options: of it.
    :param subject: of an event's message.
    :param value: what is sent of it; None for the whole event.
    :param node_id: the master's (or minion's) id.
    """

    def __init__(self, options: NatsOptions, subject: Template, value: Field | None, node_id: str) -> None:
        self._options = options
        self._subject = subject
        self._value = value
        self._node_id = node_id
        self._mutex = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connecting = asyncio.Lock()
        self._link: Link | None = None

    def write(self, batch: Batch) -> None:
        """
        Send a batch and wait for all acknowledgements.

        :param batch: the batch.
        :raises WorkerError: not all messages are in a stream, or it is not known.
        """
        made, refusals = make_each(batch, self._message)
        try:
            sent = self._run(self._send(made)) if made else _Sent()
            bury(batch, [*refusals, *sent.too_large], sent.refused)
        except WorkerError:
            self._drop()
            raise

    def check(self) -> str:
        """
        Return a line that says the server answers and has JetStream.

        :raises WorkerError: it does not, or lacks the stream.
        """
        return self._run(self._ask())

    def close(self) -> None:
        """Close the connection, and end the thread."""
        with self._mutex:
            loop, self._loop = self._loop, None
        if loop is None:
            return
        self._drop(loop)
        loop.call_soon_threadsafe(loop.stop)

    def _drop(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Close the connection; the next try has one of its own."""
        link, self._link = self._link, None
        if link is not None and (loop := loop or self._loop) is not None:
            asyncio.run_coroutine_threadsafe(link.close(), loop).result()

    def _message(self, event: Event) -> Message:
        """Return an event's subject, payload and id."""
        facts = Facts(event, self._node_id)
        subject = fit_subject(self._subject.render(facts))
        if self._value is None:
            payload = envelope(event, self._node_id)
        elif (value := self._value.of(facts)) is MISSING:
            raise Refused(f"the event has no {self._value.text}")
        else:
            payload = as_text(value).encode()
        return subject, payload, event_id(event, subject)

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        with self._mutex:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=[self._loop], name="eventsd-nats", daemon=True).start()
            loop = self._loop
        try:
            return asyncio.run_coroutine_threadsafe(
                asyncio.wait_for(work, self._options.timeout + _GRACE), loop
            ).result()
        except (asyncio.TimeoutError, TimeoutError, FutureTimeout) as exc:
            raise Cut(f"no answer in {self._options.timeout:g} s") from exc
        except (errors.Error, OSError) as exc:
            raise meaning(exc) from exc

    async def _connected(self) -> Link:
        async with self._connecting:
            if self._link is None or not self._link.client.is_connected:
                self._link = None
                link = await Link.to_first(self._options)
                if self._options.create_stream:
                    try:
                        await self._make_stream(link.streams)
                    except BaseException:
                        await link.close()
                        raise
                self._link = link
            return self._link

    async def _make_stream(self, js: JetStreamContext) -> None:
        options = self._options
        try:
            await js.stream_info(options.stream)
        except NotFoundError:
            await js.add_stream(
                StreamConfig(
                    name=options.stream,
                    subjects=options.subjects or [widest(self._subject)],
                    max_bytes=options.max_bytes,
                    max_age=options.max_age_seconds,
                    duplicate_window=options.duplicate_seconds,
                )
            )

    async def _send(self, messages: list[tuple[int, Message]]) -> _Sent:
        """Send messages, and return those that are refused."""
        link = await self._connected()
        try:
            return await self._send_over(link, messages)
        except WorkerError:
            raise
        except (errors.Error, OSError) as exc:
            found = meaning(exc)
            raise found if isinstance(found, Held) else Cut(str(found)) from exc

    async def _send_over(self, link: Link, messages: list[tuple[int, Message]]) -> _Sent:
        largest = link.client.max_payload
        sent = _Sent()
        asked: dict[asyncio.Future[Answer], tuple[int, str, int]] = {}
        stream = self._options.stream
        headers = {} if stream is None else {Header.EXPECTED_STREAM.value: stream}
        overhead = _HEADER_BYTES + len(stream or "")
        for position, (subject, payload, id_) in messages:
            if len(payload) + overhead > largest:
                sent.too_large.append((position, f"{len(payload)} bytes are more than the server takes ({largest})"))
            else:
                answer = await link.send(subject, payload, {**headers, Header.MSG_ID.value: id_})
                asked[answer] = (position, subject, len(payload))
        await link.answered(asked)
        for answer, (position, subject, size) in asked.items():
            said = answer.result()
            if said.code == _TOO_LARGE or (said.code == _STORE_FAILED and await _exceeds(link, subject, size)):
                sent.too_large.append((position, "larger than the stream takes"))
            elif said.code:
                sent.refused.append((position, await self._verdict(link, said, subject)))
        return sent

    async def _verdict(self, link: Link, answer: Answer, subject: str) -> str:
        """Return why a message is refused for its own sake; raise if it is for another reason."""
        if answer.code == NOBODY:
            with suppress(NotFoundError):
                await link.streams.find_stream_name_by_subject(subject)
                raise Transient(f"the stream for {subject} does not answer")
            why = f"no stream takes the subject {subject}"
        elif answer.code == _OTHER_STREAM:
            why = f"the stream {self._options.stream} does not take the subject {subject}"
        else:
            why = f"the stream for {subject} says: {answer.description}"
            if answer.code in _PASSING and "per subject" not in answer.description:
                raise Transient(why)
        if answer.code in (NOBODY, _OTHER_STREAM) and self._subject.is_constant:
            # One subject for all events: none of them is any better.
            raise Held(why)
        return why

    async def _ask(self) -> str:
        link = await Link.to_first(self._options)
        try:
            await link.streams.account_info()
            if self._options.stream and not self._options.create_stream:
                await link.streams.stream_info(self._options.stream)
        finally:
            await link.close()
        return "reachable"


def make(context: Context) -> Writer:
    """
    Make the worker.

    :param context: its options and its name.
    :raises ConfigError: an option is wrong.
    """
    options = read_options(context, NatsOptions)
    check_file(context, "credentials", options.credentials)
    check_file(context, "ca_file", options.ca_file)
    subject = read_template(context, "subject", options.subject)
    value = None if options.value is None else read_field(context, "value", options.value)
    return Writer(options, subject, value, context.node_id)


def meaning(error: Exception) -> WorkerError:
    """
    Return what an error means for the batch.

    :param error: of the client.
    """
    text = one_line(error)
    configured = (NotFoundError, BadRequestError, errors.NoRespondersError, FileNotFoundError, PermissionError)
    secure = (errors.SecureConnRequiredError, errors.SecureConnWantedError, ssl.SSLCertVerificationError)
    if isinstance(error, (*configured, *secure, errors.AuthorizationError)) or _NO_ENTRY.search(text):
        return Held(text)
    return Transient(text)


async def _exceeds(link: Link, subject: str, size: int) -> bool:
    """Whether a message is larger than all that its stream may hold."""
    try:
        config = (await link.streams.stream_info(await link.streams.find_stream_name_by_subject(subject))).config
    except NotFoundError:
        return False
    return bool(config.max_bytes and 0 < config.max_bytes < size)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()
