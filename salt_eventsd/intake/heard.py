"""
Heard: which returns have come over the bus lately, and which jobs are not to be kept.

A master whose job cache is ours hands each return over twice: on the bus, and on the doorstep. What was heard on the
bus need not be taken from the doorstep, too. Nothing depends on it: of two copies the database keeps one.
"""

from __future__ import annotations

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
        self._note((event.jid, event.minion_id), (event.jid, event.minion_id, event.stamp))
        return False

    def has_start(self, jid: str) -> bool:
        """
        Say whether a job's start has come over the bus lately.

        :param jid: its job id.
        """
        key = hash(("new", jid, "", ""))
        return key in self._latest or key in self._before

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
