"""
What a job cache tells, piece by piece, and of which time it is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

import salt.utils.jid

from salt_eventsd.exceptions import EventsdError


class SourceError(EventsdError):
    """A job cache cannot be asked."""


class Told(NamedTuple):
    """
    A job's start, or a return.

    :param jid: the job id.
    :param is_start: it is a job's start.
    :param minion: who returned it; "" if it was a runner, or it is a start.
    :param minions: of a start, how many minions the job was for; None if nobody says.
    :param frame: as the bus would carry it.
    :param is_expected: whether the job was for whoever returned it, as far as the job cache knows.
    """

    jid: str
    is_start: bool
    minion: str
    minions: int | None
    frame: bytes
    is_expected: bool = True


class Unread(NamedTuple):
    """
    Something that cannot be read, or not be understood.

    :param what: its name, for an operator.
    :param why: what is wrong with it.
    """

    what: str
    why: str


class Place(NamedTuple):
    """
    All before this place has been told.

    :param key: where to go on; places come in the order of their keys.
    """

    key: str


Item = Told | Unread | Place


@dataclass(frozen=True)
class Wanted:
    """
    The time of which something is wanted, in seconds since 1970 UTC.

    :param since: its beginning.
    :param until: its end.
    :param left: beginning and end of the time of which something may be on its way from the bus to the history; what
        was kept then is left to the engine.
    :param as_kept: what the job cache has kept in that time, of whatever job; else jobs that began in it, whole.
    """

    since: float = -math.inf
    until: float = math.inf
    left: tuple[float, float] = (math.inf, math.inf)
    as_kept: bool = False

    def job(self, began: float, changed: float) -> bool:
        """
        Say whether there may be something in a job.

        :param began: when it began.
        :param changed: when something was last kept of it.
        """
        return (changed if self.as_kept else began) >= self.since and began < self.until

    def piece(self, kept: float) -> bool:
        """
        Say whether a piece of a job that is wanted is wanted itself.

        :param kept: when it was kept.
        """
        return not self.left[0] <= kept <= self.left[1] and (not self.as_kept or self.since <= kept <= self.until)


def began_at(jid: str, otherwise: float) -> float:
    """
    Return when a job began, by its id, in seconds since 1970 UTC.

    :param jid: the job id.
    :param otherwise: what to return for one that says no time.
    """
    try:
        if salt.utils.jid.is_jid(jid):
            return datetime.strptime(jid[:20], "%Y%m%d%H%M%S%f").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        pass
    return otherwise


#: Pieces as they are found.
Items = Iterator[Item]
