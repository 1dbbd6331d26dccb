"""
The tables of a report: which columns each has, and how their values are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from salt_eventsd.operate.report.facts import Listing, Report, Row
from salt_eventsd.operate.status_page import duration


@dataclass(frozen=True)
class Cell:
    """
    A value as the page shows it.

    :param text: what is shown.
    :param sort: what rows are sorted by, None for the text.
    :param share: how long a bar behind it is, in per cent of the longest; None for no bar.
    """

    text: Any
    sort: float | str | None = None
    share: float | None = None


@dataclass(frozen=True)
class Column:
    """
    A column.

    :param name: of the value in a row.
    :param title: above it.
    :param kind: ``text``, ``code``, ``jid``, ``number``, ``time``, ``took``, ``outcome``.
    :param bar: whether a bar shows how large a number is among the others.
    """

    name: str
    title: str
    kind: str = "text"
    bar: bool = False


@dataclass(frozen=True)
class Table:
    """
    A table of the page.

    :param name: its id.
    :param title: above it.
    :param about: what it shows, in a sentence.
    :param empty: what is said where it has no rows.
    :param columns: of it.
    :param lines: its rows, a cell for each column.
    :param of: how many rows there would be in all.
    """

    name: str
    title: str
    about: str
    empty: str
    columns: tuple[Column, ...]
    lines: tuple[tuple[Cell, ...], ...]
    of: int


_JID = Column("jid", "Job", "jid")
_MINION = Column("minion_id", "Minion", "code")
_WHEN = Column("stamp", "Last (UTC)", "time")
_FAILED = Column("failed", "Failed", "number", bar=True)
_ON = Column("minions", "Minions", "number")


def tables(report: Report) -> Mapping[str, Table]:
    """
    Return the tables of a report, by their ids.

    :param report: what it tells.
    """
    silence = report.silence
    found = (
        _table(
            "functions-failed",
            "Failures by function",
            "Answers that failed, and the newest error of each function.",
            "No answer failed.",
            report.failed_functions,
            Column("fun", "Function", "code"),
            _FAILED,
            _ON,
            Column("error", "Newest error"),
            _WHEN,
            _JID,
        ),
        _table(
            "states-failed",
            "Failures by state",
            "States that failed, dry runs among them, and what the newest one says.",
            "No state failed.",
            report.failed_states,
            Column("state", "State", "code"),
            Column("state_id", "Id"),
            Column("sls", "File", "code"),
            _FAILED,
            _ON,
            Column("comment", "Newest comment"),
            _WHEN,
            _JID,
        ),
        _table(
            "failures",
            "Newest failures",
            "Answers that failed, the newest first.",
            "No answer failed.",
            report.failures,
            Column("stamp", "Time (UTC)", "time"),
            _MINION,
            Column("fun", "Function", "code"),
            Column("retcode", "Code", "number"),
            Column("error", "Error"),
            _JID,
        ),
        _table(
            "slow",
            "Slowest states",
            "How long states took, the one with the longest run first.",
            "No state ran.",
            report.slow,
            Column("state", "State", "code"),
            Column("state_id", "Id"),
            Column("longest_ms", "Longest", "took", bar=True),
            Column("average_ms", "Average", "took"),
            Column("total_ms", "Together", "took"),
            Column("times", "Runs", "number"),
        ),
        _table(
            "conformity",
            "Minions by outcome",
            "Each minion by its last run of states that was no dry run; those that are not healthy come first.",
            "No minion is known.",
            report.conformity.minions,
            _MINION,
            Column("outcome", "Outcome", "outcome"),
            Column("failed", "Failed", "number"),
            Column("changed", "Changed", "number"),
            Column("states", "States", "number"),
            Column("stamp", "Run (UTC)", "time"),
            _JID,
        ),
        _table(
            "missing",
            "Minions that did not answer",
            f"{silence.jobs:,} jobs have minions that did not answer"
            + (
                f"; the newest {silence.looked_at:,} of them were looked through."
                if silence.looked_at < silence.jobs
                else "."
            ),
            "Every minion has answered.",
            silence.minions,
            _MINION,
            Column("silent", "Jobs", "number", bar=True),
            Column("fun", "Last one", "code"),
            Column("stamp", "Asked (UTC)", "time"),
            Column("last_seen", "Last seen (UTC)", "time"),
            _JID,
        ),
        _table(
            "users",
            "Who ran what",
            "Jobs, runners and wheels, what ran most often first.",
            "Nothing was run.",
            report.users,
            Column("user", "User", "code"),
            Column("fun", "Function", "code"),
            Column("kind", "Kind"),
            Column("times", "Times", "number", bar=True),
            _ON,
            _WHEN,
            _JID,
        ),
        _table(
            "changes",
            "Newest changes",
            "What states changed on minions; dry runs change nothing.",
            "Nothing was changed.",
            report.changes,
            Column("stamp", "Time (UTC)", "time"),
            _MINION,
            Column("state", "State", "code"),
            Column("name", "Name", "code"),
            Column("changed", "Changes", "code"),
            Column("user", "By", "code"),
            _JID,
        ),
        _table(
            "functions",
            "Answers by function",
            "What minions answered, and runners.",
            "No answer came.",
            report.functions,
            Column("fun", "Function", "code"),
            Column("answers", "Answers", "number", bar=True),
        ),
        _table(
            "workers",
            "Workers",
            "What each worker has written since the engine was started, and what waits for it.",
            "The engine has reported no worker.",
            report.engine.workers,
            Column("worker", "Worker", "code"),
            Column("state", "State"),
            Column("written", "Written", "number"),
            Column("queued_events", "Waiting", "number"),
            Column("oldest_age", "Oldest, s", "number"),
            Column("dead_letters", "Dead letters", "number"),
            Column("dropped", "Dropped", "number"),
            Column("last_write", "Last write"),
            Column("last_error", "Last error"),
        ),
        _table(
            "gaps",
            "Gaps",
            "Times in which events may have been missed.",
            "There is no gap.",
            report.engine.gaps,
            Column("from", "From"),
            Column("to", "To"),
            Column("missing", "Missed, about", "number"),
            Column("why", "Why"),
        ),
    )
    return {table.name: table for table in found}


def _table(name: str, title: str, about: str, empty: str, listing: Listing, *columns: Column) -> Table:
    largest = {
        column.name: max((float(row[column.name] or 0) for row in listing.rows), default=0.0)
        for column in columns
        if column.bar
    }
    lines = tuple(tuple(_cell(column, row, largest) for column in columns) for row in listing.rows)
    return Table(name, title, about, empty, columns, lines, listing.of)


def _cell(column: Column, row: Row, largest: Mapping[str, float]) -> Cell:
    value = row.get(column.name)
    if column.kind in _SHOWN and value is not None:
        text, sort = _SHOWN[column.kind](value)
        most = largest.get(column.name)
        return Cell(text, sort, round(100 * float(value) / most, 1) if most else None)
    return Cell(value)


def _number(value: Any) -> tuple[str, float]:
    number = float(value)
    return (f"{int(number):,}" if number == int(number) else f"{number:,.1f}"), number


def _time(value: Any) -> tuple[str, str]:
    return str(value)[:19].replace("T", " "), str(value)


def _took(value: Any) -> tuple[str, float]:
    milliseconds = float(value)
    return (f"{milliseconds:.0f} ms" if milliseconds < 1000 else duration(milliseconds / 1000)), milliseconds


_SHOWN: Mapping[str, Callable[[Any], tuple[str, float | str]]] = {"number": _number, "time": _time, "took": _took}
