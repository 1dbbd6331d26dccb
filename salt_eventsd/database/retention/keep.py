"""How long rows are kept: the option ``keep``, and the times that it makes at a given moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import msgspec

from salt_eventsd.config.checks import require
from salt_eventsd.config.durations import duration_of

_EARLIEST = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Keep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The option ``keep`` of a sql worker: lengths of time such as ``90d``, or ``forever``.

    :param returns: returns, all but failed ones; for ever if it is not said.
    :param failed: returns that failed; as ``returns`` if it is not said.
    :param states: states; as their returns if it is not said. Less than ``returns`` has them go before their job.
    :param jobs: jobs; as their returns if it is not said.
    :param events: rows of ``eventsd_events``; for ever if it is not said.
    :param stats: rows of ``eventsd_stats``; for ever if it is not said.
    """

    returns: str | None = None
    failed: str | None = None
    states: str | None = None
    jobs: str | None = None
    events: str | None = None
    stats: str | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if (text := getattr(self, name)) is not None:
                try:
                    duration_of(text)
                except ValueError as exc:
                    require(False, f"{name}: {exc}")

    @property
    def ends(self) -> bool:
        """Whether anything is kept for less than ever."""
        return any(getattr(self, name) not in (None, "forever") for name in self.__struct_fields__)


@dataclass(frozen=True)
class Limits:
    """
    The times before which rows are too old; None where they never are.

    :param returns: of returns that have not failed.
    :param failed: of returns that failed.
    :param states: of states.
    :param jobs: of jobs.
    :param events: of events.
    :param stats: of numbers.
    :param strips: states that are too old go by themselves, though their job stays.
    """

    returns: datetime | None
    failed: datetime | None
    states: datetime | None
    jobs: datetime | None
    events: datetime | None
    stats: datetime | None
    strips: bool = False

    @property
    def any_return(self) -> datetime | None:
        """The time after which no return is too old."""
        return max((one for one in (self.returns, self.failed) if one), default=None)


def limits(keep: Keep, now: datetime | None = None) -> Limits:
    """
    Return since when rows are too old.

    :param keep: as configured.
    :param now: in UTC.
    """
    now = now or datetime.now(timezone.utc)
    returns = _said(keep.returns)
    failed, states, jobs = (_said(one, returns) for one in (keep.failed, keep.states, keep.jobs))
    return Limits(
        returns=_before(now, returns),
        failed=_before(now, failed),
        states=_before(now, states),
        jobs=_before(now, jobs),
        events=_before(now, _said(keep.events)),
        stats=_before(now, _said(keep.stats)),
        strips=states is not None and (returns is None or states < returns),
    )


def _said(text: str | None, otherwise: timedelta | None = None) -> timedelta | None:
    return otherwise if text is None else duration_of(text)


def _before(now: datetime, length: timedelta | None) -> datetime | None:
    # The longest that can be written is older than the calendar.
    return None if length is None else now - min(length, now - _EARLIEST)
