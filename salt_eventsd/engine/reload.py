"""
Reload: give a running engine another configuration, without losing an event.

First the whole plan is made. Only if nothing is wrong with it is it applied; otherwise the running configuration stays,
and whoever asked for the reload is told why.
"""

from __future__ import annotations

import logging
from operator import attrgetter
from typing import Any

from salt_eventsd.config.load import load
from salt_eventsd.config.options import fresh_opts
from salt_eventsd.config.structs import Config
from salt_eventsd.config.switch import switch
from salt_eventsd.engine.control.client import Answer
from salt_eventsd.engine.plan import make_plan
from salt_eventsd.engine.service import Service
from salt_eventsd.exceptions import ConfigError, SpoolError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.load import close

log = logging.getLogger(__name__)

#: Keys that are fixed while the engine runs. The formula restarts the master for them (``eventsd/files/facts.py``).
FIXED = ("spool.dir", "state_file")


def compare(service: Service) -> Answer:
    """
    Return whether a running engine has the configuration that is on disk now, and if not, which keys differ.

    :param service: the engine.
    """
    told = {"loaded": service.plan.made, "idle": [], "problems": [], "retcode": 0}
    try:
        fresh = load(fresh_opts(service.opts))
    except ConfigError as exc:
        return {**told, "same": False, "problems": exc.problems}
    old = service.plan.config
    differs = differences(old, fresh)
    return {**told, "same": not differs, "differs": differs, "restart": bool(_unchangeable(old, fresh))}


def reload(service: Service) -> dict[str, Any]:
    """
    Give a running engine the configuration that is on disk now.

    :param service: the engine.
    :raises ConfigError: the new configuration is wrong; the old one stays.
    :returns: the answer for whoever asked.
    """
    opts = fresh_opts(service.opts)
    config = load(opts)
    try:
        plan = make_plan(config, opts, service.functions, service.runners)
    except ConfigError:
        raise
    except Exception as exc:
        # A fault that no check has foreseen: the engine keeps the configuration it has.
        raise ConfigError([f"eventsd: the configuration cannot be made use of: {one_line(exc)}"]) from exc
    notes = _unchangeable(service.plan.config, config) + plan.strays
    try:
        if plan.problems:
            raise ConfigError(plan.problems)
        service.apply(plan)
    except (ConfigError, SpoolError) as exc:
        for planned in plan.workers.values():
            close(planned.worker)
        raise (exc if isinstance(exc, ConfigError) else ConfigError([str(exc)])) from exc
    if problem := service.metrics.settle():
        notes.append(problem)
    if switch(opts.get("engines"))[0] and not switch(service.opts.get("engines"))[0]:
        notes.append("engines: eventsd is not there any more; the engine runs until the master is restarted")
    service.opts = opts
    service.announcer.reloaded(list(config.workers), list(config.events))
    log.info("eventsd: reloaded; rules: %s; workers: %s", ", ".join(config.events), ", ".join(config.workers))
    return {"reloaded": True, "events": list(config.events), "workers": list(config.workers), "notes": notes}


def _unchangeable(old: Config, new: Config) -> list[str]:
    """Return the keys that differ and are fixed as long as the engine runs, a sentence each."""
    differs = [key for key in FIXED if attrgetter(key)(old.general) != attrgetter(key)(new.general)]
    return [f"{key}: changes when the master is restarted" for key in differs]


def differences(old: Config, new: Config) -> list[str]:
    """
    Return the keys in which two configurations differ. Their values, which may be secret, are not told.

    :param old: one.
    :param new: the other.
    """
    found = [key for key in old.general.__struct_fields__ if getattr(old.general, key) != getattr(new.general, key)]
    for section, before, after in (("workers", old.workers, new.workers), ("events", old.events, new.events)):
        names = dict.fromkeys((*before, *after))
        found += [f"{section}.{name}" for name in names if before.get(name) != after.get(name)]
    return found
