"""
The source of a writer: where parcels come from and dead letters go, and how that fares.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from salt_eventsd.backends.broker.interface import Consumer, Letters, Publisher
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.exceptions import Held
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)


class Broker(Protocol):
    """A broker as a writer uses it; dead letters are its own."""

    def consumer(self, worker: str) -> Consumer:
        """
        Return what pulls for a worker.

        :param worker: its name.
        """

    def publisher(self) -> Publisher:
        """Return what puts dead letters back."""

    def dead_letters(self) -> Letters:
        """Return the dead letters of all writers."""

    def close(self) -> None:
        """Close all connections."""


class Source:
    """
    How the broker fares for one worker, and when it may be asked again.

    :param consumer: pulls for the worker.
    :param lanes: the lanes of it whose order matters.
    :param backoff: how long to wait after a failure.
    """

    def __init__(self, consumer: Consumer, lanes: Sequence[str], backoff: Backoff) -> None:
        self.consumer = consumer
        #: Why it cannot be asked, "" if it can.
        self.error = ""
        #: Whether an operator has to act.
        self.is_held = False
        self._lanes = lanes
        self._backoff = backoff
        self._mutex = threading.Lock()
        self._failures = 0
        self._not_before = 0.0
        self._is_prepared = False

    @property
    def wait_seconds(self) -> float:
        """How long to leave it alone."""
        return max(0.0, self._not_before - time.monotonic()) if self._failures else 0.0

    def prepare(self) -> None:
        """
        Have it ready to be pulled from, the first time and after each failure.

        :raises WorkerError: it is not.
        """
        with self._mutex:
            if not self._is_prepared:
                self.consumer.prepare(self._lanes)
                self._is_prepared = True

    def works(self) -> None:
        """Note that it has answered."""
        if not self._failures:
            return
        with self._mutex:
            was, self.error, self.is_held = self._failures, "", False
            self._failures = 0
        if was:
            log.warning("eventsd: source: answers again")

    def failed(self, exc: BaseException) -> None:
        """
        Note that it has not.

        :param exc: why.
        """
        text = said(exc)
        with self._mutex:
            is_new = not self._failures or self.is_held is not isinstance(exc, Held)
            self._failures += 1
            self._is_prepared = False
            self._not_before = time.monotonic() + self._backoff.seconds(self._failures)
            self.error, self.is_held = text, isinstance(exc, Held)
        if is_new:
            log.error("eventsd: %s; what was pulled is kept, and it is tried again", text)


def said(exc: BaseException) -> str:
    """
    Return what an error of the broker says, with the key that it is about.

    :param exc: the error.
    """
    text = one_line(exc)
    return text.removeprefix("eventsd: ") if text.startswith("eventsd: ") else f"source: {text}"
