"""
``eventsd.repair``: bring what came in gaps, as far as a job cache has kept it, and say what nobody can know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from salt_eventsd.config.load import load
from salt_eventsd.config.structs import General
from salt_eventsd.engine.control import ask, socket_path
from salt_eventsd.engine.predecessor import left
from salt_eventsd.engine.repair import SLACK_SECONDS, wanted_of
from salt_eventsd.engine.report import ReportedGap
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.intake.past.told import Wanted
from salt_eventsd.operate.databases import yes_or_no
from salt_eventsd.operate.imports.bring import Bringer, Counts
from salt_eventsd.operate.imports.run import problem_of, retcode_of, seconds_of
from salt_eventsd.operate.imports.sources import Source, source_of
from salt_eventsd.operate.imports.waiting import left_to_engine, note
from salt_eventsd.spool.lock import is_locked

_ASKED_FOR = "asked for"
_UNKNOWN = (
    "a job cache has jobs and returns only: whether other events were missed, such as those of beacons, nobody can know"
)


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
        asked = source_of(opts, source)
        gaps = _gaps(Path(config.general.state_file), Path(config.general.spool.dir), since, until)
        bringer = Bringer(opts, config, worker, is_dry, say)
        told: dict[str, Any] = {"source": asked.name, "worker": bringer.worker, "dry_run": is_dry, "repair": []}
        retcode, untold = 0, list[str]()
        with bringer.at_work():
            left = left_to_engine(config.general, bringer.worker)
            for gap in gaps:
                counts = bringer.bring(asked, replace(_wanted(asked, gap), left=left))
                told["repair"].append(_told(gap, counts))
                retcode = max(retcode, retcode_of(counts))
                if not is_dry and _is_whole(gap, left) and (problem := _tell_engine(config.general, gap, counts)):
                    untold = [problem]
    except EventsdError as exc:
        return {"problem": problem_of(exc), "retcode": 2}
    notes = [_UNKNOWN] if gaps else ["no gap is known; say since= and until= to repair a time"]
    if gaps and not asked.knows_when:
        notes.append(
            f"{asked.name} does not say when something came: of each time, the jobs that began in it were asked"
        )
    return {**told, "notes": [*notes, *note(left), *untold], "retcode": retcode}


def _gaps(state_file: Path, folder: Path, since: Any, until: Any) -> list[ReportedGap]:
    now = time.time()
    if since is not None or until is not None:
        begin, end = seconds_of("since", since, 0.0), seconds_of("until", until, now)
        if begin >= end:
            raise EventsdError(
                f"since: expected a time before until, got {_time(begin)}, which is not before {_time(end)}"
            )
        return [ReportedGap(begin, end, _ASKED_FOR)]
    found = left(state_file)
    if found is None:
        return []
    found = found.before if found.before and not found.bus else found
    gaps = list(found.bus.gaps) if found.bus else []
    if not is_locked(folder) and (gap := found.gap()):
        gaps.append(ReportedGap(gap.since, None, "no engine runs", gap.guess()))
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


def _tell_engine(general: General, gap: ReportedGap, counts: Counts) -> str:
    """Tell a running engine, so that its status counts as missing what is missing still; return why it does not."""
    if not is_locked(Path(general.spool.dir)):
        return ""
    try:
        answer = ask(socket_path(general.state_file), "repaired", since=gap.since, events=_brought(counts))
    except EventsdError as exc:
        problems = [str(exc)]
    else:
        problems = answer.get("problems", [])
    return f"the engine's status goes on counting what was repaired as missing: {problems[0]}" if problems else ""


def _brought(counts: Counts) -> int:
    return sum(counts.added.values()) + counts.completed


def _told(gap: ReportedGap, counts: Counts) -> dict[str, Any]:
    """Return what was found of a gap, and what is not known of it."""
    found = {
        "from": _time(gap.since),
        "to": None if gap.until is None else _time(gap.until),
        "why": gap.why,
        **counts.told(),
    }
    if gap.repaired is not None:
        found["repaired_by_engine"] = gap.repaired
    if gap.missing is not None:
        # What the engine has repaired itself is not in its estimate any more.
        found["unknown"] = max(0, gap.missing - _brought(counts))
    return found


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
