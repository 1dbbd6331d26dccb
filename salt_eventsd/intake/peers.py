"""
Peers: the other masters of the cluster, and what becomes of the events that they have copied to this one.

Each engine says by its beats (:mod:`salt_eventsd.event.beat`) what it has kept. Until then the others hold their copies
in memory. If it does not say so in time, or says that it has read its bus anew, they keep the copies themselves. When
this goes wrong, two engines keep the same event, which still makes one row; no event is left without
an engine that keeps it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from salt_eventsd.common.english import counted
from salt_eventsd.event.beat import Beat, read_beat
from salt_eventsd.intake.held import Copy, Held

log = logging.getLogger(__name__)

#: How often an engine beats.
BEAT_SECONDS = 2.0
#: An engine is down if its beats have told of nothing new for so long.
DOWN_SECONDS = 10.0
#: A beat is believed if its time is no further from this master's clock.
_CLOCK_SECONDS = 600.0
#: If a life has had fewer beats, copies may have come before it began.
_OLD_LIFE = int(DOWN_SECONDS / BEAT_SECONDS) + 2
#: What copies may take of memory, those of all masters together, in bytes.
_MOST_BYTES = 32 * 2**20
#: How many masters are remembered; minions can make up names.
_MOST_PEERS = 64
_LONGEST_NAME = 256
#: How many masters that were never heard are reported, and how long their names may be.
_MOST_TOLD, _LONGEST_TOLD = 8, 64

WAITING, ALIVE, DOWN = "waiting", "alive", "down"


@dataclass
class Peer:
    """
    Another master.

    :ivar state: of its engine: waiting to be heard for the first time, alive, or down.
    :ivar since: when something new was told to be kept, or the first copy came, as the monotonic clock says.
    :ivar heard: when a beat has come last, in seconds since 1970 UTC; 0 if none has.
    :ivar copied: how many copies of it have come that a rule wants.
    :ivar taken: how many of them are kept here.
    """

    name: str
    since: float
    state: str = WAITING
    heard: float = 0.0
    copied: int = 0
    taken: int = 0
    life: str = ""
    kept: int = 0
    at: int = 0
    held: Held = field(default_factory=Held)


class Peers:
    """
    Remembers the other masters of the cluster. The thread of the intake calls it; other threads may look.

    :param own: the id of this master.
    :param clock: returns seconds; those of :func:`time.monotonic` are meant.
    :ivar key: seals beats; b"" while it is not known, and no beat is believed.
    :ivar kept: the life and the number of the last beat of this engine before which all is kept.
    :ivar taken: how many copies are kept here.
    :ivar lost: how many copies may be kept by nobody, because there was no room for them.
    """

    def __init__(self, own: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self.key = b""
        self.kept = self._read = ("", 0)
        self.taken = 0
        self.lost = 0
        self._own = own
        self._clock = clock
        self._peers: dict[str, Peer] = {}
        self._ready: list[Copy] = []

    def told(self) -> list[Peer]:
        """Return the masters that were heard, and a few of the others, whose names minions may have made up."""
        peers = list(self._peers.values())
        unheard = [one for one in peers if not one.heard and len(one.name) <= _LONGEST_TOLD]
        return [*(one for one in peers if one.heard), *unheard[:_MOST_TOLD]]

    def hear(self, raw: bytes) -> None:
        """
        Take note of a beat, if it is one.

        :param raw: a frame that begins as one.
        """
        beat = read_beat(raw, self.key)
        now = time.time()
        if beat is None or abs(now - beat.at / 1e6) > _CLOCK_SECONDS:
            return
        if beat.id == self._own:
            self._read = (beat.life, beat.number)
            return
        peer = self._peers.get(beat.id)
        if peer is None:
            self._make_room()
            peer = self._peers[beat.id] = Peer(beat.id, self._clock())
        if beat.at > peer.at:
            peer.heard = now
            self._beaten(peer, beat)

    def committed(self) -> None:
        """Note that all that was read is on disk."""
        self.kept = self._read

    def leaves(self, name: str, raw: bytes, received: float) -> bool:
        """
        Say whether a copy is left to the engine of its master for now; if not, it is to be kept here.

        :param name: the master's id.
        :param raw: the frame.
        :param received: when it was read, in seconds since 1970 UTC.
        """
        peer = self._peers.get(name)
        if peer is None:
            if not name or len(name) > _LONGEST_NAME or len(self._peers) >= _MOST_PEERS:
                self.taken += 1
                return False
            peer = self._peers[name] = Peer(name, self._clock())
        peer.copied += 1
        if peer.state == DOWN:
            peer.taken += 1
            self.taken += 1
            return False
        peer.held.add(raw, received)
        while sum(one.held.bytes for one in self._peers.values()) > _MOST_BYTES:
            self._shorten(max(self._peers.values(), key=lambda one: one.held.bytes))
        return True

    def due(self, is_last: bool = False) -> list[Copy]:
        """
        Return the copies that are to be kept here after all.

        :param is_last: the engine ends; those of masters that were never heard are due, too.
        """
        now = self._clock()
        for peer in self._peers.values():
            late = peer.state != DOWN and now - peer.since > DOWN_SECONDS
            if late or (is_last and peer.state == WAITING):
                self._down(peer)
        ready, self._ready = self._ready, []
        return ready

    def _beaten(self, peer: Peer, beat: Beat) -> None:
        if beat.life != peer.life:
            if not peer.life and beat.number > _OLD_LIFE:
                peer.held.belong_to(beat.number - 1)
            else:
                # Nobody knows what the old life has kept in the end, nor what was missed between the two.
                self._take(peer)
            peer.life, peer.kept = beat.life, 0
        peer.at = beat.at
        peer.held.mark(beat.number)
        if beat.kept > peer.kept:
            peer.kept, peer.since = beat.kept, self._clock()
            peer.held.release(beat.kept)
            if peer.state == DOWN:
                log.warning("eventsd: the engine of master %s is heard again, and keeps its events itself", peer.name)
            peer.state = ALIVE

    def _down(self, peer: Peer) -> None:
        if peer.state == ALIVE:
            log.warning(
                "eventsd: the engine of master %s has not told for %.0f s that it keeps events; they are kept here",
                peer.name,
                self._clock() - peer.since,
            )
        peer.state = DOWN
        self._take(peer)

    def _take(self, peer: Peer) -> None:
        copies, dropped = peer.held.take()
        peer.taken += len(copies)
        self.taken += len(copies)
        self._ready += copies
        if dropped:
            self.lost += dropped
            log.error("eventsd: %s of master %s could not be held, and may be lost", counted(dropped), peer.name)

    def _shorten(self, peer: Peer) -> None:
        if peer.state == WAITING:
            self._down(peer)
        else:
            peer.held.drop_oldest()

    def _make_room(self) -> None:
        """Forget a master that was never heard, if there are too many; minions can make up any name."""
        if len(self._peers) >= _MOST_PEERS and (unheard := [one for one in self._peers.values() if not one.heard]):
            self._take(unheard[0])
            del self._peers[unheard[0].name]
