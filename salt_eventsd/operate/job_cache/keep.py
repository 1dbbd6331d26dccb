"""
Keep what Salt tells its job cache: loads of jobs, minions, returns.

Nothing here raises, and nothing waits for a database: a job that is being published must not notice that there is a
history. What cannot be kept is said in the log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

import salt.utils.jid

from salt_eventsd.common.reminder import Reminder
from salt_eventsd.event.clip import LONGEST_NAME, named
from salt_eventsd.event.codec import pack
from salt_eventsd.event.frame import Frame
from salt_eventsd.event.handed import as_fired, is_of_ssh, is_return, kind_of_runner, told_by, without_login
from salt_eventsd.event.parse import function_of, identity, seconds_of, text_of
from salt_eventsd.intake.withheld import TooMuch, in_time, unpack, withheld
from salt_eventsd.operate.job_cache.places import Places, places_of
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.redact.redactor import Redactor

log = logging.getLogger(__name__)

#: So many new job ids are tried, if others have them already.
_TRIES = 100
#: Jids that name no job.
_NO_JOBS = ("", "nocache")
#: Under which a return is redacted that is kept as a load.
_TAG_OF_RETURN = "salt/job/ret"
_told = Reminder()


def prepare(opts: Mapping[str, Any], nocache: bool, passed_jid: str | None) -> str:
    """
    Return a job id: the one that is passed, or a new one that no other publication of this master has.

    :param opts: Salt's options.
    :param nocache: returns of this job are not to be kept.
    :param passed_jid: a job id that is given; it may be in use.
    """
    jid = ""
    try:
        if passed_jid is not None:
            jid = str(passed_jid)
            if len(jid) > LONGEST_NAME:
                return jid
            # The mark of an unknown job is all there is to keep here: its load and its returns come by themselves.
            if opts.get("__role") != "minion":
                places_of(opts).doorstep.reserve(jid, bool(nocache))
            return jid
        for _ in range(_TRIES):
            jid = str(salt.utils.jid.gen_jid(opts))
            if opts.get("__role") == "minion" or places_of(opts).doorstep.reserve(jid, bool(nocache)):
                return jid
    except Exception as exc:
        _tell("a job id was not noted", exc)
    return jid or str(salt.utils.jid.gen_jid(opts))


def load(opts: Mapping[str, Any], jid: str, told: Mapping[str, Any], minions: Iterable[str] | None = None) -> None:
    """
    Keep a job's load.

    :param opts: Salt's options.
    :param jid: the job id.
    :param told: the load; it is not changed.
    :param minions: the minions the job is sent to.
    """
    try:
        if not _is_job(jid) or not isinstance(told, Mapping):
            return
        places = places_of(opts)
        if not places.is_drained:
            # A minion without an engine keeps no loads: its returns tell what it knows.
            return
        of_return = is_return(told)
        if of_return and (known := places.doorstep.load(str(jid))) is not None and known.load is not None:
            # Salt hands over each return as a load, too.
            return
        kept = as_fired(told) if of_return else told
        packed = _redacted(places, _TAG_OF_RETURN if of_return else "salt/job/new", without_login(kept))
        if of_return and not minions and text_of(told.get("tgt")) == text_of(told.get("id")):
            minions = None if "cmd" not in told else [text_of(told.get("id"))]
        places.doorstep.put_load(str(jid), packed, _named(minions), of_return)
    except Exception as exc:
        _tell("the load of a job was not kept", exc)


def minions(opts: Mapping[str, Any], jid: str, names: Iterable[str], syndic_id: str | None = None) -> None:
    """
    Keep further minions of a job.

    :param opts: Salt's options.
    :param jid: the job id.
    :param names: the minions.
    :param syndic_id: the syndic that names them.
    """
    try:
        if _is_job(jid) and names and places_of(opts).is_drained:
            places_of(opts).doorstep.add_minions(str(jid), _named(names) or [], text_of(syndic_id))
    except Exception as exc:
        _tell("the minions of a job were not kept", exc)


def returned(opts: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """
    Keep a return.

    :param opts: Salt's options.
    :param told: the return; it is not changed.
    """
    try:
        if text_of(told.get("jid")) in _NO_JOBS:
            return
        fired = as_fired(told)
        events = list(told_by(fired))
        if not events:
            return
        tag, data = events[-1]
        places = places_of(opts)
        packed = _redacted(places, tag, without_login(fired))
        if not places.is_drained:
            from salt_eventsd.operate.job_cache import direct

            direct.write(opts, tag, packed)
            return
        jid, minion_id, _, _ = identity(data, tag)
        # A runner's return is told with the time of its start. There is one of each job, so its time tells nothing.
        stamp = None if kind_of_runner(fired) else seconds_of(data.get("_stamp"), 0.0) or None
        if is_of_ssh(told):
            # Its hosts are told with the job's load to Salt's own job cache alone.
            places.doorstep.add_minions(jid, [named(minion_id)], "")
        places.doorstep.put_return(jid, minion_id, stamp, packed)
    except Exception as exc:
        _tell("a return was not kept", exc)


def ended(opts: Mapping[str, Any], jid: str, endtime: str) -> None:
    """
    Keep when a job ended.

    :param opts: Salt's options.
    :param jid: the job id.
    :param endtime: as Salt writes it.
    """
    try:
        if _is_job(jid) and places_of(opts).is_drained:
            places_of(opts).doorstep.put_end(str(jid), str(endtime))
    except Exception as exc:
        _tell("the end of a job was not noted", exc)


def _is_job(jid: Any) -> bool:
    """Say whether an id is that of a job. A minion may return anything as one."""
    return str(jid) not in _NO_JOBS and len(str(jid)) <= LONGEST_NAME


def _redacted(places: Places, tag: str, told: Mapping[str, Any]) -> bytes:
    """Return a load in MessagePack without its secrets, by the same steps and limits as an event's payload."""
    payload = pack(dict(told))
    redactor = places.redactor
    if not redactor.concerns(payload, function_of(told if isinstance(told, dict) else dict(told))):
        return payload
    latest, places.latest = places.latest, (b"", b"")
    if latest[0] == payload:
        return latest[1]
    frame = Frame(tag, tag, payload, time.time())
    try:
        with in_time(frame):
            data, fun, _ = unpack(frame)
            redacted = pack(_applied(redactor, data, fun))
    except TooMuch as exc:
        _, data = withheld(frame, str(exc))
        redacted = pack(redactor.apply(data, ""))
    if tag == _TAG_OF_RETURN:
        places.latest = (payload, redacted)
    return redacted


def _applied(redactor: Redactor, data: Any, fun: str) -> Any:
    if not isinstance(data, dict) or not kind_of_runner(data):
        return redactor.apply(data, fun)
    # All that a runner's event says stands in its return: what a function must lose is lost there, and the rest stays.
    around = redactor.apply({name: value for name, value in data.items() if name != "return"}, "")
    return {**around, "return": redactor.apply(data["return"], fun)}


def _named(names: Iterable[Any] | None) -> list[str] | None:
    return None if names is None else [named(text_of(one)) for one in names]


def _tell(what: str, exc: Exception) -> None:
    if missed := _told.due():
        more = f" (and {missed - 1} more since the last such line)" if missed > 1 else ""
        log.error("eventsd: job cache: %s: %s%s", what, one_line(exc), more)
