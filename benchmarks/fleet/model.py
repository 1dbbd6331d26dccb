"""
Second by second: what comes up, what waits in spools and in the stream, what is written. Pure.

Events are a fluid here. That is right for minutes and gigabytes; it says nothing of single events.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from benchmarks.carry import Figures
from benchmarks.fleet.costs import Costs
from benchmarks.fleet.fleet import Fleet, Part
from benchmarks.fleet.limits import limits

#: A backlog that has not ended by then has no end that matters.
_LONGEST_SECONDS = 7 * 86_400
#: Less than this is what is under way anyhow, in seconds of the usual load.
_UNDER_WAY_SECONDS = 2.0


@dataclass(frozen=True)
class Outcome:
    """
    What became of a fleet.

    :param spool: the most bytes that a master's spool held.
    :param stream: the most bytes that a copy of the stream held.
    :param lost: events for which a spool had no room.
    :param longest: how long the event that waited longest did, in seconds.
    :param drained: how many seconds after the last burst or outage nothing waited any more; infinite if never.
    :param written: events.
    """

    spool: float
    stream: float
    lost: float
    longest: float
    drained: float
    written: float

    def row(self) -> Figures:
        """Return it as a row of a table."""
        return {
            "spool MB/master": self.spool / 1e6,
            "stream MB": self.stream / 1e6,
            "lost": self.lost,
            "waits at most s": self.longest,
            "drained after s": self.drained,
        }


def simulate(fleet: Fleet, costs: Costs) -> Outcome:
    """
    Run a fleet until all its bursts and outages are over and nothing waits.

    :param fleet: what there is.
    :param costs: of an event.
    """
    states = fleet.states_an_event
    most = limits(fleet, costs)
    spool_bytes, stream_bytes = costs.spool.of(states), costs.stream.of(states)
    room = fleet.spool * fleet.masters / spool_bytes
    stream_room = fleet.stream / stream_bytes
    over = max((one.begin + one.seconds for one in (*fleet.bursts, *fleet.outages)), default=0.0)
    spooled = streamed = unconfirmed = lost = written = 0.0
    most_spooled = most_streamed = longest = 0.0
    waiting = _Queue()
    moment = 0
    # What comes up faster than it can be written will never be.
    longest_seconds = _LONGEST_SECONDS if fleet.rate < most.lowest[1] else 0
    while moment <= over or (spooled + streamed > _UNDER_WAY_SECONDS * fleet.rate and moment - over < longest_seconds):
        came = min(fleet.arriving(moment), most.bus)
        kept = min(came, max(0.0, room - spooled - unconfirmed))
        lost += came - kept
        waiting.put(moment, kept)
        is_up = not fleet.is_away(Part.BROKER, moment)
        sent = min(spooled + kept, most.publishing, stream_room - streamed, most.machine) if is_up else 0.0
        spooled += kept - sent
        streamed += sent
        can_write = is_up and not fleet.is_away(Part.DATABASE, moment) and not fleet.is_away(Part.WRITERS, moment)
        done = min(streamed, most.writing, most.machine) if can_write else 0.0
        streamed -= done
        written += done
        unconfirmed = streamed if fleet.confirmed else 0.0
        longest = max(longest, waiting.take(moment, done))
        most_spooled = max(most_spooled, spooled + unconfirmed)
        most_streamed = max(most_streamed, streamed)
        moment += 1
    is_drained = spooled + streamed <= _UNDER_WAY_SECONDS * fleet.rate
    return Outcome(
        spool=most_spooled * spool_bytes / fleet.masters,
        stream=most_streamed * stream_bytes,
        lost=lost,
        longest=longest,
        drained=max(0.0, moment - 1 - over) if is_drained else float("inf"),
        written=written,
    )


class _Queue:
    """What waits, by the second in which it came."""

    def __init__(self) -> None:
        self._waiting: deque[list[float]] = deque()

    def put(self, moment: float, events: float) -> None:
        """Add events."""
        if events:
            self._waiting.append([moment, events])

    def take(self, moment: float, events: float) -> float:
        """Remove the oldest events, and return how long the first of them has waited."""
        first = moment - self._waiting[0][0] if self._waiting and events else 0.0
        while self._waiting and events > 0:
            taken = min(events, self._waiting[0][1])
            events -= taken
            self._waiting[0][1] -= taken
            if self._waiting[0][1] <= 1e-9:
                self._waiting.popleft()
        return first
