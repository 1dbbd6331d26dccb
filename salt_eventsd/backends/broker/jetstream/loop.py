"""A thread with an event loop in it: the client library is asyncio's, and those who use it are threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from nats import errors

from salt_eventsd.backends.broker.jetstream.faults import classify
from salt_eventsd.exceptions import Cut

Result = TypeVar("Result")

#: A coroutine is stopped so long after its own time limit: its own error says more clearly what it waited for.
_GRACE_SECONDS = 0.25


class Loop:
    """The thread; the first call begins it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, Result], seconds: float) -> Result:
        """
        Run a coroutine and return what it does.

        :param work: the coroutine.
        :param seconds: how long it may take.
        :raises WorkerError: it failed.
        """
        with self._mutex:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=[self._loop], name="eventsd-nats", daemon=True).start()
            loop = self._loop
        try:
            return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds + _GRACE_SECONDS), loop).result()
        except (asyncio.TimeoutError, TimeoutError, FutureTimeout) as exc:
            raise Cut(f"no answer in {seconds:g} s") from exc
        except (errors.Error, OSError) as exc:
            raise classify(exc) from exc

    def close(self) -> None:
        """End the thread."""
        with self._mutex:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()
