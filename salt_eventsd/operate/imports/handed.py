"""
``eventsd.repair`` where our own returner is the master's job cache: the engine takes in by itself what Salt has handed
over, so there is nothing to bring, and only to say what has become of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from salt_eventsd.common.english import counted
from salt_eventsd.config.structs import Config
from salt_eventsd.database.questions.read import asked_worker
from salt_eventsd.engine.repair.thread import OURS, has_all
from salt_eventsd.engine.report import ReportedGap
from salt_eventsd.operate.databases import sql_workers
from salt_eventsd.spool.doorstep import Doorstep
from salt_eventsd.spool.lock import is_locked

UNKNOWN = (
    "a job cache has jobs and returns only: whether other events were missed, such as those of beacons, nobody can know"
)
NO_GAP = "no gap is known; say since= and until= to repair a time"
_HANDED = (
    "master_job_cache is eventsd: what Salt has handed over, the engine takes in by itself; jobs of before are in"
    " source=local_cache, or another returner"
)
_NOT_ALL = (
    "with job_cache: False, runner_returns: False or an ext_job_cache, Salt hands over only a part: what is missing of"
    " the others, nobody can know"
)


def handed(
    opts: Mapping[str, Any], config: Config, gaps: list[ReportedGap], worker: Any, is_dry: bool
) -> dict[str, Any]:
    """
    Say what has become of what was handed over.

    :param opts: Salt's options.
    :param config: the configuration.
    :param gaps: the gaps.
    :param worker: a sql worker; None for the one that is asked about the history.
    :param is_dry: told as it was asked for; nothing is written either way.
    :raises EventsdError: there is no such worker, or what waits cannot be read.
    """
    sql_workers(opts, worker)
    folder = Path(config.general.spool.dir)
    waiting = Doorstep(folder).queue().waiting
    runs = is_locked(folder)
    is_all = has_all(opts)
    notes = [UNKNOWN if gaps else NO_GAP, _HANDED, *([] if is_all else [_NOT_ALL])]
    if waiting:
        notes.append(
            f"{counted(waiting, 'return', 'waits')} beside the spool for the engine{'' if runs else ', and none runs'}"
        )
    return {
        "source": OURS,
        "worker": worker or asked_worker(config),
        "dry_run": is_dry,
        "repair": [_told(gap, is_all) for gap in gaps],
        "notes": notes,
        "retcode": int(bool(waiting and not runs)),
    }


def told_of(gap: ReportedGap) -> dict[str, Any]:
    """
    Return what a gap is, for the answer of a verb.

    :param gap: the gap.
    """
    return {"from": moment(gap.since), "to": None if gap.until is None else moment(gap.until), "why": gap.why}


def moment(seconds: float) -> str:
    """
    Return a moment as text.

    :param seconds: since 1970 UTC.
    """
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _told(gap: ReportedGap, is_all: bool) -> dict[str, Any]:
    found: dict[str, Any] = told_of(gap)
    unknown = gap.missing
    if gap.repaired is not None:
        found["repaired_by_engine"] = gap.repaired
    elif is_all and gap.beside_jobs is not None:
        # Its jobs and returns are on disk, whether the engine has taken them in or not.
        unknown = gap.beside_jobs
    if unknown is not None:
        found["unknown"] = unknown
    return found
