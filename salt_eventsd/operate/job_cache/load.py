"""
The load of a job. ``salt`` asks for it between the publication and the first answer, in a process that has just begun:
what is on the doorstep is told without loading what a database takes, which costs ten times as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salt.exceptions import CommandExecutionError

from salt_eventsd.exceptions import SpoolError
from salt_eventsd.operate.job_cache.fresh import as_load
from salt_eventsd.operate.job_cache.places import places_of
from salt_eventsd.spool.doorstep import Load


def load_of(opts: Mapping[str, Any], jid: str) -> dict[str, Any]:
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
    fresh = as_load(here) if here else {}
    if here and fresh and not here.is_return:
        return fresh
    from salt_eventsd.database.questions import jobcache
    from salt_eventsd.operate.job_cache.ask import ask, own_id

    try:
        found: dict[str, Any] = ask(opts, lambda reader: jobcache.load_of(reader, jid, own_id(opts)), dict)
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
