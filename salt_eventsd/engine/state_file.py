"""
The state file: an engine's report, or that of an engine that cannot work, as JSON.

Registered numbers stand beside the other keys: ``{"bus": {"connected": true, "received": 12, ...}, ...}``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from salt_eventsd import __version__
from salt_eventsd.common.machine import Clock, now
from salt_eventsd.engine.counters import BUS, LANE, SPOOL, WORKER
from salt_eventsd.engine.predecessor import Predecessor
from salt_eventsd.engine.report import Report


class IdleReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What an engine reports that cannot work. Its parameters are those of :class:`Report`.

    :param problems: why it cannot, a line each.
    :param before: the last engine that worked.
    """

    version: str
    pid: int
    started: float
    written: float
    clock: Clock
    timer: float
    ended: bool
    problems: list[str]
    before: Predecessor | None


class _Folder(msgspec.Struct, frozen=True):
    dir: str = ""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What reports of all versions tell; its parameters are those of :class:`Report`."""

    version: str
    pid: int
    started: float
    written: float
    clock: Clock = Clock()
    timer: float = 0.0
    ended: bool = False
    problems: list[str] = []
    spool: _Folder = _Folder()


def idle_report(started: float, problems: list[str], before: Predecessor | None = None) -> IdleReport:
    """
    Return the report of an engine that cannot work.

    :param started: when it was started, in seconds since 1970 UTC.
    :param problems: why it cannot, a line each.
    :param before: the last engine that worked.
    """
    return IdleReport(
        version=__version__,
        pid=os.getpid(),
        started=started,
        written=time.time(),
        clock=now(),
        timer=0.0,
        ended=False,
        problems=problems,
        before=before,
    )


def to_data(report: Report | IdleReport) -> dict[str, Any]:
    """
    Return a report as the state file has it.

    :param report: the report.
    """
    data: dict[str, Any] = msgspec.to_builtins(report)
    for part, _ in _counted(data):
        part.update(part.pop("counts"))
    return data


def encode(report: Report | IdleReport) -> bytes:
    """
    Return a report as JSON.

    :param report: the report.
    """
    return msgspec.json.format(msgspec.json.encode(to_data(report)))


def decode(raw: bytes) -> Report | IdleReport:
    """
    Read a report of this version.

    :param raw: what the state file holds.
    :raises msgspec.DecodeError: it is no report, a key is missing, or has another type.
    """
    data = msgspec.json.decode(raw, type=dict[str, Any])
    if "bus" not in data:
        return msgspec.convert(data, IdleReport)
    try:
        for part, names in _counted(data):
            part["counts"] = {name: part[name] for name in names}
    except KeyError as exc:
        raise msgspec.ValidationError(f"Object missing required field `{exc.args[0]}`") from None
    except (TypeError, AttributeError) as exc:
        raise msgspec.ValidationError(f"Expected an object: {exc}") from None
    return msgspec.convert(data, Report)


def decode_head(raw: bytes) -> Head:
    """
    Read what reports of all versions tell.

    :param raw: what the state file holds.
    :raises msgspec.DecodeError: it is no report of any version.
    """
    return msgspec.json.decode(raw, type=Head)


def _counted(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Iterable[str]]]:
    """Yield the parts of a report that have registered numbers, each with the numbers' names."""
    if "bus" in data:
        yield data["bus"], BUS.names
        yield data["spool"], SPOOL.names
        for worker in data["workers"].values():
            yield worker, (*LANE.names, *WORKER.names)
            for lane in worker.get("rules", {}).values():
                yield lane, LANE.names
