"""
What a configuration comes to: the policy of the intake, and the workers. An engine makes one at its start and another
one at each reload; ``eventsd.check`` makes one to look at.

Nothing is opened in here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from salt_eventsd.config.explain import meant
from salt_eventsd.config.structs import Config, EventRule, WorkerConfig
from salt_eventsd.event.chunk import OWN, lane_of
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.intake.pipeline import pipeline_of
from salt_eventsd.intake.thread import Policy
from salt_eventsd.rules.match import named
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
    What a configuration comes to.

    :param made: when, in seconds since 1970 UTC.
    """

    config: Config
    policy: Policy
    workers: dict[str, Planned]
    made: float = field(default_factory=time.time)

    @property
    def lanes(self) -> dict[str, Planned]:
        """The workers once more, by the queues that go to them."""
        return {lane: self.workers[worker] for lane, worker in lane_names(self.config).items()}

    @property
    def problems(self) -> list[str]:
        """What is wrong with its workers, a line each."""
        return [line for planned in self.workers.values() for line in planned.problem.splitlines()]

    @property
    def strays(self) -> list[str]:
        """
        What stands under ``defaults`` and no worker knows, a line each; none as long as that cannot be told. It is
        nothing to stop at: several masters may share their defaults.
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
    Return the names of the queues of a configuration, each with the worker's it goes to.

    :param config: found right.
    """
    found = {name: name for name in config.workers}
    for name, rule in named(config.events):
        if rule.is_own:
            found.update({lane_of(worker, name, OWN): worker for worker in rule.workers})
    return found


def make_plan(config: Config, opts: Mapping[str, Any], functions: Any = None, runners: Any = None) -> Plan:
    """
    Make the policy and the workers of a configuration.

    :param config: found right.
    :param opts: Salt's options.
    :param functions: Salt's execution modules, for workers that want them.
    :param runners: Salt's runners, likewise.
    """
    modules = load_modules(opts, functions, runners)
    policy = Policy(pipeline_of(config), {name: worker.batch for name, worker in config.workers.items()})
    workers = {name: _planned(name, config, modules, opts) for name in config.workers}
    return Plan(config, policy, workers)


def rules_of(events: Mapping[str, EventRule], worker: str) -> dict[str, EventRule]:
    """
    Return the rules that send events to a worker, sub-events among them, by their whole names.

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
    )
    try:
        made = make(modules, settings.module, context)
        return Planned(name, settings, made, "", frozenset(chain(*context.asked)) if context.asked else None)
    except ConfigError as exc:
        return Planned(name, settings, None, str(exc))
