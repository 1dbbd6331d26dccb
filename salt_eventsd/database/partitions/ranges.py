"""Which days a partition has. Pure: no database in here."""

from __future__ import annotations

from datetime import date, timedelta

from salt_eventsd.database.dialects.base.partitions import Range

MONTH, DAY = "month", "day"
#: So many partitions after the present one are there before they are needed.
AHEAD = {MONTH: 3, DAY: 7}
#: A table gets no more partitions for what is in it already.
_MOST_PAST = 400


def start(every: str, day: date) -> date:
    """
    Return the first day of the range that has a day.

    :param every: ``month`` or ``day``.
    :param day: the day.
    """
    return day.replace(day=1) if every == MONTH else day


def following(every: str, day: date) -> date:
    """
    Return the first day of the range after the one that has a day.

    :param every: ``month`` or ``day``.
    :param day: the day.
    """
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1) if every == MONTH else day + timedelta(days=1)


def ahead(every: str, last: date, today: date) -> list[Range]:
    """
    Return the ranges that are missing.

    :param every: ``month`` or ``day``.
    :param last: where the last range ends.
    :param today: by UTC.
    """
    end = start(every, today)
    for _ in range(AHEAD[every] + 1):
        end = following(every, end)
    found = []
    while last < end:
        upper = following(every, last)
        found.append(Range(last, upper))
        last = upper
    return found


def since(every: str, oldest: date, today: date) -> list[Range]:
    """
    Return the ranges of a table with rows of some time.

    :param every: ``month`` or ``day``.
    :param oldest: the day of the first row; what is older by far gets no range of its own.
    :param today: by UTC.
    """
    days = _MOST_PAST * (31 if every == MONTH else 1)
    first = start(every, max(min(oldest, today), today - timedelta(days=days)))
    return [Range(None, first), *ahead(every, first, today)]
