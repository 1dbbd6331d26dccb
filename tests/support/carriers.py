"""Brokers of parcels, for what all of them have to do."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar

import msgspec

from salt_eventsd.backends.broker.interface import Consumer, Letters, Publisher, Sent
from salt_eventsd.backends.broker.jetstream.consumer import JetStreamConsumer
from salt_eventsd.backends.broker.jetstream.letters import JetStreamLetters
from salt_eventsd.backends.broker.jetstream.options import Source, Target
from salt_eventsd.backends.broker.jetstream.publisher import JetStreamPublisher
from salt_eventsd.backends.broker.memory import Memory
from salt_eventsd.config.servers import read_secret
from tests.support.brokers import Nats

#: After how long parcels that nobody acknowledges come again, in the tests.
REDELIVERY_SECONDS = 1.0
WORKER = "history"

Client = TypeVar("Client", JetStreamPublisher, JetStreamConsumer, JetStreamLetters)
_NUMBERS = itertools.count(1)


class Carrier(Protocol):
    """A broker."""

    def publisher(self, **options: Any) -> Publisher:
        """Return a client for a master."""

    def consumer(self, worker: str = WORKER) -> Consumer:
        """Return a client for a writer."""

    def letters(self) -> Letters:
        """Return a client for dead letters."""

    def wipe(self) -> None:
        """Lose all parcels."""

    def close(self) -> None:
        """Close the clients."""


class InMemory:
    """The broker in memory."""

    def __init__(self) -> None:
        self.broker = Memory(REDELIVERY_SECONDS)

    def publisher(self, **options: Any) -> Publisher:
        """Return a client for a master."""
        return self.broker.publisher()

    def consumer(self, worker: str = WORKER) -> Consumer:
        """Return a client for a writer."""
        return self.broker.consumer(worker)

    def letters(self) -> Letters:
        """Return a client for dead letters."""
        return self.broker

    def wipe(self) -> None:
        """Lose all parcels."""
        self.broker.wipe()

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


class OnJetStream:
    """
    A stream of its own on a server.

    :param server: the server.
    """

    def __init__(self, server: Nats) -> None:
        self.server = server
        self.stream = f"EVENTSD{next(_NUMBERS)}"
        self._clients = ExitStack()
        if not server.running:
            server.start()

    def options(self, **more: Any) -> dict[str, Any]:
        """Return the options of a client."""
        return {"url": self.server.url(), "stream": self.stream, "timeout": 10, **more}

    def publisher(self, **options: Any) -> JetStreamPublisher:
        """Return a client for a master."""
        target = msgspec.convert(self.options(**options), Target, dec_hook=read_secret)
        return self._closed(JetStreamPublisher(target))

    def consumer(self, worker: str = WORKER) -> JetStreamConsumer:
        """Return a client for a writer."""
        return self._closed(JetStreamConsumer(self._source(), worker, redelivery_seconds=REDELIVERY_SECONDS))

    def letters(self) -> JetStreamLetters:
        """Return a client for dead letters."""
        return self._closed(JetStreamLetters(self._source()))

    def wipe(self) -> None:
        """Lose all parcels."""
        self.ask(lambda js: js.delete_stream(self.stream))

    def ask(self, work: Callable[[Any], Any]) -> Any:
        """Call a function as the administrator."""
        return self.server.ask(work)

    def close(self) -> None:
        """Close the clients, and remove the streams."""
        self._clients.close()
        if not self.server.running:
            self.server.start()

        async def remove(js: Any) -> None:
            for info in await js.streams_info():
                if info.config.name.startswith(self.stream):
                    await js.delete_stream(info.config.name)

        self.server.ask(remove)

    def _source(self) -> Source:
        return msgspec.convert(self.options(), Source, dec_hook=read_secret)

    def _closed(self, client: Client) -> Client:
        self._clients.callback(client.close)
        return client


def sent(number: int, lane: str = WORKER, *, worker: str = WORKER, prio: bool = False, master: str = "master1") -> Sent:
    """Return a parcel to publish, with a number as its id and body."""
    return Sent(str(number), worker, lane, prio, master, b"%d" % number)
