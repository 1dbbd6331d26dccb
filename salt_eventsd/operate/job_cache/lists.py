"""
Lists of jobs, as Salt shows them. Such a list may have a million jobs: what Salt makes of a job is made once for all
jobs that look the same, and the name of a month once for each day.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import salt.utils.jid
from salt.exceptions import CommandExecutionError

from salt_eventsd.database.questions import jobcache, joblists
from salt_eventsd.database.questions.read import Reader
from salt_eventsd.operate.job_cache import fresh
from salt_eventsd.operate.job_cache.answer import end_time
from salt_eventsd.operate.job_cache.ask import ask, own_id
from salt_eventsd.spool.doorstep import Load

log = logging.getLogger(__name__)

#: The list of all jobs has no end, and whoever asks for it reckons with that.
_LIST_SECONDS = 120.0
#: So many different jobs are remembered while jobs are listed.
_MOST_REMEMBERED = 10_000
#: How long the id of a job is, but for one of a master that adds the number of a process.
_JID_LENGTH = 20


def jobs(opts: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return all jobs: jid -> what Salt shows of a job in a list.

    :param opts: Salt's options.
    :raises CommandExecutionError: the database does not answer.
    """
    shown, own = _showing(), own_id(opts)

    def all_of(reader: Reader) -> dict[str, Any]:
        found = joblists.loads(reader, own)
        with _nothing_collected():
            return {jid: shown(jid, load) for jid, load in found}

    told = ask(opts, all_of, dict[str, Any], _LIST_SECONDS)
    told.update({jid: shown(jid, load) for jid, load in fresh.loads(opts, told).items()})
    if opts.get("job_cache_store_endtime"):
        for jid, end in _ends(opts).items():
            if jid in told:
                told[jid]["EndTime"] = end
    return told


def _ends(opts: Mapping[str, Any]) -> dict[str, str]:
    """Return when jobs ended, as Salt writes it. A list that does not tell it is better than none."""
    found: dict[str, str] = {}
    try:
        found = ask(
            opts, lambda reader: {jid: end_time(end) for jid, end in jobcache.ends(reader)}, dict, _LIST_SECONDS
        )
    except CommandExecutionError as exc:
        log.warning("%s; the list of jobs does not tell when those ended that ended long ago", exc)
    loads = fresh.on_doorstep(opts, lambda doorstep: doorstep.loads(), list[Load])
    return {**found, **{one.jid: one.endtime for one in loads if one.endtime}}


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
    shown = _showing()
    return [{**shown(jid, found[jid]), "JID": jid} for jid in newest]


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Let no garbage be looked for: with a list that grows, this takes as long as to make it, and there is none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _showing() -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """Return what makes of a job what Salt shows of it: all but its time is the same for the same load."""
    known: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
    start_time = _start_times()

    def shown(jid: str, load: dict[str, Any]) -> dict[str, Any]:
        # An id is not given to another load as long as this one is kept.
        if (found := known.get(id(load))) is None:
            if len(known) >= _MOST_REMEMBERED:
                known.clear()
            found = known[id(load)] = load, salt.utils.jid.format_job_instance(load)
        told = found[1].copy()
        told["Arguments"] = told["Arguments"].copy()
        told["StartTime"] = start_time(jid)
        return told

    return shown


def _start_times() -> Callable[[str], str]:
    """Return what tells when a job began by its id, as Salt does. Salt asks the system for the month of each."""
    days: dict[str, str] = {}

    def start_time(jid: str) -> str:
        clock = f" {jid[8:10]}:{jid[10:12]}:{jid[12:14]}.{jid[14:20]}"
        if len(jid) == _JID_LENGTH and (day := days.get(jid[:8])) is not None:
            return day + clock
        try:
            told = str(salt.utils.jid.jid_to_time(jid))
        except (LookupError, ValueError):
            # A minion may return any job id, also one of which Salt can make no time.
            return ""
        if len(jid) == _JID_LENGTH and told.endswith(clock):
            days[jid[:8]] = told.removesuffix(clock)
        return told

    return start_time
