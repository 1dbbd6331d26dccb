"""
Orphans: events in the spool for workers and rules that are not configured. An operator can have them removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from salt_eventsd.config.structs import Config
from salt_eventsd.dispatch.backlog import Backlog
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.engine.control.client import Answer, ask, socket_path
from salt_eventsd.engine.plan import lane_names
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.file import FILE
from salt_eventsd.spool.keep import Spool
from salt_eventsd.spool.lock import is_locked


def drop(config: Config, worker: str | None = None) -> Answer:
    """
    Remove events that wait for workers and rules that are not configured. A running engine is asked to; without one,
    they are removed from the spool itself.

    :param config: the one on disk; a running engine goes by its own.
    :param worker: only events for this worker, or for one of its rules (``worker:rule``).
    :raises EventsdError: there is no spool, it cannot be written, or the engine does not answer.
    :returns: how many events were dropped, by worker and rule.
    """
    folder = Path(config.general.spool.dir)
    if is_locked(folder):
        return ask(socket_path(config.general.state_file), "drop_orphaned", worker=worker)
    if not (folder / FILE).exists():
        raise SpoolError(f"eventsd: spool.dir: there is no spool in {folder}")
    configured = lane_names(config)
    spool = Spool(folder, int(config.general.spool.max_bytes))
    try:
        backlogs = []
        for name, left in spool.begin().items():
            if name not in configured:
                backlogs.append(Backlog(name, spool))
                backlogs[-1].restore(left, spool.newest_id())
        return _drop(backlogs, configured, worker)
    finally:
        spool.close()


def drop_from(lanes: Iterable[Lane], worker: str | None = None) -> Answer:
    """
    Remove the events in those lanes of a running engine that have no worker.

    :param lanes: all of them.
    :param worker: as of :func:`drop`.
    :raises SpoolError: not all was dropped.
    """
    lanes = list(lanes)
    configured = {lane.name for lane in lanes if not lane.retired}
    return _drop([lane.backlog for lane in lanes if lane.retired], configured, worker)


def _drop(backlogs: Iterable[Backlog], configured: Collection[str], worker: str | None) -> Answer:
    meant = [one for one in backlogs if worker is None or one.name == worker or _owner(one.name) == worker]
    if not meant and worker in configured:
        problem = f"eventsd: {worker} is configured, and what waits for it will be written; nothing was dropped"
        return {"dropped": {}, "problem": problem, "retcode": 2}
    return {"dropped": {one.name: one.remove_all() for one in meant if one.events}, "retcode": 0}


def _owner(lane: str) -> str:
    return lane.partition(":")[0]
