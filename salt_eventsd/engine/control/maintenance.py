"""
Maintenance: have a worker wait while somebody works on its database, go on, and write at once what waits.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from salt_eventsd.engine.control.client import Answer

if TYPE_CHECKING:
    # The service has the table of verbs, which has these.
    from salt_eventsd.dispatch.lane import Lane
    from salt_eventsd.engine.service import Service

log = logging.getLogger(__name__)

#: How long flushing waits until what was read is in the spool, besides ``commit_seconds``.
_KEPT_SECONDS = 3.0
_LOOK_SECONDS = 0.01


def pause(service: Service, worker: str | None) -> Answer:
    """
    Have a worker wait: no batch of it begins any more, and its events wait in the spool.

    :param service: the engine.
    :param worker: its name.
    """
    if wrong := _unknown(service, worker):
        return wrong
    problem = ""
    try:
        service.pauses.pause(str(worker), time.time())
    except OSError as exc:
        problem = f"eventsd: the pause will end with the engine, as it cannot be noted: {exc}"
    service.heed_pauses()
    log.warning("eventsd: worker %s is paused by an operator; its events wait in the spool", worker)
    lanes = _lanes(service, str(worker))
    answer = {"paused": worker, "in_flight": sum(lane.flights.count for lane in lanes), "waiting": _waiting(lanes)}
    return {**answer, "problem": problem, "retcode": 1} if problem else {**answer, "retcode": 0}


def resume(service: Service, worker: str | None) -> Answer:
    """
    Have a paused worker go on.

    :param service: the engine.
    :param worker: its name.
    """
    if wrong := _unknown(service, worker):
        return wrong
    was_paused = bool(service.pauses.since(str(worker)))
    problem = ""
    try:
        service.pauses.resume(str(worker))
    except OSError as exc:
        problem = f"eventsd: the worker will be paused again when the engine is restarted: {exc}"
    service.heed_pauses()
    if was_paused:
        log.warning("eventsd: worker %s goes on", worker)
    answer = {"resumed": worker, "was_paused": was_paused, "waiting": _waiting(_lanes(service, str(worker)))}
    return {**answer, "problem": problem, "retcode": 1} if problem else {**answer, "retcode": 0}


def flush(service: Service, worker: str | None) -> Answer:
    """
    Have what was read so far written at once, whatever the limits of batches and the waits between tries are. Paused
    workers stay so.

    :param service: the engine.
    :param worker: its name; None for all.
    :returns: as :func:`waiting` does.
    """
    if worker is not None and (wrong := _unknown(service, worker)):
        return wrong
    if worker is not None and service.pauses.since(worker):
        return {"problem": f"eventsd: {worker} is paused; salt-run eventsd.resume {worker}", "retcode": 2}
    number = service.intake.offer(b"")
    until = time.monotonic() + service.general.spool.commit_seconds + _KEPT_SECONDS
    while service.intake.kept_offers < number and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    newest = service.spool.newest_id()
    for lane in _lanes(service, worker):
        lane.hurry(newest)
    service.dispatcher.wake()
    return waiting(service, worker)


def waiting(service: Service, worker: str | None) -> Answer:
    """
    Return how many events of each worker wait, and how many have left the spool since the engine was started.

    :param service: the engine.
    :param worker: only this one's; None for all.
    """
    found: dict[str, dict[str, int | str | bool]] = {}
    for name in _workers(service):
        if worker in (None, name):
            lanes = _lanes(service, name)
            errors = [lane.last_error for lane in lanes if lane.state != "ok"]
            found[name] = {
                "waiting": _waiting(lanes),
                "written": sum(lane.written for lane in lanes),
                "gone": sum(lane.written + lane.buried + lane.backlog.dropped + lane.backlog.lost for lane in lanes),
                "paused": bool(service.pauses.since(name)),
                "error": errors[0] if errors else "",
            }
    return {"workers": found, "retcode": 0}


def _workers(service: Service) -> list[str]:
    return list(service.plan.workers)


def _unknown(service: Service, worker: str | None) -> Answer | None:
    known = _workers(service)
    if worker in known:
        return None
    there = f"there are {', '.join(known)}" if known else "there are none"
    got = "" if worker is None else f", got {worker!r}"
    return {"problem": f"eventsd: worker: expected the name of a worker{got}; {there}", "retcode": 2}


def _lanes(service: Service, worker: str | None) -> list[Lane]:
    return [lane for lane in service.lanes.values() if not lane.retired and worker in (None, lane.owner)]


def _waiting(lanes: list[Lane]) -> int:
    return sum(lane.backlog.events for lane in lanes)
