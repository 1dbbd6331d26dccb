"""
Counts the answers that are still to come: for each job, how many minions have not returned. Answers that never come
after a gap are the least that the gap has cost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from salt_eventsd.event.parse import Event

#: So many jobs are remembered, the latest ones ...
_MOST_JOBS = 2000
#: ... if their jid is no longer than this, as Salt's are. A minion can make up longer ones.
_LONGEST_JID = 64
#: If a job began so long before a gap, its answers have mostly come, or will never come.
ANSWERED_SECONDS = 300.0


class Unanswered:
    """Remembers jobs with answers still to come. One thread notes, other threads may ask."""

    def __init__(self) -> None:
        #: By jid: when the job began, and how many minions have not answered.
        self._jobs: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def note(self, event: Event, data: Any) -> None:
        """
        Note a job, or an answer to one.

        :param event: of kind "job".
        :param data: its payload.
        """
        if event.phase == "ret":
            self._answered(event.jid)
        elif event.phase == "new" and len(event.jid) <= _LONGEST_JID:
            minions = data.get("minions") if isinstance(data, dict) else None
            if not isinstance(minions, list) or not minions:
                return
            # ``salt --batch`` publishes one job again for each group of minions.
            began, left = self._jobs.get(event.jid, (event.received, 0))
            self._jobs[event.jid] = (began, left + len(minions))
            if len(self._jobs) > _MOST_JOBS:
                self._jobs.popitem(last=False)

    def note_answers(self, events: Iterable[Event]) -> None:
        """
        Note answers.

        :param events: the returns of minions.
        """
        if self._jobs:
            for event in events:
                self._answered(event.jid)

    def _answered(self, jid: str) -> None:
        if known := self._jobs.get(jid):
            began, left = known
            if left > 1:
                self._jobs[jid] = (began, left - 1)
            else:
                del self._jobs[jid]

    def since(self, when: float, until: float) -> int:
        """
        Return how many answers are still to come of the jobs that began in a given time.

        :param when: the beginning of that time, in seconds since 1970 UTC.
        :param until: its end, likewise.
        """
        return sum(left for began, left in list(self._jobs.values()) if when <= began <= until)
