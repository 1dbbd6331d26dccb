"""A connection whose stream was made or checked. What fails because of the connection has a new one made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from nats import errors

from salt_eventsd.backends.broker.jetstream.access import Unusable
from salt_eventsd.backends.broker.jetstream.api import Missing
from salt_eventsd.backends.broker.jetstream.faults import told
from salt_eventsd.backends.broker.jetstream.link import CLOSE_SECONDS, Link
from salt_eventsd.backends.broker.jetstream.loop import Loop
from salt_eventsd.backends.broker.jetstream.options import Naming, Source
from salt_eventsd.exceptions import Cut, Held, Transient, WorkerError

Result = TypeVar("Result")


class Session:
    """
    The connection.

    :param options: where the servers are.
    :param naming: how errors name the options.
    :param prepare: makes or checks what is asked for over a connection, each time there is a new one.
    """

    def __init__(self, options: Source, naming: Naming, prepare: Callable[[Link], Awaitable[None]]) -> None:
        self._options = options
        self._naming = naming
        self._prepare = prepare
        self._loop = Loop()
        self._link: Link | None = None
        self._is_prepared = False
        self._connecting = asyncio.Lock()

    def run(self, work: Callable[[Link], Awaitable[Result]], seconds: float | None = None) -> Result:
        """
        Do something over the connection, and return what comes of it.

        :param work: what to do.
        :param seconds: how long it may take, besides connecting; None for the timeout.
        :raises Transient: it cannot be done just now.
        :raises Held: an operator has to act.
        """
        timeout = self._options.timeout
        return self._loop.run(self._twice(work), timeout + (timeout if seconds is None else seconds))

    def again(self) -> None:
        """Prepare once more, before whatever comes next."""
        self._is_prepared = False

    def leave(self, work: Callable[[Link], Awaitable[None]]) -> None:
        """
        Say the last words over the connection, if there is one; what goes wrong with them is of no matter.

        :param work: says them.
        """

        async def said() -> None:
            if self._link is not None and self._link.trouble is None:
                await work(self._link)

        with suppress(WorkerError):
            self._loop.run(said(), CLOSE_SECONDS)

    def close(self) -> None:
        """Close the connection, and end the thread."""
        if self._link is not None:
            self._loop.run(self._drop(self._link), CLOSE_SECONDS * 2)
        self._loop.close()

    async def _twice(self, work: Callable[[Link], Awaitable[Result]]) -> Result:
        """Do it once more where the stream has gone, and was made anew."""
        try:
            return await self._done(work)
        except Missing:
            self._is_prepared = False
        try:
            return await self._done(work)
        except Missing as exc:
            self._is_prepared = False
            raise Transient(f"the stream {self._options.stream} has gone: {exc}") from exc

    async def _done(self, work: Callable[[Link], Awaitable[Result]]) -> Result:
        link = await self._connected()
        try:
            return await work(link)
        except Missing:
            raise
        except BaseException as exc:
            # Whatever it was, the next try has a new connection: an address may lead elsewhere by now.
            await self._drop(link)
            if isinstance(exc, errors.NoRespondersError):
                raise Transient(f"the stream {self._options.stream} does not answer") from exc
            self._tell(exc)
            raise

    async def _connected(self) -> Link:
        async with self._connecting:
            link = self._link
            if link is not None and link.trouble is not None:
                await self._drop(link)
                link = None
            if link is None:
                try:
                    link = await Link.to_first(self._options, shuffled=True)
                except Exception as exc:
                    self._tell(exc)
                    raise
                self._link, self._is_prepared = link, False
            if not self._is_prepared:
                try:
                    await self._prepare(link)
                except BaseException as exc:
                    await self._drop(link)
                    self._tell(exc)
                    raise
                self._is_prepared = True
            return link

    async def _drop(self, link: Link | None) -> None:
        if link is not None:
            if self._link is link:
                self._link = None
            await asyncio.shield(link.close())

    def _tell(self, exc: BaseException) -> None:
        """
        Say what an error of the client means, and which option an operator has to look at.

        :raises WorkerError: that; nothing is raised for other errors.
        """
        if isinstance(exc, (asyncio.TimeoutError, TimeoutError)):
            raise Cut("no answer in time") from exc
        if not isinstance(exc, (errors.Error, OSError, Unusable)):
            return
        if isinstance(exc, errors.NoRespondersError):
            raise Held(self._naming.problem("url", "the server has no JetStream, or it is not up yet")) from exc
        raise told(exc, self._options, self._naming) from exc
