"""Reports of healthy engines, changed as a test wants them."""

from __future__ import annotations

import time
from typing import Any

from salt_eventsd import __version__
from salt_eventsd.common.machine import now
from salt_eventsd.engine.counters import BUS, LANE, SPOOL, WORKER, Section
from salt_eventsd.engine.report import (
    BusReport,
    DispatchReport,
    LaneReport,
    ReaderReport,
    Report,
    SpoolReport,
    WorkerReport,
)


def worker_of(**fields: Any) -> WorkerReport:
    """
    Return the report of a healthy worker that has nothing to do.

    :param fields: the fields to change.
    """
    lane = {"state": "ok", "last_error": "", "batch_seconds": 1.0, "last_write": 0.0, "last_drop": 0.0}
    return WorkerReport(**_parted({**lane, **fields}, LANE, WORKER))


def lane_of(**fields: Any) -> LaneReport:
    """
    Return the report of a healthy lane that has nothing to do.

    :param fields: the fields to change.
    """
    lane = {"state": "ok", "last_error": "", "batch_seconds": 1.0, "last_write": 0.0, "last_drop": 0.0}
    return LaneReport(**_parted({**lane, **fields}, LANE))


def bus_of(**fields: Any) -> BusReport:
    """
    Return the report of a bus that is connected.

    :param fields: the fields to change.
    """
    bus = {"connected": True, "since": 0.0, "last": 0.0, "rate": 0.0, "reader": ReaderReport(0, 0, 0)}
    return BusReport(**_parted({**bus, "gaps": [], "peers": {}, **fields}, BUS))


def spool_of(**fields: Any) -> SpoolReport:
    """
    Return the report of an empty spool.

    :param fields: the fields to change.
    """
    spool = {"dir": "", "full": False, "error": "", "orphaned": {}, "orphaned_letters": {}, "set_aside": []}
    return SpoolReport(**_parted({**spool, **fields}, SPOOL))


def report_of(**fields: Any) -> Report:
    """
    Return the report of an engine with a worker ``history``.

    :param fields: the fields to change.
    """
    moment = time.time()
    well = {
        "version": __version__,
        "pid": 1,
        "parent": 1,
        "started": moment,
        "written": moment,
        "clock": now(),
        "timer": 5.0,
        "ended": False,
        "problems": [],
        "threads": {},
        "bus": bus_of(),
        "dispatch": DispatchReport(""),
        "workers": {"history": worker_of()},
        "spool": spool_of(),
        "metrics": "",
        "losses": {},
        "seen": 0.0,
    }
    return Report(**{**well, **fields})


def _parted(fields: dict[str, Any], *sections: Section[Any]) -> dict[str, Any]:
    """Sort registered numbers into their sections; a missing number is 0."""
    names = [name for section in sections for name in section.names]
    rest = {key: value for key, value in fields.items() if key not in names}
    return {**rest, "counts": {name: fields.get(name, 0) for name in names}}
