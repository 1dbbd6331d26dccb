"""
Answers that are still to come: how many minions of which job have not returned. What a gap may have cost is at least
what of them never comes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from salt_eventsd.event.parse import Event

#: Of so many jobs, the latest, it is known who has not answered ...
_MOST_JOBS = 2000
#: ... if their ids are no longer than this, as Salt's are; a minion can make up others.
_LONGEST_JID = 64
#: A job that was begun so long before a gap has mostly been answered, or will not be.
ANSWERED_SECONDS = 300.0


class Unanswered:
    """Jobs with answers to come; one thread notes, others may ask."""

    def __init__(self) -> None:
        #: By job id: when it was begun, and how many have not answered.
        self._jobs: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def note(self, event: Event, data: Any) -> None:
        """
        Note a job, or an answer to one.

        :param event: of kind "job".
        :param data: its payload.
        """
        if event.phase == "ret":
            if known := self._jobs.get(event.jid):
                began, left = known
                if left > 1:
                    self._jobs[event.jid] = (began, left - 1)
                else:
                    del self._jobs[event.jid]
        elif event.phase == "new" and len(event.jid) <= _LONGEST_JID:
            minions = data.get("minions") if isinstance(data, dict) else None
            if not isinstance(minions, list) or not minions:
                return
            # A batch publishes one job for one group of minions after the other.
            began, left = self._jobs.get(event.jid, (event.received, 0))
            self._jobs[event.jid] = (began, left + len(minions))
            if len(self._jobs) > _MOST_JOBS:
                self._jobs.popitem(last=False)

    def since(self, when: float, until: float) -> int:
        """
        Return how many answers have not come to jobs that were begun in some time.

        :param when: the beginning of it, in seconds since 1970 UTC.
        :param until: its end.
        """
        return sum(left for began, left in list(self._jobs.values()) if when <= began <= until)
