"""
Drain: the thread that takes in what Salt has put on the doorstep.

A job's load goes the way of the event ``salt/job/<jid>/new``: both become one row, and the load brings what the event
lacks, such as metadata. A return goes the way of its event, unless that has come over the bus: so returns are kept
also if they never were on the bus, or no engine was there to hear them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import chain, islice

from salt_eventsd.common.reminder import Reminder
from salt_eventsd.event.codec import decode
from salt_eventsd.event.frame import pack_frame
from salt_eventsd.event.handed import of_all_rounds, tag_of_load, told_by
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.intake.origin import Origins
from salt_eventsd.intake.past.told import Told
from salt_eventsd.intake.thread import Intake
from salt_eventsd.redact.error_text import location, one_line
from salt_eventsd.spool.doorstep import Doorstep, Load, Returned

log = logging.getLogger(__name__)

#: Is told of starts of jobs and of returns, each with when it came, in seconds since 1970 UTC.
Note = Callable[[Iterator[tuple[Told, float]]], None]

#: How often the thread looks.
_SECONDS = 0.5
#: So long the bus has to bring what is on the doorstep before it is taken from there.
_BUS_SECONDS = 2.0
#: So much is taken in at once.
_LOADS, _RETURNS = 200, 500
#: So long the thread waits for what an engine before this one has kept to be written: before, the history cannot say
#: which of what is on the doorstep is new.
_BEFORE_SECONDS = 5.0
#: So many jobs whose returns are not to be kept are known from before.
_NOCACHE = 1000
#: So long the thread waits for what it has offered to be in the spool, before it looks after other things.
_KEPT_SECONDS = 10.0
#: What was taken in stays so long, for whoever asks for it before the database has it.
KEEP_SECONDS = 900.0
#: The same while the doorstep is filling.
FILLING_SECONDS = 60.0
#: It is if more than this part of what it may hold is in use; from the second on, it does not wait for the database.
_FILLING, _NEARLY_FULL = 0.5, 0.75
#: Of so much time no more than one mark is kept, in seconds.
_MARK_SECONDS = 10.0
#: How often what is old is deleted, how many rows at a time, and how long others have the file in between.
_SWEEP_SECONDS, _SWEPT, _PAUSE_SECONDS = 5.0, 1000, 0.05


class Drain(threading.Thread):
    """
    Takes in what is on the doorstep until :meth:`stop`.

    :param doorstep: where Salt puts it.
    :param intake: where it goes.
    :param oldest: returns when the oldest event was read that is not written yet, in seconds since 1970 UTC; 0 if all
        are.
    :ivar doorstep: the same.
    :ivar taken: how many returns have been taken in that the bus has not brought.
    """

    def __init__(self, doorstep: Doorstep, intake: Intake, oldest: Callable[[], float]) -> None:
        super().__init__(name="eventsd-drain", daemon=True)
        self.taken = 0
        self.doorstep = doorstep
        self._intake = intake
        self._oldest = oldest
        #: What was offered last, and its number until it is known to be in the spool.
        self._offered: tuple[list[Load], int] = ([], 0)
        self._ticket = 0
        self._swept_at = 0.0
        #: When returns were taken in, and the number of the last one.
        self._marks: deque[tuple[float, int]] = deque()
        self._began = time.time()
        self._told = Reminder()
        self._note: Note | None = None
        self._stopping = threading.Event()

    def observe(self, note: Note) -> None:
        """
        Have a function told of what the bus has not brought, before it is taken in. Call this before :meth:`start`.

        :param note: the function; it is given starts of jobs and returns, each with when it came.
        """
        self._note = note

    def run(self) -> None:
        """Run until stopped."""
        while not self._stopping.wait(_SECONDS):
            try:
                while self.turn() and not self._stopping.is_set():
                    pass
                self._sweep()
            except Exception as exc:
                if self._told.due():
                    log.error("eventsd: the doorstep of the job cache cannot be read: %s", one_line(exc))

    def stop(self) -> None:
        """End the thread; what it has not taken in stays where it is."""
        self._stopping.set()

    def turn(self) -> bool:
        """
        Take in a portion, and return whether there may be more.

        :raises SpoolError: the doorstep cannot be read or written.
        """
        if not self.doorstep.path.exists() or self._intake.spool_error:
            return False
        if not self._intake.taking.heard.is_used:
            if last := self.doorstep.last_taken():
                # An engine before this one has taken them in.
                self._marks.append((self._began, last))
            self._intake.taking.heard.begin(self.doorstep.nocache(_NOCACHE))
        if self._ticket and not self._settle():
            return False
        now = time.time()
        if now < self._began + _BEFORE_SECONDS and 0 < self._oldest() < self._began:
            return False
        loads = [one for one in self.doorstep.changed(_LOADS) if not now - _BUS_SECONDS <= one.stamp <= now]
        returns = self.doorstep.waiting(_RETURNS, now - _BUS_SECONDS)
        if not loads and not returns:
            return False
        heard = self._intake.taking.heard
        known = [heard.has_start(load.jid) for load in loads]
        new = [one for one in returns if not heard.has(one.jid, one.minion, one.stamp)]
        self._tell([load for load, is_known in zip(loads, known, strict=True) if not is_known], new)
        for load, is_known in zip(loads, known, strict=True):
            if self._offer(frames_of_load(load, self._intake.origins), is_known) and not is_known:
                heard.hand_start(load.jid)
        for one in new:
            self.taken += 1
            if self._offer(frames_of_return(one)):
                heard.hand(one.jid, one.minion, one.stamp)
        # What the bus has brought has to be on disk, too, before the doorstep lets go of it.
        self._ticket = self._intake.offer(b"")
        self._offered = loads, returns[-1].id if returns else 0
        return self._settle()

    def _tell(self, loads: list[Load], returns: list[Returned]) -> None:
        if self._note is None or not (loads or returns):
            return
        try:
            origins = self._intake.origins
            begun = ((told, load.stamp) for load in loads for told in told_by_load(load, origins))
            answers = ((told, one.stamp or one.received) for one in returns for told in told_by_return(one))
            self._note(chain(begun, answers))
        except Exception as exc:
            # A number that is wrong must not keep anything waiting.
            log.error("eventsd: what came from the doorstep of the job cache cannot be counted: %s", location(exc))

    def _offer(self, frames: Iterator[bytes], tells_again: bool = False) -> bool:
        """Offer frames, and return whether that could be done."""
        try:
            for frame in frames:
                self._intake.offer(frame, tells_again)
            return True
        except Exception as exc:
            # One that cannot be read must not keep the others waiting.
            log.error("eventsd: something on the doorstep of the job cache cannot be read: %s", location(exc))
            return False

    def _settle(self) -> bool:
        """Let the doorstep know what was taken in, if it is in the spool by now; nothing is offered until it is."""
        if not self._kept(self._ticket):
            return False
        loads, last = self._offered
        self.doorstep.taken(loads, last)
        if last:
            self._mark(time.time(), last)
        self._ticket = 0
        return True

    def _mark(self, now: float, last: int) -> None:
        # While a database is away for days, there are many.
        if len(self._marks) > 1 and int(self._marks[-1][0] / _MARK_SECONDS) == int(now / _MARK_SECONDS):
            self._marks.pop()
        self._marks.append((now, last))

    def _kept(self, ticket: int) -> bool:
        """Wait until what was offered is in the spool, and say whether it is."""
        until = time.monotonic() + _KEPT_SECONDS
        while self._intake.kept_offers < ticket:
            if time.monotonic() > until or self._stopping.wait(0.02):
                return False
        return True

    def _sweep(self) -> None:
        if time.monotonic() < self._swept_at + _SWEEP_SECONDS or not self.doorstep.path.exists():
            return
        self._swept_at = time.monotonic()
        try:
            oldest = self._oldest()
        except SpoolError:
            return
        part = self.doorstep.used() / self.doorstep.max_bytes
        keep = min(KEEP_SECONDS, FILLING_SECONDS) if part > _FILLING else KEEP_SECONDS
        before = time.time() - keep
        if oldest and part < _NEARLY_FULL:
            # What the database does not have yet can be asked for nowhere else. Yet the spool has it, and a full
            # doorstep would refuse jobs.
            before = min(oldest, before)
        last = 0
        while self._marks and self._marks[0][0] < before:
            last = max(last, self._marks.popleft()[1])
        while self.doorstep.sweep(before, last, _SWEPT) >= _SWEPT and not self._stopping.wait(_PAUSE_SECONDS):
            pass


def told_by_load(load: Load, origins: Origins) -> Iterator[Told]:
    """
    Yield a job's start.

    :param load: the job; its load is that of a publication.
    :param origins: says who is believed.
    """
    for frame in islice(frames_of_load(load, origins), 1):
        yield Told(load.jid, True, "", None, frame)


def told_by_return(one: Returned) -> Iterator[Told]:
    """
    Yield a return, after the start of its job where nobody else tells of it.

    :param one: the return.
    """
    frames = list(frames_of_return(one))
    for number, frame in enumerate(frames, 1):
        yield Told(one.jid, number < len(frames), "" if len(frames) > 1 else one.minion, None, frame)


def frames_of_load(load: Load, origins: Origins) -> Iterator[bytes]:
    """
    Yield the frames of a job's start, one for whoever named minions.

    :param load: the job; its load is that of a publication.
    :param origins: says who is believed.
    """
    data = decode(load.load or b"\x80")
    if not isinstance(data, dict):
        return
    minions = origins.believed(load.minions_by_syndic)
    data = of_all_rounds(data, minions.get("", ()))
    stamp = datetime.fromtimestamp(load.stamp, timezone.utc).isoformat()
    tag = tag_of_load(load.jid)
    for syndic, names in minions.items():
        named = {**data, "jid": load.jid, "_stamp": stamp, "minions": names}
        yield pack_frame(f"syndic/{syndic}/{tag}" if syndic else tag, named)
    if "" not in minions:
        yield pack_frame(tag, {**data, "jid": load.jid, "_stamp": stamp})


def frames_of_return(one: Returned) -> Iterator[bytes]:
    """
    Yield the frames of a return, after that of its job's start where nobody else tells of it.

    :param one: the return.
    """
    for tag, data in told_by(decode(one.payload)):
        yield pack_frame(tag, data)
