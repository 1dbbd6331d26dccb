"""
Pull messages over one connection. The client's own pull subscriptions may hang after a server was restarted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import msgspec
from nats import errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from salt_eventsd.backends.broker.jetstream.api import Missing
from salt_eventsd.backends.broker.jetstream.link import Link
from salt_eventsd.backends.broker.jetstream.names import Way
from salt_eventsd.exceptions import Cut

_NANOSECONDS = 10**9
#: How long waiting requests may take to end when the connection is closed, and the last messages to the server.
_LEAVE_SECONDS = 1.0
_FLUSH_SECONDS = 1
#: How much later than a request ends the server may say so.
_GRACE_SECONDS = 5.0
_HEARTBEAT, _NOBODY = "100", "503"
#: How long the answer may take to a request for what there is now.
_AT_ONCE_SECONDS = 0.5
#: The shortest time for which a server is asked to wait.
_SHORTEST_SECONDS = 0.05


@dataclass
class _Request:
    left: int
    until: float
    got: deque[tuple[float, Msg]] = field(default_factory=deque)
    has_ended: bool = False
    is_gone: bool = False
    subscription: Subscription | None = None


class Pulling:
    """
    The requests for messages over one connection.

    :param link: the connection.
    :param stream: the stream's name.
    :param fresh_seconds: messages that have lain here for longer are left to come again.
    """

    def __init__(self, link: Link, stream: str, fresh_seconds: float) -> None:
        self._link = link
        self._stream = stream
        self._fresh_seconds = fresh_seconds
        # One that waits for the next message, by the consumer's name.
        self._open: dict[str, _Request] = {}
        self._changed = asyncio.Condition()

    async def pull(self, ways: Sequence[Way], most: int, seconds: float) -> list[Msg]:
        """
        Return messages, those of the first way first; none if none came in time.

        :param ways: of one lane.
        :param most: how many at most.
        :param seconds: how long to wait at most.
        :raises Missing: there is no such consumer.
        :raises Cut: nothing is answered.
        """
        for way in ways:
            if found := self._ready(way, most) or (not way.is_ordered and await self._there(way, most)):
                return found
        for way in ways:
            if way.consumer not in self._open:
                self._open[way.consumer] = await self._ask(way, 1, max(seconds, _SHORTEST_SECONDS))
        opened = [self._open[way.consumer] for way in ways]
        if not await self._wait(
            lambda: any(one.got or one.has_ended for one in opened), max(seconds, _SHORTEST_SECONDS)
        ):
            self._require_answers(opened)
        came: list[Msg] = []
        for way in ways:
            came += self._ready(way, most - len(came))
        return came

    async def end(self) -> None:
        """Have the server hand out no more."""
        for request in self._open.values():
            await _end(request)

    def _require_answers(self, opened: Sequence[_Request]) -> None:
        """Fail where the server should have said by now that there is nothing."""
        if any(time.monotonic() > one.until + _GRACE_SECONDS for one in opened if not one.has_ended):
            raise Cut("no answer from JetStream")

    async def leave(self) -> None:
        """Let the requests that wait run out, and give back what they have brought and nobody has taken."""
        if self._link.trouble is not None:
            return
        await self._wait(lambda: all(one.has_ended for one in self._open.values()), _LEAVE_SECONDS)
        for request in self._open.values():
            await _end(request)
            for _, message in request.got:
                await self._link.client.publish(message.reply, b"-NAK")
        self._open.clear()
        await self._link.client.flush(_FLUSH_SECONDS)

    async def _there(self, way: Way, most: int) -> list[Msg]:
        """
        Return what there is now.

        They are asked for one by one: a request for more stays open where a consumer may not hand out as many, and is
        then given the same message again.
        """
        found: list[Msg] = []
        while len(found) < most:
            request = await self._ask(way, 1, 0.0)
            # None of it is answered while writers have as many messages as they may have.
            await self._wait(lambda request=request: request.has_ended, _AT_ONCE_SECONDS)  # type: ignore[misc]  # a default
            await _end(request)
            if request.is_gone:
                raise Missing("a consumer is gone")
            if not request.got:
                break
            found.append(request.got[0][1])
        return found

    def _ready(self, way: Way, most: int) -> list[Msg]:
        """Return what a request that waited has brought."""
        request = self._open.get(way.consumer)
        if request is None:
            return []
        if request.is_gone:
            del self._open[way.consumer]
            raise Missing("a consumer is gone")
        found: list[Msg] = []
        while request.got and len(found) < most:
            came, message = request.got.popleft()
            if time.monotonic() - came < self._fresh_seconds:
                found.append(message)
        if request.has_ended and not request.got:
            del self._open[way.consumer]
        return found

    async def _ask(self, way: Way, most: int, seconds: float) -> _Request:
        request = _Request(most, time.monotonic() + seconds)
        # Messages come with the subject they were published on: their subscription tells which request they answer.
        inbox = self._link.client.new_inbox()
        request.subscription = await self._link.client.subscribe(inbox, cb=partial(self._hear, request))
        body: dict[str, object] = {"batch": most}
        body |= {"expires": round(seconds * _NANOSECONDS)} if seconds else {"no_wait": True}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{way.consumer}"
        await self._link.client.publish(subject, msgspec.json.encode(body), reply=inbox)
        return request

    async def _wait(self, until: Callable[[], bool], seconds: float) -> bool:
        async def fulfilled() -> None:
            async with self._changed:
                await self._changed.wait_for(until)

        waiting = asyncio.ensure_future(fulfilled())
        lost = asyncio.ensure_future(self._link.lost())
        try:
            await asyncio.wait([waiting, lost], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done() and (trouble := self._link.trouble) is not None:
                raise trouble
            return waiting.done()
        finally:
            waiting.cancel()
            lost.cancel()

    async def _hear(self, request: _Request, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status", "") if not message.reply else ""
        if status == _HEARTBEAT:
            return
        if status:
            said = headers.get("Description", "").lower()
            request.has_ended = True
            request.is_gone = status == _NOBODY or "consumer deleted" in said
        else:
            request.got.append((time.monotonic(), message))
            request.left -= 1
            request.has_ended = request.left <= 0
        if request.has_ended:
            await _end(request)
        async with self._changed:
            self._changed.notify_all()


async def _end(request: _Request) -> None:
    """Have the server forget a request."""
    subscription, request.subscription = request.subscription, None
    if subscription is not None:
        with suppress(errors.Error):
            await subscription.unsubscribe()
