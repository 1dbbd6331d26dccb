"""A parcel that a writer has pulled from JetStream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from salt_eventsd.backends.broker.interface import Delivered
from salt_eventsd.backends.broker.jetstream.api import ANSWER_SECONDS
from salt_eventsd.backends.broker.jetstream.link import Link
from salt_eventsd.backends.broker.jetstream.names import Names
from salt_eventsd.backends.broker.jetstream.publisher import Confirmation
from salt_eventsd.backends.broker.jetstream.session import Session

_NANOSECONDS = 10**9
_DONE, _WORKING, _BACK = b"+ACK", b"+WPI", b"-NAK"


class Back(msgspec.Struct, frozen=True):
    """How a parcel is given back; ``delay`` is in nanoseconds."""

    delay: int


@dataclass(frozen=True)
class JetStreamDelivered(Delivered):
    """
    See :class:`~salt_eventsd.backends.broker.interface.Delivered`.

    :param session: over which it is acknowledged.
    :param names: of its stream.
    :param worker: the name of the worker it is for.
    :param reply: where JetStream is told of it.
    :param timeout: how long that may take, in seconds.
    """

    session: Session
    names: Names
    worker: str
    reply: str
    timeout: float

    def working(self) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Delivered`."""
        self.session.run(self._sends(_WORKING))

    def done(self) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Delivered`."""
        self.session.run(self._done)

    def back(self, seconds: float) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Delivered`."""
        delay = msgspec.json.encode(Back(round(seconds * _NANOSECONDS)))
        self.session.run(self._sends(_BACK + (b" " + delay if seconds > 0 else b"")))

    def _sends(self, what: bytes) -> Callable[[Link], Awaitable[None]]:
        async def send(link: Link) -> None:
            await link.client.publish(self.reply, what)
            await link.client.flush(max(1, round(self.timeout)))

        return send

    async def _done(self, link: Link) -> None:
        await link.request(self.reply, _DONE, min(self.timeout, ANSWER_SECONDS))
        told = msgspec.json.encode(Confirmation(self.worker, [self.id]))
        await link.client.publish(self.names.confirmations(self.worker, self.master), told)
        await link.client.flush(max(1, round(self.timeout)))
