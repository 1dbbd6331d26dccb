"""
The yardstick: what a machine's processor takes for a little work that is always the same.

Machines differ by a factor of three, and one machine by its day. CPU time told in yardsticks can be compared with that
of another machine, and with a baseline that is years old.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgpack

from benchmarks import fire

_EVENTS = 20_000
_ROUNDS = 5
#: The figure of a row from which its yardsticks are made, and their own name.
CPU, YARDSTICKS = "CPU us/event", "yardsticks"


def measure(events: int = _EVENTS, rounds: int = _ROUNDS) -> float:
    """
    Return how many microseconds of CPU time an event takes to be unpacked, written as JSON, hashed and made a row: the
    best round.

    :param events: how many in each round.
    :param rounds: how many rounds.
    """
    payload = fire.unframed(fire.returns(1)[0]).partition(b"\n\n")[2]
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(events):
            data = msgpack.unpackb(payload)
            hashlib.sha256(json.dumps(data).encode()).digest()
            tuple(data.values())
        best = min(best, time.process_time() - began)
    return best / events * 1e6


def told(rows: Sequence[dict[str, Any]], yardstick_us: float) -> None:
    """
    Add to each row that has a CPU time what it is in yardsticks, beside it.

    :param rows: a section's rows of figures.
    :param yardstick_us: of this machine at that time.
    """
    for row in rows:
        if CPU in row:
            items = list(row.items())
            row.clear()
            for key, value in items:
                row[key] = value
                if key == CPU:
                    row[YARDSTICKS] = value / yardstick_us


class Yardsticks:
    """
    The yardsticks of one benchmark, measured between its runs: a machine may change by half within minutes.

    :param take: measures one, in microseconds.
    :ivar taken: those measured so far.
    """

    def __init__(self, take: Callable[[], float] = measure) -> None:
        self._take = take
        self.taken = [take()]

    def tell(self, rows: Sequence[dict[str, Any]]) -> float:
        """
        Add to the rows of a run that has just ended what they are in yardsticks of its time, and return how long one
        was then, in microseconds: the mean of one before it and one after it.

        :param rows: the run's rows of figures.
        """
        self.taken.append(self._take())
        yardstick_us = statistics.mean(self.taken[-2:])
        told(rows, yardstick_us)
        return yardstick_us
