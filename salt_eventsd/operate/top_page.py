"""
What ``salt-run eventsd.top`` shows, as lines that fit a terminal: the state, what is wrong, the workers with their
queues, and the busiest rules.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from salt_eventsd.engine.report import Report, WorkerReport
from salt_eventsd.engine.state_file import IdleReport
from salt_eventsd.operate.status_page import bus_line, duration, headline, rate, spool_line, state_color

#: So many lines at most tell what is wrong, and so many rules are shown where there is room.
_MOST_WRONG = 5
_MOST_RULES = 50
_WORKERS = ("worker", "state", "waiting", "oldest", "written/s", "written", "dead", "next try")
_RULES = ("rule", "events/s", "taken")


class RuleRate(NamedTuple):
    """
    How busy a rule is.

    :param rate: events in a second.
    :param taken: events since the engine was started.
    """

    name: str
    rate: float
    taken: int


def lines(
    told: Mapping[str, Any],
    found: Report | IdleReport | None,
    rules: Sequence[RuleRate],
    size: tuple[int, int],
    colors: Mapping[str, Any],
) -> list[str]:
    """
    Return the page, which is no wider and no longer than the terminal.

    :param told: the status.
    :param found: the report it was made of.
    :param rules: the busiest first.
    :param size: of the terminal, columns and lines.
    :param colors: from :func:`salt.utils.color.get_colors`.
    """
    width, height = size
    head = [headline(told, found), f"{time.strftime('%H:%M:%S', time.gmtime())} UTC, ctrl-C ends"]
    body = [f"! {note}" for note in told["notes"][:_MOST_WRONG]]
    if left := len(told["notes"]) - _MOST_WRONG:
        body += [f"! and {left} more: salt-run eventsd.status"] if left > 0 else []
    if isinstance(found, Report) and told["running"]:
        body += [f"bus    {bus_line(found.bus)}", f"spool  {spool_line(found.spool)}", ""]
        body += _table(_WORKERS, [_worker(name, one) for name, one in found.workers.items()])
        body += ["", *_table(_RULES, [(one.name, rate(one.rate), f"{one.taken:,}") for one in rules[:_MOST_RULES]])]
    page = [_fit(one, width) for one in (*head, *body)]
    if len(page) > height:
        page = [*page[: height - 1], _fit(f"... {len(page) - height + 1} more lines", width)]
    return [f"{state_color(told, colors)}{page[0]}{colors['ENDC']}", *page[1:]]


def _worker(name: str, one: WorkerReport) -> tuple[str, ...]:
    return (
        name,
        "paused" if one["paused_seconds"] else one.state,
        f"{one['queued_events']:,}",
        duration(one["oldest_age"]) if one["queued_events"] else "-",
        rate(one["written_per_second"]),
        f"{one['written']:,}",
        f"{one['dead_letters']:,}",
        duration(one["next_try_seconds"]) if one["next_try_seconds"] else "-",
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    for row in (heads, *rows):
        _, *rest = (cell.rjust(width) for cell, width in zip(row, widths))
        yield "  ".join([row[0].ljust(widths[0]), *rest])


def _fit(text: str, width: int) -> str:
    """Cut a line that is too long, and take away what a terminal would obey: some of it comes from elsewhere."""
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= width else f"{text[: max(0, width - 3)]}..."
