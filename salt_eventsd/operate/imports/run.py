"""
``eventsd.import_jobs``: bring the jobs of a job cache into the history, those of a time or all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.common.moments import moment_of
from salt_eventsd.config.load import load
from salt_eventsd.exceptions import ConfigError, EventsdError
from salt_eventsd.intake.past.told import Wanted
from salt_eventsd.operate.databases import yes_or_no
from salt_eventsd.operate.imports.bring import Bringer, Counts
from salt_eventsd.operate.imports.mark import Mark
from salt_eventsd.operate.imports.sources import source_of
from salt_eventsd.operate.imports.waiting import left_to_engine, note
from salt_eventsd.redact.error_text import one_line


def import_jobs(
    opts: Mapping[str, Any],
    source: Any = None,
    since: Any = None,
    until: Any = None,
    worker: Any = None,
    dry_run: Any = False,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """
    Import jobs with their returns.

    :param opts: Salt's options.
    :param source: the name of the returner that has them; None for the master's job cache.
    :param since: only jobs that began then or later.
    :param until: only jobs that began before.
    :param worker: a sql worker; None for the one that is asked about the history.
    :param dry_run: count what would be imported, and write nothing.
    :param say: is told how far it is, after each portion.
    """
    try:
        is_dry = yes_or_no("dry_run", dry_run)
        begin, end = seconds_of("since", since, -math.inf), seconds_of("until", until, math.inf)
        config = load(opts)
        asked = source_of(opts, source)
        bringer = Bringer(opts, config, worker, is_dry, say)
        mark = Mark(Path(config.general.spool.dir), bringer.worker, f"{asked.name} {asked.place} {since} {until}")
        left = left_to_engine(config.general, bringer.worker)
        after = "" if is_dry else mark.read()
        with bringer.at_work():
            counts = bringer.bring(asked, Wanted(begin, end, left), after, mark.set)
    except EventsdError as exc:
        return {"problem": problem_of(exc), "retcode": 2}
    if not is_dry:
        mark.remove()
    told = {"source": asked.name, "worker": bringer.worker, "dry_run": is_dry, **counts.told()}
    notes = [*note(left), *bringer.strangers(asked)]
    if after:
        notes.append("an import before this one was cut off; this one went on where that one was")
    if notes:
        told["notes"] = notes
    return {**told, "retcode": retcode_of(counts)}


def retcode_of(counts: Counts) -> int:
    """
    Return 0 if all that was wanted is in the history, 1 if something could not be read or was refused.

    :param counts: what has become of it.
    """
    return 1 if counts.unreadable or any(counts.refused.values()) else 0


def seconds_of(name: str, value: Any, otherwise: float) -> float:
    """
    Return a time that was given, in seconds since 1970 UTC.

    :param name: the argument's.
    :param value: as it was given.
    :param otherwise: what to return for None.
    :raises EventsdError: it is no time.
    """
    if value is None:
        return otherwise
    try:
        return moment_of(value).timestamp()
    except ValueError as exc:
        raise EventsdError(f"{name}: {exc}") from None


def problem_of(error: EventsdError) -> str:
    """
    Return an error in one line.

    :param error: what went wrong.
    """
    if isinstance(error, ConfigError):
        return "; ".join(str(error).splitlines())
    text = one_line(error)
    return text.removeprefix(f"{type(error).__name__}: ")
