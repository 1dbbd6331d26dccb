"""
Which tables a report has, and which columns each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from salt_eventsd.operate.report.facts import Listing, Report


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
class Layout:
    """
    What a table of the page shows.

    :param name: its id.
    :param title: above it.
    :param about: what it shows, in a sentence, or what makes that of a report.
    :param empty: what is said where it has no rows.
    :param listing: finds its rows in a report.
    :param columns: of it.
    """

    name: str
    title: str
    about: str | Callable[[Report], str]
    empty: str
    listing: Callable[[Report], Listing]
    columns: tuple[Column, ...]


_JID = Column("jid", "Job", "jid")
_MINION = Column("minion_id", "Minion", "code")
_WHEN = Column("stamp", "Last (UTC)", "time")
_FAILED = Column("failed", "Failed", "number", bar=True)
_ON = Column("minions", "Minions", "number")


def _about_missing(report: Report) -> str:
    silence = report.silence
    rest = f"; the newest {silence.looked_at:,} of them were looked through" if silence.looked_at < silence.jobs else ""
    return f"{silence.jobs:,} jobs have minions that did not answer{rest}."


#: The template of the page says in which order they stand there.
LAYOUTS = (
    Layout(
        "functions-failed",
        "Failures by function",
        "Answers that failed, and the newest error of each function.",
        "No answer failed.",
        lambda report: report.failed_functions,
        (
            Column("fun", "Function", "code"),
            _FAILED,
            _ON,
            Column("error", "Newest error"),
            _WHEN,
            _JID,
        ),
    ),
    Layout(
        "states-failed",
        "Failures by state",
        "States that failed, dry runs among them, and what the newest one says.",
        "No state failed.",
        lambda report: report.failed_states,
        (
            Column("state", "State", "code"),
            Column("state_id", "Id"),
            Column("sls", "File", "code"),
            _FAILED,
            _ON,
            Column("comment", "Newest comment"),
            _WHEN,
            _JID,
        ),
    ),
    Layout(
        "failures",
        "Newest failures",
        "Answers that failed, the newest first.",
        "No answer failed.",
        lambda report: report.failures,
        (
            Column("stamp", "Time (UTC)", "time"),
            _MINION,
            Column("fun", "Function", "code"),
            Column("retcode", "Code", "number"),
            Column("error", "Error"),
            _JID,
        ),
    ),
    Layout(
        "slow",
        "Slowest states",
        "How long states took, the one with the longest run first.",
        "No state ran.",
        lambda report: report.slow,
        (
            Column("state", "State", "code"),
            Column("state_id", "Id"),
            Column("longest_ms", "Longest", "took", bar=True),
            Column("average_ms", "Average", "took"),
            Column("total_ms", "Together", "took"),
            Column("times", "Runs", "number"),
        ),
    ),
    Layout(
        "conformity",
        "Minions by outcome",
        "Each minion by its last run of states that was no dry run; those that are not healthy come first.",
        "No minion is known.",
        lambda report: report.conformity.minions,
        (
            _MINION,
            Column("outcome", "Outcome", "outcome"),
            Column("failed", "Failed", "number"),
            Column("changed", "Changed", "number"),
            Column("states", "States", "number"),
            Column("stamp", "Run (UTC)", "time"),
            _JID,
        ),
    ),
    Layout(
        "missing",
        "Minions that did not answer",
        _about_missing,
        "Every minion has answered.",
        lambda report: report.silence.minions,
        (
            _MINION,
            Column("silent", "Jobs", "number", bar=True),
            Column("fun", "Last one", "code"),
            Column("stamp", "Asked (UTC)", "time"),
            Column("last_seen", "Last seen (UTC)", "time"),
            _JID,
        ),
    ),
    Layout(
        "users",
        "Who ran what",
        "Jobs, runners and wheels, what ran most often first.",
        "Nothing was run.",
        lambda report: report.users,
        (
            Column("user", "User", "code"),
            Column("fun", "Function", "code"),
            Column("kind", "Kind"),
            Column("times", "Times", "number", bar=True),
            _ON,
            _WHEN,
            _JID,
        ),
    ),
    Layout(
        "changes",
        "Newest changes",
        "What states changed on minions; dry runs change nothing.",
        "Nothing was changed.",
        lambda report: report.changes,
        (
            Column("stamp", "Time (UTC)", "time"),
            _MINION,
            Column("state", "State", "code"),
            Column("name", "Name", "code"),
            Column("changed", "Changes", "code"),
            Column("user", "By", "code"),
            _JID,
        ),
    ),
    Layout(
        "functions",
        "Answers by function",
        "What minions answered, and runners.",
        "No answer came.",
        lambda report: report.functions,
        (
            Column("fun", "Function", "code"),
            Column("answers", "Answers", "number", bar=True),
        ),
    ),
    Layout(
        "workers",
        "Workers",
        "What each worker has written since the engine was started, and what waits for it.",
        "The engine has reported no worker.",
        lambda report: report.engine.workers,
        (
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
    ),
    Layout(
        "gaps",
        "Gaps",
        "Times in which events may have been missed.",
        "There is no gap.",
        lambda report: report.engine.gaps,
        (
            Column("from", "From"),
            Column("to", "To"),
            Column("missing", "Missed, about", "number"),
            Column("why", "Why"),
        ),
    ),
)
