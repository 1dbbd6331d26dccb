"""
``eventsd.repair``: bring what came in gaps, as far as a job cache has kept it, and say what nobody can know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from salt_eventsd.config.load import load
from salt_eventsd.config.structs import General
from salt_eventsd.engine.control import ask, socket_path
from salt_eventsd.engine.predecessor import left
from salt_eventsd.engine.repair.asking import SLACK_SECONDS, wanted_of
from salt_eventsd.engine.repair.thread import OURS, has_all, job_cache_of
from salt_eventsd.engine.report import ReportedGap
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.intake.past.told import Wanted
from salt_eventsd.operate.databases import yes_or_no
from salt_eventsd.operate.imports.bring import Bringer, Counts
from salt_eventsd.operate.imports.handed import NO_GAP, UNKNOWN, handed, moment, told_of
from salt_eventsd.operate.imports.run import problem_of, retcode_of, seconds_of
from salt_eventsd.operate.imports.sources import Source, source_of
from salt_eventsd.operate.imports.waiting import left_to_engine, note
from salt_eventsd.spool.lock import is_locked

_ASKED_FOR = "asked for"


def repair(
    opts: Mapping[str, Any],
    since: Any = None,
    until: Any = None,
    source: Any = None,
    worker: Any = None,
    dry_run: Any = False,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """
    Repair gaps.

    :param opts: Salt's options.
    :param since: the beginning of a time to repair; with neither this nor ``until``, all gaps that are known.
    :param until: its end.
    :param source: the name of the returner to ask; None for the master's job cache.
    :param worker: a sql worker; None for the one that is asked about the history.
    :param dry_run: count what would be brought, and write nothing.
    :param say: is told how far it is, after each portion.
    """
    try:
        is_dry = yes_or_no("dry_run", dry_run)
        config = load(opts)
        if source is None and job_cache_of(opts) == OURS:
            return handed(opts, config, _gaps(config.general, since, until), worker, is_dry)
        asked = source_of(opts, source)
        gaps = _gaps(config.general, since, until)
        bringer = Bringer(opts, config, worker, is_dry, say)
        told: dict[str, Any] = {"source": asked.name, "worker": bringer.worker, "dry_run": is_dry, "repair": []}
        retcode, untold = 0, list[str]()
        with bringer.at_work():
            left = left_to_engine(config.general, bringer.worker)
            for gap in gaps:
                counts = bringer.bring(asked, replace(_wanted(asked, gap), left=left))
                still = _still(opts, asked, gap, counts) if _is_whole(gap, left) else None
                told["repair"].append(_told(gap, counts, still))
                retcode = max(retcode, retcode_of(counts))
                if is_dry or not _is_whole(gap, left):
                    continue
                if problem := _tell_engine(config.general, gap, counts, still):
                    untold = [problem]
    except EventsdError as exc:
        return {"problem": problem_of(exc), "retcode": 2}
    notes = [UNKNOWN if gaps else NO_GAP]
    if gaps and not asked.knows_when:
        notes.append(
            f"{asked.name} does not say when something came: of each time, the jobs that began in it were asked"
        )
    return {**told, "notes": [*notes, *note(left), *untold], "retcode": retcode}


def _gaps(general: General, since: Any, until: Any) -> list[ReportedGap]:
    now = time.time()
    if since is not None or until is not None:
        begin, end = seconds_of("since", since, 0.0), seconds_of("until", until, now)
        if begin >= end:
            raise EventsdError(
                f"since: expected a time before until, got {moment(begin)}, which is not before {moment(end)}"
            )
        return [ReportedGap(begin, end, _ASKED_FOR)]
    found = left(Path(general.state_file))
    if found is None:
        return []
    found = found.before if found.before and not found.bus else found
    gaps = list(found.bus.gaps) if found.bus else []
    if not is_locked(Path(general.spool.dir)) and (gap := found.gap()):
        missing = gap.guess()
        beside = None if gap.beside is None else round(missing * gap.beside)
        gaps.append(ReportedGap(gap.since, None, "no engine runs", missing, beside_jobs=beside))
    return gaps


def _wanted(source: Source, gap: ReportedGap) -> Wanted:
    until = time.time() if gap.until is None else gap.until
    if source.knows_when:
        return wanted_of(gap.since, until)
    return Wanted(gap.since - SLACK_SECONDS, until + SLACK_SECONDS)


def _is_whole(gap: ReportedGap, left: tuple[float, float]) -> bool:
    """Say whether all of a gap that an engine has reported was asked for, and nothing of it was left to the engine."""
    if gap.why == _ASKED_FOR or gap.until is None:
        return False
    return gap.until + SLACK_SECONDS < left[0] or gap.since - SLACK_SECONDS > left[1]


def _still(opts: Mapping[str, Any], asked: Source, gap: ReportedGap, counts: Counts) -> int | None:
    """Return how many starts of jobs and returns are missing still; None if that is not known."""
    is_the_master_s = asked.name == job_cache_of(opts) and asked.knows_when and has_all(opts)
    if not is_the_master_s or gap.beside_jobs is None or gap.repaired is not None:
        return None
    return sum(counts.refused.values()) + counts.unreadable + counts.elsewhere


def _tell_engine(general: General, gap: ReportedGap, counts: Counts, still: int | None) -> str:
    """Tell a running engine, so that its status counts as missing what is missing still; return why it does not."""
    if not is_locked(Path(general.spool.dir)):
        return ""
    known = {} if still is None else {"still": still}
    try:
        answer = ask(socket_path(general.state_file), "repaired", since=gap.since, events=_brought(counts), **known)
    except EventsdError as exc:
        problems = [str(exc)]
    else:
        problems = answer.get("problems", [])
    return f"the engine's status goes on counting what was repaired as missing: {problems[0]}" if problems else ""


def _brought(counts: Counts) -> int:
    return sum(counts.added.values()) + counts.completed


def _told(gap: ReportedGap, counts: Counts, still: int | None) -> dict[str, Any]:
    """Return what was found of a gap, and what is not known of it."""
    found = {**told_of(gap), **counts.told()}
    if gap.repaired is not None:
        found["repaired_by_engine"] = gap.repaired
    if still is not None and gap.beside_jobs is not None:
        found["unknown"] = gap.beside_jobs + still
    elif gap.missing is not None:
        # What the engine has repaired itself is not in its estimate any more.
        found["unknown"] = max(0, gap.missing - _brought(counts))
    return found
