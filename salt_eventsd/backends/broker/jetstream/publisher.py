"""A master's side of JetStream."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Sequence
from urllib.parse import quote

import msgspec
from nats.aio.msg import Msg
from nats.js.api import Header

from salt_eventsd.backends.broker.interface import Place, Sent
from salt_eventsd.backends.broker.jetstream.api import Account, Missing, Stream, ask, message
from salt_eventsd.backends.broker.jetstream.link import NOBODY, Answer, Link
from salt_eventsd.backends.broker.jetstream.names import MASTER_HEADER, Names
from salt_eventsd.backends.broker.jetstream.options import Naming, Target
from salt_eventsd.backends.broker.jetstream.session import Session
from salt_eventsd.backends.broker.jetstream.stream import HEADER_BYTES, check, prepared, require_room
from salt_eventsd.backends.broker.parcel import OVERHEAD_BYTES, PART_BYTES
from salt_eventsd.exceptions import Transient

#: How many confirmations are remembered; each is about a hundred bytes.
_MOST_CONFIRMED = 50_000
#: How long a stream may take to keep parcels.
_KEPT_SECONDS = 15.0
#: How often somebody who waits for confirmations makes sure that there is a connection, in seconds.
_LOOK_SECONDS = 1.0


class Confirmation(msgspec.Struct, frozen=True):
    """
    What a writer tells a master.

    :param worker: the worker's name.
    :param ids: of the parcels that are committed.
    """

    worker: str
    ids: list[str]


class JetStreamPublisher:
    """
    See :class:`~salt_eventsd.backends.broker.interface.Publisher`.

    :param options: where the servers are, and what the stream is to be like.
    :param naming: how errors name the options.
    """

    def __init__(self, options: Target, naming: Naming | None = None) -> None:
        self._options = options
        self._naming = naming or Naming()
        self._names = Names(options.stream)
        self._session = Session(options, self._naming, self._begin)
        self._life = ""
        # The highest number in this life; a new message has a higher one.
        self._highest = 0
        self._masters: dict[str, None] = {}
        self._subscribed: set[str] = set()
        self._told = threading.Condition()
        self._confirmed: dict[tuple[str, str], None] = {}
        #: How large a parcel's body may be; right after :meth:`prepare`.
        self.largest = PART_BYTES + OVERHEAD_BYTES

    def prepare(self) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        self._session.again()
        self._session.run(self._nothing)

    def look(self) -> str:
        """
        Return a line that says how the stream is; it is not made.

        :raises WorkerError: it cannot be reached, or is not as it has to be.
        """
        session = Session(self._options, self._naming, self._nothing)
        try:
            return session.run(self._look)
        finally:
            session.close()

    def resume(self, place: Place) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        if not self._life:
            self._life, self._highest = place.life, place.sequence

    def publish(self, parcels: Sequence[Sent]) -> list[Place]:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        self._masters.update(dict.fromkeys(sent.master for sent in parcels))
        return self._session.run(lambda link: self._publish(link, parcels))

    def is_waiting(self, place: Place) -> bool:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        return self._session.run(lambda link: self._is_waiting(link, place))

    def oldest(self) -> Place:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        return self._session.run(self._oldest)

    def confirmed(self, worker: str, ids: Sequence[str], seconds: float) -> set[str]:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        until = time.monotonic() + seconds
        while True:
            with self._told:
                # Without time there is nothing to wait for, and there may be thousands of ids.
                if (left := until - time.monotonic()) > 0:
                    self._told.wait_for(
                        lambda: all((worker, id_) in self._confirmed for id_ in ids), min(left, _LOOK_SECONDS)
                    )
                found = {id_ for id_ in ids if (worker, id_) in self._confirmed}
            if len(found) == len(set(ids)) or time.monotonic() >= until:
                return found
            self._session.run(self._nothing)

    def close(self) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        self._session.close()

    async def _nothing(self, link: Link) -> None:
        """Connecting was all."""

    async def _look(self, link: Link) -> str:
        require_room(link, self._naming)
        try:
            found = await self._stream(link)
        except Missing:
            await ask(link, "INFO", None, Account, self._options.timeout)
            return f"reachable; the stream {self._names.stream} is made with the first batch"
        check(found, self._names, self._options, self._naming)
        return "reachable"

    async def _begin(self, link: Link) -> None:
        self._note(await prepared(link, self._names, self._options, self._naming))
        self.largest = link.client.max_payload - HEADER_BYTES
        self._subscribed = set()
        await self._subscribe(link, self._masters)

    async def _subscribe(self, link: Link, masters: Collection[str]) -> None:
        for master in masters:
            if master not in self._subscribed:
                await link.client.subscribe(self._names.confirmations("", master), cb=self._hear)
                self._subscribed.add(master)

    async def _hear(self, said: Msg) -> None:
        try:
            confirmation = msgspec.json.decode(said.data, type=Confirmation)
        except msgspec.DecodeError:
            return
        with self._told:
            self._confirmed.update(dict.fromkeys((confirmation.worker, id_) for id_ in confirmation.ids))
            while len(self._confirmed) > _MOST_CONFIRMED:
                del self._confirmed[next(iter(self._confirmed))]
            self._told.notify_all()

    def _note(self, stream: Stream) -> None:
        if stream.created != self._life:
            self._life, self._highest = stream.created, 0

    async def _publish(self, link: Link, parcels: Sequence[Sent]) -> list[Place]:
        await self._subscribe(link, list(self._masters))
        before = self._highest
        asked = []
        for sent in parcels:
            subject = self._names.parcels(sent.worker, sent.lane, sent.prio, sent.master)
            headers = {
                Header.MSG_ID.value: sent.id,
                Header.EXPECTED_STREAM.value: self._names.stream,
                MASTER_HEADER: quote(sent.master),
            }
            asked.append(await link.send(subject, sent.body, headers))
        # A leader that dies answers nothing; whatever it has kept is known by its id when it comes again.
        await asyncio.wait_for(link.answered(asked), min(self._options.timeout, _KEPT_SECONDS))
        answers = [one.result() for one in asked]
        for answer in answers:
            self._require_kept(answer)
        new = [answer.sequence for answer in answers if not answer.is_double]
        life = self._life
        if new and min(new) <= before:
            # Another stream numbers from the beginning.
            stream = await self._stream(link)
            check(stream, self._names, self._options, self._naming)
            self._note(stream)
        # What was acknowledged before these were sent had lower numbers, unless the servers have forgotten it.
        is_reused = bool(new) and min(new) <= before and life == self._life
        self._highest = max(new) if is_reused else max([self._highest, *new])
        return [
            Place(self._life, answer.sequence, answer.is_double, is_reused and not answer.is_double)
            for answer in answers
        ]

    def _require_kept(self, answer: Answer) -> None:
        if answer.code == NOBODY:
            raise Missing("nobody takes its subjects")
        if answer.code:
            full = "maximum" in answer.description and "exceeded" in answer.description
            why = "is full" if full else "refuses a parcel"
            raise Transient(f"the stream {self._names.stream} {why}: {answer.description}")

    async def _oldest(self, link: Link) -> Place:
        stream = await self._stream(link)
        return Place(stream.created, stream.state.first_seq)

    async def _stream(self, link: Link) -> Stream:
        return await ask(link, f"STREAM.INFO.{self._names.stream}", None, Stream, self._options.timeout)

    async def _is_waiting(self, link: Link, place: Place) -> bool:
        stream = await self._stream(link)
        self._note(stream)
        if stream.created != place.life:
            return False
        return await message(link, self._names.stream, {"seq": place.sequence}, self._options.timeout) is not None
