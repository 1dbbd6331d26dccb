"""
Events into a JetStream stream of NATS: the stream acknowledges each, and drops doubles by their ids.

The client library is asyncio's, so a worker has a thread of its own with an event loop in it. The worker sends all
messages of a batch before it waits for the first acknowledgement. The batch after a lost connection makes a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nats import errors
from nats.js import JetStreamContext
from nats.js.api import Header, StreamConfig
from nats.js.errors import NotFoundError

from salt_eventsd.backends.broker.jetstream.access import Unusable, files
from salt_eventsd.backends.broker.jetstream.faults import told
from salt_eventsd.backends.broker.jetstream.link import CLOSE_SECONDS, Answer, Link
from salt_eventsd.backends.broker.jetstream.loop import Loop
from salt_eventsd.backends.broker.jetstream.options import Naming
from salt_eventsd.backends.connections import renewed_after_failure
from salt_eventsd.backends.nats.faults import is_too_large, refusal
from salt_eventsd.backends.nats.message import Message, message, widest
from salt_eventsd.backends.nats.options import NatsOptions
from salt_eventsd.backends.options import check_file, read_field, read_options, read_template
from salt_eventsd.config.language.fields import Field
from salt_eventsd.config.language.template import Template
from salt_eventsd.exceptions import Cut, Held, WorkerError
from salt_eventsd.workers.isolate import bury, make_each
from salt_eventsd.workers.write import Batch, Context, Refusal

Result = TypeVar("Result")

#: What the headers add to a message besides the stream's name, in bytes.
_HEADER_BYTES = 256


@dataclass(frozen=True)
class _Refused:
    """
    What has become of messages that are in no stream.

    :param too_large: larger than the server or the stream takes.
    :param others: refused for another reason.
    """

    too_large: list[Refusal] = field(default_factory=list)
    others: list[Refusal] = field(default_factory=list)


class Writer:
    """
    The worker.

    :param options: of it.
    :param subject: of an event's message.
    :param value: the field that is sent; None for the whole event.
    :param node_id: the master's (or minion's) id.
    :param naming: how errors name the options.
    """

    def __init__(
        self, options: NatsOptions, subject: Template, value: Field | None, node_id: str, naming: Naming
    ) -> None:
        self._options = options
        self._subject = subject
        self._value = value
        self._node_id = node_id
        self._naming = naming
        self._loop = Loop()
        self._connecting = asyncio.Lock()
        self._link: Link | None = None

    def write(self, batch: Batch) -> None:
        """
        Send a batch and wait for all acknowledgements.

        :param batch: the batch.
        :raises WorkerError: not all messages are in a stream, or it is not known.
        """
        made, refusals = make_each(batch, lambda event: message(event, self._subject, self._value, self._node_id))
        with renewed_after_failure(self._drop):
            refused = self._run(self._send(made)) if made else _Refused()
            bury(batch, [*refusals, *refused.too_large], refused.others)

    def check(self) -> str:
        """
        Return a line that says the server answers and has JetStream.

        :raises WorkerError: it does not, or lacks the stream.
        """
        return self._run(self._ask())

    def close(self) -> None:
        """Close the connection, and end the thread."""
        self._drop()
        self._loop.close()

    def _drop(self) -> None:
        """Close the connection; the next try has one of its own."""
        link, self._link = self._link, None
        if link is not None:
            self._loop.run(link.close(), CLOSE_SECONDS)

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the worker's event loop and return what it does."""
        return self._loop.run(work, self._options.timeout)

    async def _connected(self) -> Link:
        async with self._connecting:
            if self._link is None or not self._link.client.is_connected:
                self._link = None
                link = await self._new_link()
                if self._options.create_stream:
                    try:
                        await self._make_stream(link.streams)
                    except BaseException:
                        await link.close()
                        raise
                self._link = link
            return self._link

    async def _new_link(self) -> Link:
        try:
            return await Link.to_first(self._options)
        except (asyncio.TimeoutError, TimeoutError):
            raise
        except (errors.Error, OSError, Unusable) as exc:
            raise told(exc, self._options, self._naming) from exc

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

    async def _send(self, messages: list[tuple[int, Message]]) -> _Refused:
        """Send messages, and return which of them were refused."""
        link = await self._connected()
        try:
            return await self._send_over(link, messages)
        except WorkerError:
            raise
        except (errors.Error, OSError, Unusable) as exc:
            found = told(exc, self._options, self._naming)
            raise found if isinstance(found, Held) else Cut(str(found)) from exc

    async def _send_over(self, link: Link, messages: list[tuple[int, Message]]) -> _Refused:
        largest = link.client.max_payload
        found = _Refused()
        asked: dict[asyncio.Future[Answer], tuple[int, str, int]] = {}
        stream = self._options.stream
        headers = {} if stream is None else {Header.EXPECTED_STREAM.value: stream}
        overhead = _HEADER_BYTES + len(stream or "")
        for position, (subject, payload, id_) in messages:
            if len(payload) + overhead > largest:
                found.too_large.append((position, f"{len(payload)} bytes are more than the server takes ({largest})"))
            else:
                answer = await link.send(subject, payload, {**headers, Header.MSG_ID.value: id_})
                asked[answer] = (position, subject, len(payload))
        await link.answered(asked)
        for answer, (position, subject, size) in asked.items():
            said = answer.result()
            if await is_too_large(link, said, subject, size):
                found.too_large.append((position, "larger than the stream takes"))
            elif said.code:
                why = await refusal(link, said, subject, stream, self._subject.is_constant)
                found.others.append((position, why))
        return found

    async def _ask(self) -> str:
        link = await self._new_link()
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
    for key, path in files(options):
        check_file(context, key, path)
    subject = read_template(context, "subject", options.subject)
    value = None if options.value is None else read_field(context, "value", options.value)
    return Writer(options, subject, value, context.node_id, Naming(f"workers.{context.name}."))
