"""
Answer what Salt asks its job cache. What is fresh comes from the doorstep, without a database; the rest from the
database, which has a few seconds to answer.

Nothing is known of a job only if the database says so, too. Where it cannot be asked, and the doorstep does not know
the job, an error is raised: to say that there is no such job would make ``salt`` show nothing at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import salt.utils.jid
from salt.exceptions import CommandExecutionError

from salt_eventsd.database.questions import jobcache, joblists
from salt_eventsd.database.questions.read import Reader
from salt_eventsd.operate.job_cache import fresh
from salt_eventsd.operate.job_cache.ask import ask, own_id
from salt_eventsd.spool.doorstep import Load

log = logging.getLogger(__name__)

#: The list of all jobs has no end, and whoever asks for it reckons with that.
_LIST_SECONDS = 120.0
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


def jobs(opts: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return all jobs: jid -> what Salt shows of a job in a list.

    :param opts: Salt's options.
    :raises CommandExecutionError: the database does not answer.
    """
    form = salt.utils.jid.format_jid_instance

    def all_of(reader: Reader) -> dict[str, Any]:
        return {jid: _shown(form, jid, load) for jid, load in joblists.loads(reader, own_id(opts))}

    told: dict[str, Any] = ask(opts, all_of, dict, _LIST_SECONDS)
    told.update({jid: _shown(form, jid, load) for jid, load in fresh.loads(opts, told).items()})
    if opts.get("job_cache_store_endtime"):
        for one in fresh.on_doorstep(opts, lambda doorstep: doorstep.loads(), list[Load]):
            if one.endtime and one.jid in told:
                told[one.jid]["EndTime"] = one.endtime
    return told


def newest_jobs(opts: Mapping[str, Any], count: Any, without_find_job: bool = True) -> list[dict[str, Any]]:
    """
    Return the newest jobs, the oldest of them first.

    :param opts: Salt's options.
    :param count: how many.
    :param without_find_job: leave out Salt's own questions whether a job still runs.
    :raises CommandExecutionError: the database does not answer, or ``count`` is no number.
    """
    try:
        number = max(0, int(count))
    except (TypeError, ValueError):
        raise CommandExecutionError(f"count: expected a number of jobs, got {count!r}") from None
    own = own_id(opts)
    found = ask(opts, lambda reader: dict(joblists.newest_loads(reader, number, without_find_job, own)), dict[str, Any])
    found = {**found, **fresh.loads(opts, found, without_find_job)}
    newest = sorted(found)[-number:] if number else []
    return [_shown(salt.utils.jid.format_jid_instance_ext, jid, found[jid]) for jid in newest]


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
    return datetime.fromisoformat(found).astimezone(timezone.utc).strftime(_FORMAT) if found else False


def _shown(form: Callable[[str, dict[str, Any]], dict[str, Any]], jid: str, load: dict[str, Any]) -> dict[str, Any]:
    """Return what a list shows of a job. A minion may return any job id, also one of which Salt can make no time."""
    try:
        return form(jid, load)
    except (LookupError, ValueError):
        return {**form("", load), **({"JID": jid} if form is salt.utils.jid.format_jid_instance_ext else {})}
