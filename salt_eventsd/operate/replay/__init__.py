"""
Replay: send what the history holds through one rule as it is today, as if it came over the bus once more.

``task``
    What is asked for: which rule, which worker, which history, which time.
``until``
    Where it ends, if the engine has the rule already.
``run``
    Does it: reads frames, asks the pipeline, gives batches to the worker.
``sender``
    The batches of one worker, each with the part of the history that it is of.
``one_at_a_time``
    The lock that keeps two replays of one rule apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.replay.run import run
from salt_eventsd.operate.replay.task import tasks


def replay(
    opts: Mapping[str, Any],
    arguments: Mapping[str, Any],
    tell: Callable[[str], None],
    functions: Any = None,
) -> dict[str, Any]:
    """
    Replay a rule.

    :param opts: Salt's options.
    :param arguments: ``rule``, ``since``, ``until``, ``worker``, ``source``, ``dry_run``, ``again``.
    :param tell: is told of progress, a line each.
    :param functions: Salt's execution modules, for workers that want them.
    """
    told: dict[str, Any] = {"replayed": [], "retcode": 0}
    try:
        todo = tasks(opts, arguments, functions)
        told = {"rule": todo[0].rule, "dry_run": todo[0].is_dry, **told}
        for task in todo:
            try:
                done = run(task, tell)
            finally:
                task.close()
            told["replayed"] += done.rows
            if done.notes:
                told.setdefault("notes", []).extend(done.notes)
            told["retcode"] = max(told["retcode"], 1 if done.refused else 0)
    except EventsdError as exc:
        return {**told, "problem": "; ".join(str(exc).splitlines()), "retcode": 2}
    return told
