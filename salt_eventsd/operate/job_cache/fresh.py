"""
What is fresh: loads and returns that are on the doorstep, and perhaps not in the database yet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from salt_eventsd.event.clip import named
from salt_eventsd.event.codec import decode
from salt_eventsd.event.handed import FIND_JOB, answer_of, of_all_rounds, readable
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.operate.job_cache.places import places_of
from salt_eventsd.spool.doorstep import Doorstep, Load, Returned

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


def on_doorstep(opts: Mapping[str, Any], what: Callable[[Doorstep], Answer], otherwise: Callable[[], Answer]) -> Answer:
    """
    Ask the doorstep.

    :param opts: Salt's options.
    :param what: the question.
    :param otherwise: makes the answer if the doorstep cannot be read.
    """
    try:
        return what(places_of(opts).doorstep)
    except SpoolError as exc:
        # Under publisher_acl, ``salt`` runs as a user who may not read the master's files.
        log.debug("%s", exc)
        return otherwise()


def as_load(here: Load) -> dict[str, Any]:
    """
    Return a job's load as Salt has it, {} if there is none.

    :param here: from the doorstep.
    """
    found = decode(here.load) if here.load is not None else None
    if not isinstance(found, dict):
        return {}
    found = readable(found)
    found = of_all_rounds(found, here.minions_by_syndic.get("", ()))
    # Salt's own job cache has those of syndics and the syndics, too.
    minions = {one for some in here.minions_by_syndic.values() for one in some}
    return {**found, "Minions": sorted(minions)} if minions else found


def loads(
    opts: Mapping[str, Any], known: Mapping[str, Any], without_find_job: bool = True
) -> dict[str, dict[str, Any]]:
    """
    Return the loads on the doorstep by their jids; those of returns only for jobs of which nothing else is known.

    :param opts: Salt's options.
    :param known: the jids of which more is known.
    :param without_find_job: leave out Salt's own questions whether a job still runs.
    """
    found = {}
    for one in on_doorstep(opts, lambda doorstep: doorstep.loads(), list[Load]):
        load = as_load(one)
        if not (one.is_return and one.jid in known) and not (without_find_job and load.get("fun") == FIND_JOB):
            found[one.jid] = load
    return found


def answers(opts: Mapping[str, Any], jid: str) -> dict[str, Any]:
    """
    Return what minions have answered to a job, as ``get_jid`` does.

    :param opts: Salt's options.
    :param jid: the job id.
    """
    found: dict[str, Any] = {}
    for one in on_doorstep(opts, lambda doorstep: doorstep.returns(jid), list[Returned]):
        load = decode(one.payload)
        if isinstance(load, dict):
            found.setdefault(named(str(load.get("id") or one.minion)), answer_of(load))
    return found
