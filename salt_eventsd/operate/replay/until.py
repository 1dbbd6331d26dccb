"""
Where a replay ends: where the engine began to write by itself what the rule takes. A table without ``upsert``, a
statement, and a backend that is no SQL database would get twice what comes after that.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from salt_eventsd.config.structs import Config, EventRule
from salt_eventsd.engine.live import UNKNOWN, live_since, place_of
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.rules.compile import named
from salt_eventsd.spool.lock import is_locked


def end_of(config: Config, name: str, worker: str, given: datetime | None, now: datetime) -> tuple[datetime, list[str]]:
    """
    Return where a replay ends, and what there is to say of it.

    :param config: the one on disk.
    :param name: the rule's whole name.
    :param worker: to which it is replayed.
    :param given: the end that was asked for.
    :param now: the end otherwise, unless the engine has had the rule for some time.
    :raises EventsdError: nobody knows since when the engine has had the rule, so the end has to be given.
    """
    rule = dict(named(config.events))[name]
    if _is_written_once(config, rule, worker):
        return given or now, []
    known = live_since(Path(config.general.state_file))
    since = (known or {}).get(place_of(name, rule, worker))
    if since is None:
        is_new = given is None and known is not None and is_locked(Path(config.general.spool.dir))
        return given or now, [_NEW.format(name=name, worker=worker)] if is_new else []
    if since == UNKNOWN:
        if given is None:
            raise EventsdError(
                f"until: missing; the engine writes by itself what {name} takes, and an earlier release has not noted"
                f" since when: say it, or {worker} gets that twice"
            )
        return given, []
    live = datetime.fromtimestamp(since, timezone.utc)
    if given is None:
        return min(live, now), [_LIVE.format(worker=worker, until=_told(live))]
    return given, [_TWICE.format(worker=worker, until=_told(live))] if given > live else []


_NEW = (
    "{worker}: the engine does not have {name} yet; what comes until it does, by eventsd.reload, is left out: replay"
    " once more after that"
)
_LIVE = (
    "{worker}: until={until}, for since then the engine has written by itself what the rule takes; until= says another"
    " end"
)
_TWICE = "{worker}: what came after {until} is there twice: since then the engine has written it by itself"


def _is_written_once(config: Config, rule: EventRule, worker: str) -> bool:
    """Say whether what is written again changes nothing."""
    if worker not in config.sql_workers or rule.statement is not None:
        return False
    return rule.table is None or bool(rule.upsert)


def _told(when: datetime) -> str:
    return when.isoformat(timespec="microseconds").removesuffix("+00:00")
