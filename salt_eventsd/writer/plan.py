"""
The plan of a writer: its workers and their lanes, made of a configuration. Making one opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from salt_eventsd.config.structs import EventRule, WorkerConfig
from salt_eventsd.engine.plan import rules_of
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.workers.load import Loaded, load_modules, make
from salt_eventsd.workers.write import Context
from salt_eventsd.writer.carry.writers import Writers
from salt_eventsd.writer.config import WriterConfig


@dataclass(frozen=True)
class Planned:
    """
    One worker of a plan.

    :param name: the worker's.
    :param settings: what stands under ``workers``.
    :param rules: those with a table or a statement of the user's own.
    :param writers: what writes.
    """

    name: str
    settings: WorkerConfig
    rules: dict[str, EventRule]
    writers: Writers


def plan(config: WriterConfig) -> list[Planned]:
    """
    Return the workers of a configuration.

    :param config: a right one.
    :raises ConfigError: some cannot be made; the error has every problem found.
    """
    modules = load_modules(config.opts)
    made, problems = [], []
    for name in config.config.workers:
        try:
            made.append(planned(name, config, modules))
        except ConfigError as exc:
            problems += exc.problems
    if problems:
        for one in made:
            one.writers.close()
        raise ConfigError(problems)
    return made


def planned(name: str, config: WriterConfig, modules: Any) -> Planned:
    """
    Return one worker of a configuration.

    :param name: the worker's.
    :param config: a right one.
    :param modules: from :func:`~salt_eventsd.workers.load.load_modules`.
    :raises ConfigError: it cannot be made.
    """
    settings = config.config.workers[name]
    rules = {rule: one for rule, one in rules_of(config.config.events, name).items() if one.is_own}
    return Planned(name, settings, rules, Writers(_maker(name, config, modules, rules)))


def threads(plans: list[Planned], most: int) -> dict[str, int]:
    """
    Return how many parcels of each worker are written at once. Each has one thread at least, and a thread more for each
    rule with a table or a statement of the user's own.

    :param plans: the workers.
    :param most: how many threads there are to be in all, if that is enough.
    """
    left = most - len(plans) - sum(len(one.rules) for one in plans)
    found = {}
    for one in plans:
        more = max(0, min(one.settings.concurrency - 1, left))
        found[one.name] = 1 + more
        left -= more
    return found


def _maker(name: str, config: WriterConfig, modules: Any, rules: dict[str, EventRule]) -> Callable[[str], Loaded]:
    settings = config.config.workers[name]

    def made(master: str) -> Loaded:
        context = Context(
            name=name,
            options=settings.options,
            node_id=master or str(config.opts["id"]),
            concurrency=settings.concurrency,
            opts=config.opts,
            defaults=settings.defaults,
            rules=rules,
        )
        return make(modules, settings.module, context)

    return made
