"""What a replay is to do, as ``salt-run`` is asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from salt_eventsd.backends import sql
from salt_eventsd.common.moments import moment_of
from salt_eventsd.config.explain import meant
from salt_eventsd.config.load import load
from salt_eventsd.config.structs import Config, WorkerConfig
from salt_eventsd.database.engines import shown
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.transfer.done import Done, replay_of
from salt_eventsd.database.transfer.history import History
from salt_eventsd.database.transfer.slices import Span, span_of
from salt_eventsd.engine.plan import make_plan
from salt_eventsd.exceptions import ConfigError, EventsdError
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.operate.databases import context_of, sql_workers, yes_or_no
from salt_eventsd.operate.replay.until import end_of
from salt_eventsd.rules.compile import named
from salt_eventsd.rules.only import only
from salt_eventsd.workers.load import Loaded

#: How much of the time may go into it; the engine and whoever asks the history get the rest.
_SHARE = 0.6
#: Before any event of Salt's.
_BEGINNING = datetime(2000, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Task:
    """
    A replay of one rule to one worker.

    :param rule: the rule's whole name.
    :param name: the worker's.
    :param worker: writes.
    :param settings: of the worker: how large its batches are.
    :param pipeline: makes events of frames, by this rule alone.
    :param history: what is read.
    :param done: what was sent on before.
    :param span: the time.
    :param notes: what there is to say of its end.
    :param is_dry: count, and write nothing.
    :param again: forget what was sent on before.
    :param is_noted: whether the worker itself notes what it has written.
    :param lock: a file of this replay's own.
    :param engines: connections to close in the end.
    """

    rule: str
    name: str
    worker: Loaded
    settings: WorkerConfig
    pipeline: Pipeline
    history: History
    done: Done
    span: Span
    notes: list[str]
    is_dry: bool
    again: bool
    is_noted: bool
    lock: Path
    pace: Pace
    engines: tuple[Any, ...]

    def close(self) -> None:
        """Close all connections."""
        self.worker.close()
        for engine in self.engines:
            engine.dispose()


def tasks(opts: Mapping[str, Any], arguments: Mapping[str, Any], functions: Any) -> list[Task]:
    """
    Return what is to be done, one for each worker of the rule.

    :param opts: Salt's options.
    :param arguments: of the verb.
    :param functions: Salt's execution modules.
    :raises EventsdError: an argument or the configuration is wrong.
    """
    is_dry, again = (yes_or_no(name, arguments.get(name) or False) for name in ("dry_run", "again"))
    now = datetime.now(timezone.utc)
    since, until = _times(arguments, now)
    config = load(opts)
    rule = _rule(config, arguments.get("rule"))
    names = _workers(config, rule, arguments.get("worker"))
    ends = {name: end_of(config, rule, name, until, now) for name in names}
    spans = {name: _span(since, end, now, notes) for name, (end, notes) in ends.items()}
    history = _source(config, opts, arguments.get("source"))
    plan = make_plan(config, opts, functions)
    for planned in plan.workers.values():
        if planned.problem and planned.name in names:
            raise ConfigError(planned.problem.splitlines())
    found = []
    for name in names:
        # A pace and connections of its own for each, as they are closed one by one.
        pace = Pace(_SHARE)
        reader = sql.source(history)
        is_noted = name in config.sql_workers
        noted_in = context_of(config, name, opts) if is_noted else history
        noting = sql.kept(noted_in, reads_only=is_dry).engine
        own = replay_of(shown(reader.url), rule, name)
        rules = only(plan.policy.pipeline.rules, rule, name)
        worker = plan.workers[name].worker
        assert rules is not None
        assert worker is not None
        found.append(
            Task(
                rule=rule,
                name=name,
                worker=worker.hold(),
                settings=config.workers[name],
                pipeline=replace(plan.policy.pipeline, rules=rules),
                history=History(reader, pace),
                done=Done(noting, own, pace),
                span=spans[name],
                notes=ends[name][1],
                is_dry=is_dry,
                again=again,
                is_noted=is_noted,
                lock=Path(config.general.state_file).parent / f"replay-{own}.lock",
                pace=pace,
                engines=(reader, noting),
            )
        )
    return found


def _times(arguments: Mapping[str, Any], now: datetime) -> tuple[datetime, datetime | None]:
    """Return the beginning and the end that were asked for."""
    times: dict[str, datetime | None] = {}
    for name in ("since", "until"):
        value = arguments.get(name)
        try:
            is_all = name == "since" and value == "all"
            times[name] = _BEGINNING if is_all else None if value is None else moment_of(value, now)
        except ValueError as exc:
            raise EventsdError(f"{name}: {exc}") from None
    if (since := times["since"]) is None:
        raise EventsdError('since: missing; expected a time such as 90d, or "all" for the whole history')
    return since, times["until"]


def _span(since: datetime, until: datetime, now: datetime, notes: list[str]) -> Span:
    if since >= until:
        raise EventsdError("; ".join(["until: expected a time after since", *notes]))
    # No event of a time to come may be called replayed.
    end = min(until, now + timedelta(microseconds=1))
    return span_of(max(since, _BEGINNING), end)


def _rule(config: Config, name: Any) -> str:
    known = [rule for rule, _ in named(config.events)]
    if name not in known:
        hint = meant(str(name), known)
        raise EventsdError(f"rule: expected the name of a rule, one of {', '.join(known)}, got {name!r}{hint}")
    return str(name)


def _workers(config: Config, name: str, worker: Any) -> list[str]:
    rule = dict(named(config.events))[name]
    if worker is None:
        return list(rule.workers)
    if worker not in rule.workers:
        listed = ", ".join(rule.workers)
        raise EventsdError(f"worker: expected a worker of the rule {name}, one of {listed}, got {worker!r}")
    return [str(worker)]


def _source(config: Config, opts: Mapping[str, Any], name: Any) -> Any:
    wanted = config.asked if name is None else name
    if wanted is None:
        raise EventsdError("source: there is no sql worker, and only a SQL database has a history")
    [context] = sql_workers(opts, str(wanted), "source")
    return context
