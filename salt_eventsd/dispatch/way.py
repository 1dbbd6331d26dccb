"""
How the batches of a lane make way for its prio batches: they are small, and none begins while a prio batch is in
flight.

A prio batch waits for one that is being written, in the database or for Python's global lock. Where more waits than a
whole batch takes, throughput comes first, and nothing makes way.
"""

from __future__ import annotations

import time

import msgspec

from salt_eventsd.config.structs import BatchLimits
from salt_eventsd.dispatch.backlog import Backlog
from salt_eventsd.dispatch.flights import Flights

#: A step is so large: it is written in a few milliseconds, also while other threads work.
_STEP_EVENTS, _STEP_BYTES = 100, 2**18
#: For how long batches wait for prio batches in a row.
_LONGEST_SECONDS = 0.1


class Way:
    """
    What the next batch of a lane has to wait for, and how large it may be.

    :param backlog: the lane's.
    :param flights: the lane's.
    """

    def __init__(self, backlog: Backlog, flights: Flights) -> None:
        self._backlog = backlog
        self._flights = flights
        # Since when batches wait for prio batches, as the monotonic clock says; 0 if none is in flight.
        self._since = 0.0

    def wait_seconds(self, usual: BatchLimits) -> float:
        """
        Return how long a batch waits for the prio batch in flight; 0 or less if it does not.

        An event that has just been kept at once often makes a batch full, too; so both would mostly begin together.

        :param usual: the limits of a batch.
        """
        if not self._flights.places_taken(prio=True) or self._backlog.exceeds(usual, 1):
            self._since = 0.0
            return 0.0
        now = time.monotonic()
        self._since = self._since or now
        return self._since + _LONGEST_SECONDS - now

    def limits(self, usual: BatchLimits) -> BatchLimits:
        """
        Return the limits of the next batch: a step, unless more waits than a whole batch takes.

        :param usual: the limits of a batch.
        """
        if self._backlog.exceeds(usual, self._flights.places_taken(prio=False) + 1):
            return usual
        return msgspec.structs.replace(
            usual, events=min(usual.events, _STEP_EVENTS), bytes=min(usual.bytes, _STEP_BYTES)
        )
