"""
Heard: which returns have come over the bus lately, and which jobs are not to be kept.

A master whose job cache is ours hands each return over twice: on the bus, and on the doorstep. What was heard on the
bus need not be taken from the doorstep, too, and the other way round, should the bus be late. Of two copies the history
keeps one in any case, but not all workers do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from salt_eventsd.event.parse import Event

#: So many returns are remembered at least, and twice as many at most.
_RETURNS = 20_000
#: So many jobs that are not to be kept are remembered.
_JOBS = 1000


class Heard:
    """
    Remembers what has come over the bus, once :meth:`begin` was called.

    :param is_nocache: says whether Salt was told not to keep a job's returns.
    :ivar is_used: whether there is a doorstep.
    """

    def __init__(self, is_nocache: Callable[[str], bool]) -> None:
        self.is_used = False
        self._is_nocache = is_nocache
        self._latest: set[int] = set()
        self._before: set[int] = set()
        # What was taken from the doorstep: returns, and when that was of starts of jobs.
        self._handed: set[int] = set()
        self._handed_before: set[int] = set()
        self._begun: dict[str, float] = {}
        self._unkept: dict[str, None] = {}

    def begin(self, unkept: Iterable[str]) -> None:
        """
        Remember from now on.

        :param unkept: jobs that are not to be kept, of which an engine before this one has heard.
        """
        self._unkept = dict.fromkeys(unkept)
        self.is_used = True

    def refuses(self, event: Event) -> bool:
        """
        Remember an event of the bus, and say whether it is not to be kept.

        :param event: the event.
        """
        if event.phase == "new":
            if event.kind == "job" and self._is_nocache(event.jid):
                self._unkept[event.jid] = None
                if len(self._unkept) > _JOBS:
                    del self._unkept[next(iter(self._unkept))]
            self._note(("new", event.jid, "", ""))
            return False
        if event.phase != "ret":
            return False
        if event.jid in self._unkept:
            return True
        if self._handed or self._handed_before:
            key = hash((event.jid, event.minion_id, event.stamp))
            if key in self._handed or key in self._handed_before:
                return True
        self._note((event.jid, event.minion_id), (event.jid, event.minion_id, event.stamp))
        return False

    def hand(self, jid: str, minion_id: str, stamp: float | None) -> None:
        """
        Remember that a return was taken from the doorstep.

        :param jid: its job id.
        :param minion_id: who returned it.
        :param stamp: when it was fired, in seconds since 1970 UTC. What never was on the bus has none.
        """
        if stamp is None:
            return
        if len(self._handed) >= _RETURNS:
            self._handed_before, self._handed = self._handed, set()
        self._handed.add(hash((jid, minion_id, stamp)))

    def hand_start(self, jid: str) -> None:
        """
        Remember that a job's start was taken from the doorstep.

        :param jid: its job id.
        """
        self._begun[jid] = time.time()
        if len(self._begun) > _JOBS:
            del self._begun[next(iter(self._begun))]

    def was_begun(self, event: Event) -> bool:
        """
        Say whether the start of a job was taken from the doorstep before it came over the bus.

        :param event: of the bus. A later round of a batch has the same job id, and is another start.
        """
        return event.phase == "new" and event.kind == "job" and event.stamp <= self._begun.get(event.jid, 0.0)

    def has_start(self, jid: str) -> bool:
        """
        Say whether a job's start has come over the bus lately, or was taken from the doorstep.

        :param jid: its job id.
        """
        key = hash(("new", jid, "", ""))
        # Whatever the doorstep is told of a job later, it began once.
        return jid in self._begun or key in self._latest or key in self._before

    def has(self, jid: str, minion_id: str, stamp: float | None) -> bool:
        """
        Say whether a return has come over the bus lately.

        :param jid: its job id.
        :param minion_id: who returned it.
        :param stamp: when it was fired, in seconds since 1970 UTC; None if that is not known.
        """
        key = hash((jid, minion_id)) if stamp is None else hash((jid, minion_id, stamp))
        return key in self._latest or key in self._before

    def _note(self, *keys: tuple[object, ...]) -> None:
        if len(self._latest) >= 2 * _RETURNS:
            self._before, self._latest = self._latest, set()
        self._latest.update(map(hash, keys))
