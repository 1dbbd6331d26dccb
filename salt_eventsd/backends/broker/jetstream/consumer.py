"""A writer's side of JetStream, for one worker."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import unquote

import msgspec
from nats.aio.msg import Msg
from nats.js.api import Header

from salt_eventsd.backends.broker.interface import Delivered, Depth
from salt_eventsd.backends.broker.jetstream import api
from salt_eventsd.backends.broker.jetstream.api import Denied, Missing, ask
from salt_eventsd.backends.broker.jetstream.clock import BrokerClock
from salt_eventsd.backends.broker.jetstream.delivered import JetStreamDelivered
from salt_eventsd.backends.broker.jetstream.link import Link
from salt_eventsd.backends.broker.jetstream.names import MASTER_HEADER, Names, Way, token
from salt_eventsd.backends.broker.jetstream.options import Naming, Source
from salt_eventsd.backends.broker.jetstream.passed import Passed
from salt_eventsd.backends.broker.jetstream.pulling import Pulling
from salt_eventsd.backends.broker.jetstream.session import Session
from salt_eventsd.backends.broker.jetstream.stream import prepared
from salt_eventsd.exceptions import Held

log = logging.getLogger(__name__)

#: After how long a parcel is handed out again that nobody has acknowledged.
REDELIVERY_SECONDS = 30.0
#: How many parcels all writers of a worker may have at once.
_MOST_PENDING = 64
_NANOSECONDS = 10**9


class _Counts(msgspec.Struct, frozen=True):
    subjects: dict[str, int] | None = None
    last_seq: int = 0
    last_ts: str = ""


class _Counted(msgspec.Struct, frozen=True):
    state: _Counts
    ts: str = ""

    def now(self, clock: BrokerClock) -> float:
        """What time it is at the broker."""
        kept = moment(self.state.last_ts) if self.state.last_ts else 0.0
        return clock.now(moment(self.ts) if self.ts else 0.0, self.state.last_seq, kept)


class JetStreamConsumer:
    """
    See :class:`~salt_eventsd.backends.broker.interface.Consumer`.

    :param options: where the servers are.
    :param worker: the name of the worker whose parcels it pulls.
    :param naming: how errors name the options.
    :param redelivery_seconds: after how long a parcel is handed out again that nobody has acknowledged.
    """

    def __init__(
        self,
        options: Source,
        worker: str,
        naming: Naming | None = None,
        redelivery_seconds: float = REDELIVERY_SECONDS,
    ) -> None:
        self._options = options
        self._worker = worker
        self._naming = naming or Naming()
        self._redelivery_seconds = redelivery_seconds
        self._names = Names(options.stream)
        self._lanes = [worker]
        self._session = Session(options, self._naming, self._begin)
        self._pulling: Pulling | None = None
        self._passed = Passed()
        self._clock = BrokerClock()

    def prepare(self, lanes: Sequence[str]) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Consumer`."""
        self._lanes = [self._worker, *lanes]
        self._session.again()
        self._session.run(self._nothing)

    def pull(self, lane: str, most: int, seconds: float) -> list[Delivered]:
        """See :class:`~salt_eventsd.backends.broker.interface.Consumer`."""
        if lane not in self._lanes:
            self.prepare([*self._lanes[1:], lane])
        return self._session.run(lambda link: self._pull(lane, most, seconds), seconds + self._options.timeout)

    def depth(self) -> Depth:
        """See :class:`~salt_eventsd.backends.broker.interface.Consumer`."""
        return self._session.run(self._depth)

    def close(self) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Consumer`."""
        self._session.leave(self._leave)
        self._session.close()

    async def _leave(self, link: Link) -> None:
        """Other writers get at once what is on its way to this one."""
        if self._pulling is not None:
            await self._pulling.leave()

    async def _nothing(self, link: Link) -> None:
        """Connecting was all."""

    async def _begin(self, link: Link) -> None:
        await prepared(link, self._names, self._options, self._naming)
        for lane in self._lanes:
            for way in self._names.ways(self._worker, lane):
                await self._make(link, way)
        if self._pulling is not None:
            await self._pulling.end()
        self._pulling = Pulling(link, self._names.stream, self._redelivery_seconds / 2)

    async def _make(self, link: Link, way: Way) -> None:
        stream = self._names.stream
        ack_wait = round(self._redelivery_seconds * _NANOSECONDS)
        pending = 1 if way.is_ordered else _MOST_PENDING
        try:
            found = await self._info(link, way)
            if found.config.filter_subject != way.subject:
                what = f"the consumer {way.consumer} of {stream} pulls {found.config.filter_subject}, not {way.subject}"
                raise Held(self._naming.problem("stream", what))
            if (found.config.ack_wait, found.config.max_ack_pending) == (ack_wait, pending):
                return
        except Missing:
            pass
        config = {
            "durable_name": way.consumer,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": ack_wait,
            "max_deliver": -1,
            "max_ack_pending": pending,
            "filter_subject": way.subject,
            "replay_policy": "instant",
        }
        try:
            await ask(
                link,
                f"CONSUMER.DURABLE.CREATE.{stream}.{way.consumer}",
                {"stream_name": stream, "config": config},
                api.Consumer,
                self._options.timeout,
            )
        except Denied as exc:
            raise Held(self._naming.problem("stream", f"{stream} gives no consumer {way.consumer}: {exc}")) from exc

    async def _info(self, link: Link, way: Way) -> api.Consumer:
        subject = f"CONSUMER.INFO.{self._names.stream}.{way.consumer}"
        return await ask(link, subject, None, api.Consumer, self._options.timeout)

    async def _pull(self, lane: str, most: int, seconds: float) -> list[Delivered]:
        if self._pulling is None:
            raise Missing("not prepared")
        messages = await self._pulling.pull(self._names.ways(self._worker, lane), most, seconds)
        return [self._delivered(message, lane) for message in messages]

    def _delivered(self, message: Msg, lane: str) -> JetStreamDelivered:
        known = message.metadata
        headers = message.headers or {}
        tokens = message.subject.split(".")
        return JetStreamDelivered(
            headers.get(Header.MSG_ID.value, f"{known.sequence.stream}"),
            lane,
            self._names.is_prio(tokens),
            _master(headers, tokens[-1]),
            message.data,
            known.num_delivered or 1,
            known.timestamp.timestamp(),
            self._session,
            self._names,
            self._worker,
            message.reply,
            self._options.timeout,
        )

    async def _depth(self, link: Link) -> Depth:
        ways = [way for lane in self._lanes for way in self._names.ways(self._worker, lane)]
        infos = [await self._info(link, way) for way in ways]
        stream, subjects = self._names.stream, self._names.of_worker(self._worker)
        wanted = {"subjects_filter": subjects}
        counted = await ask(link, f"STREAM.INFO.{stream}", wanted, _Counted, self._options.timeout)
        by_subject = counted.state.subjects or {}
        unacknowledged = sum(info.num_ack_pending for info in infos)
        waiting = max(0, sum(by_subject.values()) - unacknowledged)
        oldest, now = 0.0, counted.now(self._clock)
        if waiting:
            found = await self._first(link, subjects)
            oldest = max(0.0, now - moment(found.time)) if found else 0.0
        for way, info in zip(ways, infos):
            await self._look_at(link, way, info, sum(by_subject[one] for one in by_subject if way.takes(one)))
        return Depth(waiting, unacknowledged, sum(info.num_redelivered for info in infos), oldest)

    async def _look_at(self, link: Link, way: Way, info: api.Consumer, held: int) -> None:
        """Make a consumer anew that has passed by what is in the stream."""
        is_more = held > info.num_pending + info.num_ack_pending
        first = await self._first(link, way.subject) if is_more else None
        if self._passed.has(way.consumer, info, first.seq if first else 0):
            stream = self._names.stream
            log.warning(
                "eventsd: %s: the consumer %s of %s has passed by parcels that are there; it is made anew",
                self._naming.prefix.rstrip(".") or "source",
                way.consumer,
                stream,
            )
            await ask(link, f"CONSUMER.DELETE.{stream}.{way.consumer}", None, api.Done, self._options.timeout)
            self._session.again()

    async def _first(self, link: Link, subjects: str) -> api.Message | None:
        wanted = {"seq": 1, "next_by_subj": subjects}
        return await api.message(link, self._names.stream, wanted, self._options.timeout)


def _master(headers: Mapping[str, str], told: str) -> str:
    """Who may publish on the subject of one master may not speak for another: the subject counts."""
    named = unquote(headers.get(MASTER_HEADER, ""))
    return named if token(named) == told else told


def moment(text: str) -> float:
    """
    Return a time of JetStream's in seconds since 1970 UTC.

    :param text: in ISO 8601, with up to nine digits behind the second.
    """
    head, _, tail = text.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(f"{head}+00:00").timestamp()
    return whole + (float(f"0.{tail}") if tail.isdigit() else 0.0)
