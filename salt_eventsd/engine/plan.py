"""
The plan: rules and workers made of a configuration. An engine makes one when it starts and another at each reload;
``eventsd.check`` makes one to look at. Making a plan opens nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from salt_eventsd.config.explain import meant
from salt_eventsd.config.structs import Config, EventRule, WorkerConfig
from salt_eventsd.event.chunk import OWN, lane_of
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.intake.pipeline import pipeline_of
from salt_eventsd.intake.taking import Policy
from salt_eventsd.rules.compile import named
from salt_eventsd.workers.load import Loaded, load_modules, make
from salt_eventsd.workers.write import Context


@dataclass(frozen=True)
class Planned:
    """
    One worker of a plan.

    :param name: the worker's.
    :param worker: None if it could not be made.
    :param problem: why it could not, else "".
    :param options: the names of the options its module knows; None if the module does not tell.
    """

    name: str
    settings: WorkerConfig
    worker: Loaded | None
    problem: str
    options: frozenset[str] | None = None


@dataclass(frozen=True)
class Plan:
    """
    A configuration with all that is made of it.

    :param policy: what the intake goes by: rules, redaction, sizes.
    :param made: when, in seconds since 1970 UTC.
    """

    config: Config
    policy: Policy
    workers: dict[str, Planned]
    made: float = field(default_factory=time.time)

    @cached_property
    def has_prio(self) -> bool:
        """Whether some rule has prio."""
        return any(rule.prio for _, rule in named(self.config.events))

    @property
    def lanes(self) -> dict[str, Planned]:
        """The lanes, each with the worker it goes to."""
        return {lane: self.workers[worker] for lane, worker in lane_names(self.config).items()}

    @property
    def problems(self) -> list[str]:
        """What is wrong with its workers, a line each."""
        return [line for planned in self.workers.values() for line in planned.problem.splitlines()]

    @property
    def strays(self) -> list[str]:
        """
        The keys under ``defaults`` that no worker knows, a line each; none if a worker's module does not say which keys
        it knows. They stop nothing: several masters may share their defaults.
        """
        if any(planned.options is None for planned in self.workers.values()):
            return []
        known = sorted({name for planned in self.workers.values() for name in planned.options or ()})
        given = {key: None for planned in self.workers.values() for key in planned.settings.defaults}
        return [
            f"eventsd: defaults.{key}: no worker has such a key; known are {', '.join(known)}{meant(key, known)}"
            for key in given
            if key not in known
        ]


def lane_names(config: Config) -> dict[str, str]:
    """
    Return the names of a configuration's lanes, each with the name of the worker it goes to.

    :param config: a right one.
    """
    found = {name: name for name in config.workers}
    for name, rule in named(config.events):
        if rule.is_own:
            found.update({lane_of(worker, name, OWN): worker for worker in rule.workers})
    return found


def make_plan(config: Config, opts: Mapping[str, Any], functions: Any = None, runners: Any = None) -> Plan:
    """
    Make a plan. A worker that cannot be made is in it with the reason.

    :param config: a right one.
    :param opts: Salt's options.
    :param functions: Salt's execution modules, for workers that want them.
    :param runners: Salt's runners, for workers that want them.
    """
    modules = load_modules(opts, functions, runners)
    batches = {name: worker.batch for name, worker in config.workers.items()}
    merging = frozenset(config.sql_workers)
    policy = Policy(pipeline_of(config), batches, merging, config.general.metrics)
    workers = {name: _planned(name, config, modules, opts) for name in config.workers}
    return Plan(config, policy, workers)


def rules_of(events: Mapping[str, EventRule], worker: str) -> dict[str, EventRule]:
    """
    Return the rules that send events to a worker, by their full names; rules under ``subs`` are among them.

    :param events: all rules.
    :param worker: the worker's name.
    """
    return {name: rule for name, rule in named(events) if worker in rule.workers}


def _planned(name: str, config: Config, modules: Any, opts: Mapping[str, Any]) -> Planned:
    settings = config.workers[name]
    context = Context(
        name=name,
        options=settings.options,
        node_id=str(opts.get("id", "")),
        concurrency=settings.concurrency,
        opts=opts,
        defaults=settings.defaults,
        rules=rules_of(config.events, name),
        folder=Path(config.general.spool.dir),
    )
    try:
        made = make(modules, settings.module, context)
        return Planned(name, settings, made, "", frozenset(chain(*context.asked)) if context.asked else None)
    except ConfigError as exc:
        return Planned(name, settings, None, str(exc))
