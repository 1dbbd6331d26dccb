"""
Salt's job cache in the database of salt-eventsd.

:depends: salt-eventsd (``salt-pip install salt-eventsd``)

What Salt tells is kept on disk at once, and the eventsd engine of the same master writes it into the database, together
with what it hears on the event bus. What Salt asks is answered from there. No call waits for a database when a job is
published or a return comes, and none raises then.

.. code-block:: yaml

    master_job_cache: eventsd
    engines:
      - eventsd
    eventsd:
      workers:
        history: {module: sql, url: 'postgresql://salt:secret@db.example.com/salt'}
      job_cache: {worker: history}          # by default the first sql worker

It serves as ``ext_job_cache``, ``event_return``, for ``--return eventsd``, the ``returner`` of a schedule and
``ext_source=eventsd``, too. A minion without an engine of its own writes to the database of its own configuration.
docs/job_cache.rst says more.
"""

# Salt loads it in many kinds of process, some of them short-lived, so each function imports what it needs.
from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Salt's loader puts it into the module.
    __opts__: dict[str, Any] = {}

log = logging.getLogger(__name__)

__virtualname__ = "eventsd"

#: Packages that the functions import.
_NEEDED = ("salt_eventsd", "msgspec", "orjson", "re2", "regex", "sqlalchemy")


def _tell(what: str, *args: Any) -> Any:
    """Have something kept. A package that is being upgraded, or is broken, must not end a publication."""
    try:
        from salt_eventsd.operate.job_cache import keep
    except Exception:
        log.exception("eventsd: job cache: salt-eventsd cannot be imported; nothing is kept")
        return None
    return getattr(keep, what)(__opts__, *args)


def __virtual__() -> str | tuple[bool, str]:
    if missing := ", ".join(name for name in _NEEDED if not importlib.util.find_spec(name)):
        return False, f"salt-eventsd is not whole: {missing} cannot be imported; salt-pip install salt-eventsd"
    return __virtualname__


def prep_jid(nocache: bool = False, passed_jid: str | None = None) -> str:
    """
    Return a job id, a new one if none is passed.

    :param nocache: what is returned for this job is not kept.
    :param passed_jid: the job id to use.
    """
    jid = _tell("prepare", nocache, passed_jid) or passed_jid
    if jid is None:
        import salt.utils.jid

        jid = salt.utils.jid.gen_jid(__opts__)
    return str(jid)


def save_load(jid: str, load: dict[str, Any], minions: Iterable[str] | None = None) -> None:
    """
    Keep a job's load, without the secrets that its client has logged in with.

    :param jid: the job id.
    :param load: what was published.
    :param minions: the minions it was sent to.
    """
    _tell("load", jid, load, minions)


def save_minions(jid: str, minions: Iterable[str], syndic_id: str | None = None) -> None:
    """
    Keep further minions of a job.

    :param jid: the job id.
    :param minions: the minions.
    :param syndic_id: the syndic that names them.
    """
    _tell("minions", jid, minions, syndic_id)


def returner(load: dict[str, Any]) -> None:
    """
    Keep a return.

    :param load: what a minion has returned.
    """
    _tell("returned", load)


def event_return(events: list[dict[str, Any]]) -> None:
    """
    Do nothing: the engine hears the same events on the bus, and keeps those that its rules name.

    :param events: what was fired.
    """


def update_endtime(jid: str, time: str) -> None:
    """
    Keep when a job ended.

    :param jid: the job id.
    :param time: as Salt writes it.
    """
    _tell("ended", jid, time)


def get_load(jid: str) -> dict[str, Any]:
    """
    Return a job's load and, as ``Minions``, whom it was sent to.

    :param jid: the job id.
    """
    from salt_eventsd.operate.job_cache import load

    return load.load_of(__opts__, jid)


def get_jid(jid: str) -> dict[str, Any]:
    """
    Return what minions have answered to a job.

    :param jid: the job id.
    """
    from salt_eventsd.operate.job_cache import answer

    return answer.answers(__opts__, jid)


def get_jids() -> dict[str, Any]:
    """Return all jobs by their jids."""
    from salt_eventsd.operate.job_cache import lists

    return lists.jobs(__opts__)


def get_jids_filter(count: int, filter_find_job: bool = True) -> list[dict[str, Any]]:
    """
    Return the newest jobs, the oldest of them first.

    :param count: how many.
    :param filter_find_job: leave out Salt's own questions whether a job still runs.
    """
    from salt_eventsd.operate.job_cache import lists

    return lists.newest_jobs(__opts__, count, filter_find_job)


def get_fun(fun: str) -> dict[str, Any]:
    """
    Return each minion's newest return of a function.

    :param fun: the function.
    """
    from salt_eventsd.operate.job_cache import answer

    return answer.latest(__opts__, fun)


def get_minions() -> list[str]:
    """Return the ids of all minions that the history knows."""
    from salt_eventsd.operate.job_cache import answer

    return answer.minions(__opts__)


def get_endtime(jid: str) -> str | bool:
    """
    Return when a job ended, and False if that is not known.

    :param jid: the job id.
    """
    from salt_eventsd.operate.job_cache import answer

    return answer.end(__opts__, jid)


def clean_old_jobs() -> None:
    """Do nothing: what the engine keeps, and how long, is up to ``keep`` of its workers."""
