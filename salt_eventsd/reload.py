"""
Reload: another configuration for a running engine, without losing an event.

Everything is read, compiled and made first. Only if all of it is right are the parts of the engine given what is new;
otherwise the running configuration stays, and whoever asked is told why.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import salt.config

from salt_eventsd.config import Config
from salt_eventsd.config_load import load
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.plan import Plan, make_plan
from salt_eventsd.workers import close

if TYPE_CHECKING:
    from salt_eventsd.service import Service

log = logging.getLogger(__name__)


def fresh_opts(opts: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return Salt's options as they are on disk now.

    :param opts: the options Salt was started with.
    :raises ConfigError: the file cannot be read.
    """
    path = str(opts.get("conf_file") or "")
    read = salt.config.master_config if opts.get("__role") == "master" else salt.config.minion_config
    try:
        found: dict[str, Any] = read(path, exit_on_config_errors=True)
    except (Exception, SystemExit) as exc:
        raise ConfigError([f"eventsd: {path} cannot be read: {exc}"]) from exc
    return {**found, "__role": opts.get("__role", "master")}


def reload(service: Service) -> dict[str, Any]:
    """
    Give a running engine the configuration that is on disk now, and return what to tell the one who asked.

    :param service: the engine.
    :raises ConfigError: the new one is wrong; the old one stays.
    """
    opts = fresh_opts(service.opts)
    config = load(opts)
    plan = make_plan(config, opts, service.functions, service.runners)
    if plan.problems:
        for planned in plan.workers.values():
            close(planned.worker)
        raise ConfigError(plan.problems)
    notes = _unchangeable(service.plan.config, config)
    _apply(service, plan)
    service.opts = opts
    log.info("eventsd: reloaded; rules: %s; workers: %s", ", ".join(config.events), ", ".join(config.workers))
    return {"reloaded": True, "events": list(config.events), "workers": list(config.workers), "notes": notes}


def _apply(service: Service, plan: Plan) -> None:
    general = plan.config.general
    for name, planned in plan.workers.items():
        if lane := service.lanes.get(name):
            lane.swap(planned.settings, planned.worker)
        else:
            service.lanes.add(service.new_lane(name, planned))
    service.room.config = general.spool
    service.intake.commit_seconds = general.spool.commit_seconds
    service.reporter.seconds = general.state_timer
    service.dispatcher.max_workers = general.max_workers
    # As the last but one: from here on events come for workers that are there by now.
    service.intake.policy = plan.policy
    service.plan = plan
    for name, lane in service.lanes.items():
        if name not in plan.workers:
            lane.swap(lane.config, None)
    service.dispatcher.wake()


def _unchangeable(old: Config, new: Config) -> list[str]:
    """What is fixed as long as the engine runs."""
    fixed = {
        "spool.dir": (old.general.spool.dir, new.general.spool.dir),
        "state_file": (old.general.state_file, new.general.state_file),
        "metrics": (old.general.metrics, new.general.metrics),
    }
    return [f"{key}: changes when the master is restarted" for key, (was, now) in fixed.items() if was != now]
