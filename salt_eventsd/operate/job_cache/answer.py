"""
Answer what Salt asks its job cache. What is fresh comes from the doorstep, without a database; the rest from the
database, which has a few seconds to answer.

Nothing is known of a job only if the database says so, too. Where it cannot be asked, and the doorstep does not know
the job, an error is raised: to say that there is no such job would make ``salt`` show nothing at all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from salt.exceptions import CommandExecutionError

from salt_eventsd.database.questions import jobcache
from salt_eventsd.operate.job_cache import fresh
from salt_eventsd.operate.job_cache.ask import ask, own_id

log = logging.getLogger(__name__)

#: As Salt writes times.
_FORMAT = "%Y, %b %d %H:%M:%S.%f"


def answers(opts: Mapping[str, Any], jid: str) -> dict[str, Any]:
    """
    Return what minions have answered to a job: minion id -> ``return`` and, where known, ``retcode``, ``success`` and
    ``out``; {} if there is no such job.

    :param opts: Salt's options.
    :param jid: the job id.
    :raises CommandExecutionError: nothing of it is on the doorstep, and the database does not answer.
    """
    jid = str(jid)
    lately = fresh.answers(opts, jid)
    try:
        found: dict[str, Any] = ask(opts, lambda reader: jobcache.answers_to(reader, jid, own_id(opts)), dict)
    except CommandExecutionError as exc:
        here = fresh.on_doorstep(opts, lambda doorstep: doorstep.load(jid), lambda: None)
        if not lately and not (here and here.load is not None):
            raise
        log.warning("%s; only what came lately is known", exc)
        return lately
    return {**lately, **found}


def latest(opts: Mapping[str, Any], fun: str) -> dict[str, Any]:
    """
    Return each minion's newest return of a function.

    :param opts: Salt's options.
    :param fun: the function.
    :raises CommandExecutionError: the database does not answer.
    """
    found: dict[str, Any] = ask(opts, lambda reader: jobcache.latest_of(reader, str(fun)), dict)
    return found


def minions(opts: Mapping[str, Any]) -> list[str]:
    """
    Return the ids of all minions that the history knows.

    :param opts: Salt's options.
    :raises CommandExecutionError: the database does not answer.
    """
    found: list[str] = ask(opts, jobcache.minion_ids, list)
    return found


def end(opts: Mapping[str, Any], jid: str) -> str | bool:
    """
    Return when a job ended, as Salt writes it; False if that is not known, or Salt is not to keep it.

    :param opts: Salt's options.
    :param jid: the job id.
    :raises CommandExecutionError: it is not on the doorstep, and the database does not answer.
    """
    here = fresh.on_doorstep(opts, lambda doorstep: doorstep.load(str(jid)), lambda: None)
    if here and here.endtime:
        return here.endtime
    if not opts.get("job_cache_store_endtime"):
        return False
    found = ask(opts, lambda reader: jobcache.end_of(reader, str(jid)), lambda: None)
    return end_time(found) if found else False


def end_time(when: datetime) -> str:
    """
    Return a time as Salt writes it, in UTC.

    :param when: the time.
    """
    return when.astimezone(timezone.utc).strftime(_FORMAT)
