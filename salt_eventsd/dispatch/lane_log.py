"""What the log says of a lane: one line when something changes, not one for each try."""

from __future__ import annotations

import logging
import time

from salt_eventsd.common.english import counted
from salt_eventsd.exceptions import SpoolError, WorkerError
from salt_eventsd.redact.error_text import traceback_text

log = logging.getLogger(__name__)

#: The log tells of refused events no more often than this, in seconds.
_TELL_SECONDS = 60.0
_VERDICTS = {
    "held": "is refused everything; its events wait in %s until that is mended",
    "retrying": "cannot write; its events wait in %s",
}


class LaneLog:
    """
    Writes lines about one lane.

    :param lane: the lane's name.
    :param owner: the name of its worker; may be changed.
    :param place: where its events wait.
    :param dead: the command that shows refused events.
    """

    def __init__(self, lane: str, owner: str, place: str = "the spool", dead: str = "salt-run eventsd.dead") -> None:
        self.owner = owner
        self._lane = lane
        self._place = place
        self._dead = dead
        self._buried_told = 0
        self._tell_buried_at = 0.0

    @property
    def _label(self) -> str:
        if self.owner == self._lane:
            return self._lane
        return f"{self.owner}, rule {self._lane.removeprefix(f'{self.owner}:')},"

    def fails(self, state: str, error: str, exc: BaseException) -> None:
        """
        Say that tries fail from now on.

        :param state: ``held`` or ``retrying``.
        :param error: the error in one line.
        :param exc: the error itself; its traceback is for whoever looks for a bug.
        """
        log.error("eventsd: worker %s %s: %s", self._label, _VERDICTS[state] % self._place, error)
        if not isinstance(exc, (WorkerError, SpoolError, OSError)):
            log.debug("eventsd: worker %s: %s", self._label, traceback_text(exc))

    def writes_again(self, failures: int) -> None:
        """
        Say that a try succeeded.

        :param failures: how many before it failed.
        """
        tries = f"{failures} failed tries" if failures > 1 else "a failed try"
        log.warning("eventsd: worker %s writes again after %s", self._label, tries)

    def hangs(self, seconds: float) -> None:
        """
        Say that a batch hangs.

        :param seconds: for how long so far.
        """
        log.error("eventsd: worker %s hangs: one batch for %d s so far", self._label, seconds)

    def buried(self, count: int) -> None:
        """
        Say that events were buried, if there are any that were not told, and the last line is a while ago.

        :param count: how many there were since the start.
        """
        new = count - self._buried_told
        if new and time.monotonic() >= self._tell_buried_at:
            self._buried_told, self._tell_buried_at = count, time.monotonic() + _TELL_SECONDS
            buried = counted(new, "refused event", "was")
            log.warning("eventsd: worker %s: %s buried: %s", self._label, buried, self._dead)

    def unreadable(self, events: int) -> None:
        """
        Say that a disk has changed chunks.

        :param events: how many events were in them.
        """
        log.error("eventsd: worker %s: %s in the spool cannot be read", self._label, counted(events))

    def elsewhere(self) -> None:
        """Say that another engine has written what is in this spool."""
        log.error("eventsd: worker %s: another engine writes what a copy of this spool holds", self._label)

    def renamed(self, events: int) -> None:
        """
        Say that chunks were given another name.

        :param events: how many events are in them.
        """
        log.error(
            "eventsd: worker %s: the database has receipts of other events under the names of %s, written now "
            "under new names; was this machine put back in time?",
            self._label,
            counted(events),
        )
