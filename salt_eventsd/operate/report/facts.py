"""
What a report tells: plain data of one moment, frozen, and bounded in rows and bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

Row = dict[str, Any]
Some = TypeVar("Some")


@dataclass(frozen=True)
class Listing:
    """
    Rows, as many as there is room for.

    :param rows: the most important first.
    :param of: how many there are in all.
    """

    rows: tuple[Row, ...]
    of: int

    def first(self, share: float) -> Listing:
        """
        Return the first of its rows.

        :param share: how many of them, as a part of 1.
        """
        return Listing(self.rows[: int(len(self.rows) * share)], self.of)


@dataclass(frozen=True)
class Interval:
    """
    A part of the time.

    :param start: when it began.
    :param end: when it ended; it is not in it.
    :param jobs: how many jobs were published.
    :param answers: how many answers came.
    :param failed: how many of them failed.
    """

    start: datetime
    end: datetime
    jobs: int
    answers: int
    failed: int


@dataclass(frozen=True)
class Totals:
    """
    How much there was in a time.

    :param jobs: jobs that were published.
    :param failed_jobs: jobs of which an answer failed.
    :param answers: answers that came.
    :param failed: answers that failed.
    :param changed: states that changed something.
    """

    jobs: int
    failed_jobs: int
    answers: int
    failed: int
    changed: int

    @property
    def failure_rate(self) -> float | None:
        """How many answers of a hundred failed; None if there was no answer."""
        return 100 * self.failed / self.answers if self.answers else None


@dataclass(frozen=True)
class Conformity:
    """
    How minions are, by the last run of states of each.

    :param counts: how many are failed, stale, changed, healthy, never; outcomes that none has are left out.
    :param cells: all there is room for, the worst first, as a grid shows them.
    :param minions: the first of them, as a table does.
    """

    counts: dict[str, int]
    cells: Listing
    minions: Listing


@dataclass(frozen=True)
class Silence:
    """
    Who did not answer.

    :param jobs: how many jobs somebody did not answer.
    :param looked_at: how many of those were looked through for who that was, the newest.
    :param minions: those that were silent most often first.
    """

    jobs: int
    looked_at: int
    minions: Listing


@dataclass(frozen=True)
class Engine:
    """
    How the engine is.

    :param state: as ``eventsd.status`` calls it: ``well``, ``degraded``, ``down``, ...
    :param retcode: of ``eventsd.status``.
    :param since: when it was started, "" if it does not run.
    :param notes: what is wrong.
    :param numbers: what it has read, written and lost, each a name and a value; empty if there is no report.
    :param workers: a row for each.
    :param gaps: times in which events may have been missed.
    """

    state: str
    retcode: int
    since: str
    notes: tuple[str, ...]
    numbers: tuple[tuple[str, str], ...]
    workers: Listing
    gaps: Listing


@dataclass(frozen=True)
class Report:
    """
    All that a page tells.

    :param master: the master's id.
    :param worker: whose database was asked.
    :param database: its kind, such as ``PostgreSQL``.
    :param made: when it was asked.
    :param start: the beginning of the time it is about.
    :param first: when its first job or answer was; None if there was none.
    :param before: how much there was in a time of the same length before it.
    """

    master: str
    worker: str
    database: str
    made: datetime
    start: datetime
    first: datetime | None
    totals: Totals
    before: Totals
    intervals: tuple[Interval, ...]
    functions: Listing
    failed_functions: Listing
    failed_states: Listing
    failures: Listing
    slow: Listing
    conformity: Conformity
    silence: Silence
    users: Listing
    changes: Listing
    engine: Engine


def smaller(facts: Some, share: float) -> Some:
    """
    Return facts with fewer rows in each listing.

    :param facts: a report, or a part of one.
    :param share: how many of the rows, as a part of 1.
    """
    if not is_dataclass(facts) or isinstance(facts, type):
        return facts
    changed = {}
    for field in fields(facts):
        value = getattr(facts, field.name)
        new = value.first(share) if isinstance(value, Listing) else smaller(value, share)
        if new is not value:
            changed[field.name] = new
    return replace(facts, **changed) if changed else facts
