"""
Makes the page of a report: one file that loads nothing, and whose only script is its own.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from salt_eventsd import __version__
from salt_eventsd.common.english import counted
from salt_eventsd.operate.report.facts import Report, Totals
from salt_eventsd.operate.report.tables import tables
from salt_eventsd.operate.report.texts import shown

_FOLDER = Path(__file__).parent
#: A name that is shown when a mouse points at its square is no longer than this.
_BRIEF = 80
#: What is drawn of each interval.
_CHARTS = ("jobs", "answers", "failed")


def render(report: Report) -> str:
    """
    Return the page.

    :param report: what it tells.
    """
    script = (_FOLDER / "script.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            tables=tables(report),
            script=Markup(script),
            style=Markup((_FOLDER / "style.css").read_text(encoding="utf-8")),
            script_hash=f"sha256-{digest}",
            version=__version__,
            trend=_trend(report.totals, report.before),
            step=_length((report.intervals[0].end - report.intervals[0].start).total_seconds()),
            peak={name: max((getattr(one, name) for one in report.intervals), default=0) for name in _CHARTS},
        )
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["moment"] = _moment
    environment.filters["brief"] = lambda value: shown(value, _BRIEF)
    environment.filters["count"] = "{:,}".format
    return environment


def _finalize(value: Any) -> Any:
    """
    Nothing gets into the page past this: what is no markup of our own is a text of somebody's.

    No line of the file begins with such a text, wherever the file is put: other programs read line by line.
    """
    return value if isinstance(value, Markup) else escape(shown(value)).replace("\n", Markup("&#10;"))


def _moment(when: datetime, form: str = "%Y-%m-%d %H:%M") -> str:
    return when.strftime(form)


def _length(seconds: float) -> str:
    """Return the length of an interval in words."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return counted(int(seconds // size), unit)
    return counted(int(seconds), "second")


def _trend(now: Totals, before: Totals) -> str:
    """Say whether more failed than usual."""
    rate, usual = now.failure_rate, before.failure_rate
    if rate is None:
        return "no answers"
    if usual is None:
        return "nothing to compare with before"
    if abs(rate - usual) < 0.05:
        return "as in the same time before"
    return f"{'up' if rate > usual else 'down'} from {usual:.1f} % in the same time before"
