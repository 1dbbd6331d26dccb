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

from salt_eventsd.config.load import load as load_config
from salt_eventsd.database.engines import ANSWER_SECONDS
from salt_eventsd.database.questions import jobcache, joblists
from salt_eventsd.database.questions.read import Reader, Unanswered, Unmade, asked_worker, reader_of, reading
from salt_eventsd.event.codec import decode
from salt_eventsd.event.handed import of_all_rounds
from salt_eventsd.exceptions import EventsdError, SpoolError
from salt_eventsd.operate.job_cache.places import places_of
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.spool.doorstep import Doorstep, Load

log = logging.getLogger(__name__)

#: The list of all jobs has no end, and whoever asks for it reckons with that.
_LIST_SECONDS = 120.0
#: As Salt writes times.
_FORMAT = "%Y, %b %d %H:%M:%S.%f"


def load(opts: Mapping[str, Any], jid: str) -> dict[str, Any]:
    """
    Return a job's load; {} if there is no such job.

    :param opts: Salt's options.
    :param jid: the job id.
    :raises CommandExecutionError: the job is not on the doorstep, and the database does not answer; or the database
        does not know it, and the doorstep cannot be read or has no room for it.
    """
    jid = str(jid)
    blind = ""
    here: Load | None = None
    try:
        doorstep = places_of(opts).doorstep
        here = doorstep.load(jid)
        if here is None or here.load is None:
            # One that is nearly full, or whose disk is, may have refused the job.
            doorstep.room(doorstep.max_bytes // 100, is_wanted=False)
            doorstep.disk()
    except SpoolError as exc:
        # Under publisher_acl, ``salt`` runs as a user who may not read the master's files.
        blind = str(exc)
    fresh = _as_load(here) if here else {}
    if here and fresh and not here.is_return:
        return fresh
    try:
        found: dict[str, Any] = _ask(opts, lambda reader: jobcache.load_of(reader, jid, _own_id(opts)), {})
    except CommandExecutionError:
        if fresh:
            return fresh
        raise
    if fresh and (not found or "cmd" not in found):
        return fresh
    if blind and not found:
        # The database may not have it yet.
        raise CommandExecutionError(f"{blind}; so nobody can say that there is no job {jid}")
    return found


def answers(opts: Mapping[str, Any], jid: str) -> dict[str, Any]:
    """
    Return what minions have answered to a job: minion id -> ``return`` and, where known, ``retcode``, ``success`` and
    ``out``; {} if there is no such job.

    :param opts: Salt's options.
    :param jid: the job id.
    :raises CommandExecutionError: nothing of it is on the doorstep, and the database does not answer.
    """
    jid = str(jid)
    fresh = _fresh_answers(opts, jid)
    try:
        found: dict[str, Any] = _ask(opts, lambda reader: jobcache.answers_to(reader, jid, _own_id(opts)), {})
    except CommandExecutionError as exc:
        here = _doorstep(opts, lambda doorstep: doorstep.load(jid), None)
        if not fresh and not (here and here.load is not None):
            raise
        log.warning("%s; only what came lately is known", exc)
        return fresh
    return {**fresh, **found}


def jobs(opts: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return all jobs: jid -> what Salt shows of a job in a list.

    :param opts: Salt's options.
    :raises CommandExecutionError: the database does not answer.
    """
    form = salt.utils.jid.format_jid_instance

    def all_of(reader: Reader) -> dict[str, Any]:
        return {jid: _shown(form, jid, load) for jid, load in joblists.loads(reader, _own_id(opts))}

    told: dict[str, Any] = _ask(opts, all_of, {}, _LIST_SECONDS)
    told.update({jid: _shown(form, jid, load) for jid, load in _fresh_loads(opts, told).items()})
    if opts.get("job_cache_store_endtime"):
        for one in _doorstep(opts, lambda doorstep: doorstep.loads(), []):
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
    own = _own_id(opts)
    newest_loads = _ask(opts, lambda reader: joblists.newest_loads(reader, number, without_find_job, own), [])
    found: dict[str, Any] = dict(newest_loads)
    found = {**found, **_fresh_loads(opts, found, without_find_job)}
    newest = sorted(found)[-number:] if number else []
    return [_shown(salt.utils.jid.format_jid_instance_ext, jid, found[jid]) for jid in newest]


def latest(opts: Mapping[str, Any], fun: str) -> dict[str, Any]:
    """
    Return each minion's newest return of a function.

    :param opts: Salt's options.
    :param fun: the function.
    :raises CommandExecutionError: the database does not answer.
    """
    found: dict[str, Any] = _ask(opts, lambda reader: jobcache.latest_of(reader, str(fun)), {})
    return found


def minions(opts: Mapping[str, Any]) -> list[str]:
    """
    Return the ids of all minions that the history knows.

    :param opts: Salt's options.
    :raises CommandExecutionError: the database does not answer.
    """
    found: list[str] = _ask(opts, jobcache.minion_ids, [])
    return found


def end(opts: Mapping[str, Any], jid: str) -> str | bool:
    """
    Return when a job ended, as Salt writes it; False if that is not known, or Salt is not to keep it.

    :param opts: Salt's options.
    :param jid: the job id.
    :raises CommandExecutionError: it is not on the doorstep, and the database does not answer.
    """
    here: Load | None = _doorstep(opts, lambda doorstep: doorstep.load(str(jid)), None)
    if here and here.endtime:
        return here.endtime
    if not opts.get("job_cache_store_endtime"):
        return False
    found = _ask(opts, lambda reader: jobcache.end_of(reader, str(jid)), None)
    return datetime.fromisoformat(found).astimezone(timezone.utc).strftime(_FORMAT) if found else False


def _own_id(opts: Mapping[str, Any]) -> str:
    """Return whose job is meant by an id that two masters have given: that of the master that asks."""
    return str(opts.get("id") or "")


def _ask(
    opts: Mapping[str, Any], question: Callable[[Reader], Any], nothing: Any, seconds: float = ANSWER_SECONDS
) -> Any:
    """Ask the database; one whose tables nobody has made yet knows nothing."""
    try:
        config = load_config(opts)
        name = asked_worker(config)
        engine = reader_of(config, name, seconds)
    except EventsdError as exc:
        raise CommandExecutionError(str(exc)) from None
    try:
        with reading(engine) as reader:
            return question(reader)
    except Unmade:
        return nothing
    except Unanswered as exc:
        raise CommandExecutionError(
            f"eventsd: job cache: the database of worker {name} does not answer: {one_line(exc.__cause__ or exc)}"
        ) from None
    finally:
        engine.dispose()


def _doorstep(opts: Mapping[str, Any], what: Callable[[Doorstep], Any], otherwise: Any) -> Any:
    try:
        return what(places_of(opts).doorstep)
    except SpoolError as exc:
        # Under publisher_acl, ``salt`` runs as a user who may not read the master's files.
        log.debug("%s", exc)
        return otherwise


def _shown(form: Callable[[str, dict[str, Any]], dict[str, Any]], jid: str, load: dict[str, Any]) -> dict[str, Any]:
    """Return what a list shows of a job. A minion may return any job id, also one of which Salt can make no time."""
    try:
        return form(jid, load)
    except (LookupError, ValueError):
        return {**form("", load), **({"JID": jid} if form is salt.utils.jid.format_jid_instance_ext else {})}


def _as_load(here: Load) -> dict[str, Any]:
    found = decode(here.load) if here.load is not None else None
    if not isinstance(found, dict):
        return {}
    found = jobcache.readable(found)
    found = of_all_rounds(found, here.minions_by_syndic.get("", ()))
    return {**found, "Minions": here.minions} if here.minions else found


def _fresh_loads(
    opts: Mapping[str, Any], known: Mapping[str, Any], without_find_job: bool = True
) -> dict[str, dict[str, Any]]:
    """Return the loads on the doorstep; those of returns only for jobs of which nothing else is known."""
    found = {}
    for one in _doorstep(opts, lambda doorstep: doorstep.loads(), []):
        load = _as_load(one)
        if not (one.is_return and one.jid in known) and not (without_find_job and load.get("fun") == joblists.FIND_JOB):
            found[one.jid] = load
    return found


def _fresh_answers(opts: Mapping[str, Any], jid: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in _doorstep(opts, lambda doorstep: doorstep.returns(jid), []):
        load = decode(one.payload)
        if isinstance(load, dict):
            found.setdefault(str(load.get("id") or one.minion), jobcache.answer_of(load))
    return found
