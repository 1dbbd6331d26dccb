"""
Workers without a backend: they remember their events, and hang or fail when a test tells them to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Refused
from salt_eventsd.workers.write import Batch


class Recorder:
    """
    Keeps what it writes in memory.

    :param errors: the errors that the first writes raise, in this order; later writes succeed.
    :param bad: the jids of events that it refuses; it writes nothing of such a batch.
    :param refuse: makes the error of a refusal.
    """

    def __init__(
        self,
        errors: Iterable[Exception] = (),
        bad: Iterable[str] = (),
        refuse: Callable[[str], Exception] = Refused,
    ) -> None:
        self.batches: list[list[str]] = []
        self.tries: list[Batch] = []
        self._errors = list(errors)
        self._bad = set(bad)
        self._refuse = refuse
        self._mutex = threading.Lock()

    @property
    def written(self) -> list[str]:
        """The jids of all events written, in order."""
        return [jid for batch in self.batches for jid in batch]

    def write(self, batch: Batch) -> None:
        """Remember a batch."""
        with self._mutex:
            self.tries.append(batch)
            if self._errors:
                raise self._errors.pop(0)
            jids = jids_of(batch.events)
            if refused := sorted(self._bad.intersection(jids)):
                raise self._refuse(f"bad: {', '.join(refused)}")
            self.batches.append(jids)


class Hanging(Recorder):
    """Waits until :attr:`go` is set, and then writes."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.entered = threading.Semaphore(0)

    def write(self, batch: Batch) -> None:
        """Hang, then remember the batch."""
        self.entered.release()
        self.go.wait(30)
        super().write(batch)


def jids_of(events: Iterable[Event]) -> list[str]:
    """Return the jids of events, which differ if :func:`tests.support.events.numbered` made them."""
    return [event.jid for event in events]
