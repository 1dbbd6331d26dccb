"""
The table of verbs: what an engine can be asked for over its control socket.

To add a verb, write a function here and a line in :data:`VERBS`. Whoever wants it done calls
:func:`salt_eventsd.engine.control.client.ask`, with what the verb takes as keywords.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from salt_eventsd.engine import reload
from salt_eventsd.engine.control import maintenance, orphans
from salt_eventsd.engine.control.client import Answer, Request
from salt_eventsd.engine.control.server import Handler
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.rules.compile import named

if TYPE_CHECKING:
    # The idle engine answers by this table.
    from salt_eventsd.engine.idle import Waiting
    from salt_eventsd.engine.service import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verb:
    """
    What an engine can be asked for.

    :param about: what it does, in one line.
    :param running: does it in a running engine.
    :param idle: does it in an engine that waits for a right configuration; None if such an engine cannot do it.
    :param takes: what a request may hold besides the verb: name -> what it means. All of it is optional.
    """

    about: str
    running: Callable[[Service, Request], Answer]
    idle: Callable[[Waiting, Request], Answer] | None = None
    takes: Mapping[str, str] = field(default_factory=dict)


def _reload(service: Service, _request: Request) -> Answer:
    try:
        return {**reload.reload(service), "retcode": 0}
    except ConfigError as exc:
        for problem in exc.problems:
            log.error("%s; the running configuration stays", problem)
        return {"reloaded": False, "problems": exc.problems, "retcode": 2}


def _seen(service: Service, _request: Request) -> Answer:
    service.seen()
    return {"seen": True, "retcode": 0}


def _drop_orphaned(service: Service, request: Request) -> Answer:
    return orphans.drop_from(service.lanes.values(), _worker(request))


def _rules(service: Service, _request: Request) -> Answer:
    taken = service.intake.taking.taken.copy()
    # Also of rules that have taken none yet, and none of rules that a reload has taken away.
    return {"rules": {name: taken[name] for name, _ in named(service.plan.config.events)}, "retcode": 0}


def _repaired(service: Service, request: Request) -> Answer:
    try:
        since, events = float(request["since"]), int(request["events"])
        still = None if request.get("still") is None else int(request["still"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return _refused("repaired: expected since= and events=, and still= if it is known, all of them numbers")
    if events < 0 or (still or 0) < 0:
        return _refused(f"repaired: events, still: expected numbers of events, got {events} and {still}")
    if not service.repaired(since, events, still):
        return _refused("repaired: since: no gap that has ended began then")
    return {"noted": True, "retcode": 0}


def _worker(request: Request) -> str | None:
    worker = request.get("worker")
    return None if worker is None else str(worker)


VERBS: dict[str, Verb] = {
    "reload": Verb(
        "Read the configuration from disk and go on with it, if it is right.",
        _reload,
        idle=lambda waiting, _request: waiting.reload(),
    ),
    "compare": Verb(
        "Say whether the configuration on disk is the one in force, and in which keys they differ.",
        lambda service, _request: reload.compare(service),
        idle=lambda waiting, _request: waiting.compare(),
    ),
    "seen": Verb("Note that an operator has looked at what was lost.", _seen),
    "repaired": Verb(
        "Note that what a job cache had of a gap is in the history now.",
        _repaired,
        takes={
            "since": "when the gap began, in seconds since 1970 UTC, as it is reported",
            "events": "how many events were missing and are there now",
            "still": "how many starts of jobs and returns are missing still; left out if the job cache has not all",
        },
    ),
    "pause": Verb(
        "Have a worker wait; its events wait in the spool, also over a restart of the engine.",
        lambda service, request: maintenance.pause(service, _worker(request)),
        takes={"worker": "its name"},
    ),
    "resume": Verb(
        "Have a paused worker go on.",
        lambda service, request: maintenance.resume(service, _worker(request)),
        takes={"worker": "its name"},
    ),
    "flush": Verb(
        "Write at once what waits.",
        lambda service, request: maintenance.flush(service, _worker(request)),
        takes={"worker": "only what waits for this worker; everybody's if not given"},
    ),
    "waiting": Verb(
        "Say how many events wait, and how many have left the spool.",
        lambda service, request: maintenance.waiting(service, _worker(request)),
        takes={"worker": "only this worker's; everybody's if not given"},
    ),
    "rules": Verb(
        "Say how many events each rule has taken since the engine was started.",
        _rules,
    ),
    "drop_orphaned": Verb(
        "Remove what waits in the spool for workers and rules that are not configured.",
        _drop_orphaned,
        takes={"worker": "only what waits for this worker, or for its rules; everybody's if not given"},
    ),
}


def of_running(service: Service) -> Handler:
    """
    Return what answers requests to a running engine.

    :param service: the engine.
    """

    def handle(request: Request) -> Answer:
        return _wrong(request) or VERBS[request["verb"]].running(service, request)

    return handle


def of_idle(waiting: Waiting) -> Handler:
    """
    Return what answers requests to an idle engine.

    :param waiting: the engine.
    """

    def handle(request: Request) -> Answer:
        if wrong := _wrong(request):
            return wrong
        if do := VERBS[request["verb"]].idle:
            return do(waiting, request)
        return _refused(f"{request['verb']} takes an engine that runs, and this one is idle")

    return handle


def _wrong(request: Request) -> Answer | None:
    """Return the answer to a request that the table does not know; None if it does."""
    name = request.get("verb")
    verb = VERBS.get(name) if isinstance(name, str) else None
    if verb is None:
        return _refused(f"this engine knows no {name!r}; it knows {', '.join(VERBS)}")
    if unknown := [key for key in request if key != "verb" and key not in verb.takes]:
        return _refused(f"{name}: {unknown[0]}: unknown; it takes {', '.join(verb.takes) or 'nothing'}")
    return None


def _refused(why: str) -> Answer:
    return {"problems": [f"eventsd: {why}"], "retcode": 2}
