"""
Delete what is older than ``keep`` says, or count it, on the databases of sql workers; and what a minion has left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from salt_eventsd.backends import sql
from salt_eventsd.config.explain import meant
from salt_eventsd.config.load import load
from salt_eventsd.database.dialects.base.questions import is_glob
from salt_eventsd.database.retention.forget import FORGOTTEN, Forget
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.purge import Purge
from salt_eventsd.exceptions import ConfigError, EventsdError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.write import Context

#: How much of its time a purge that somebody waits for may be at it.
_SHARE = 0.5


def purge(opts: Mapping[str, Any], worker: str | None = None, dry_run: Any = False) -> dict[str, Any]:
    """
    Purge the databases of sql workers.

    :param opts: Salt's options.
    :param worker: only this one; else all.
    :param dry_run: count what is too old, and delete nothing.
    """
    try:
        is_dry = yes_or_no("dry_run", dry_run)
        contexts = _sql_workers(opts, worker)
    except EventsdError as exc:
        return {"problem": str(exc), "retcode": 2}
    told: dict[str, Any] = {"dry_run": is_dry, "purge": [], "retcode": 0}
    for context in contexts:
        try:
            with kept(context, reads_only=is_dry) as history:
                if not history.keep.ends:
                    told.setdefault("notes", []).append(f"workers.{context.name}.keep is not set: everything is kept")
                    continue
                one = Purge(history.engine, history.keep, Pace(_SHARE))
                counts = one.count() if is_dry else one.run()
        except EventsdError as exc:
            return {**told, "problem": problem_of(context, exc), "retcode": 2}
        told["purge"] += [
            {"worker": context.name, "table": f"eventsd_{table}", "outcome": outcome or None, "rows": rows}
            for (table, outcome), rows in sorted(counts.items())
        ]
    return told


def forget(opts: Mapping[str, Any], minion: Any, worker: str | None = None, dry_run: Any = False) -> dict[str, Any]:
    """
    Have the databases of sql workers forget a minion.

    :param opts: Salt's options.
    :param minion: its id.
    :param worker: only this worker's database; else all.
    :param dry_run: count what would be deleted or changed, and do nothing.
    """
    try:
        is_dry = yes_or_no("dry_run", dry_run)
        if not isinstance(minion, str) or not minion or minion == FORGOTTEN or is_glob(minion):
            raise EventsdError(f"minion: expected the id of a minion, whole, got {minion!r}")
        contexts = _sql_workers(opts, worker)
    except EventsdError as exc:
        return {"problem": str(exc), "retcode": 2}
    told: dict[str, Any] = {"dry_run": is_dry, "forget": [], "retcode": 0}
    for context in contexts:
        try:
            with kept(context, reads_only=is_dry) as history:
                one = Forget(history.engine, minion, Pace(_SHARE))
                counts = one.count() if is_dry else one.run()
        except EventsdError as exc:
            return {**told, "problem": problem_of(context, exc), "retcode": 2}
        told["forget"] += [
            {"worker": context.name, "table": f"eventsd_{table}", "rows": rows, "done": done}
            for (table, done), rows in sorted(counts.items())
        ]
    if not told["forget"]:
        told["notes"] = [f"nothing is known of {minion}"]
    return told


@contextmanager
def kept(context: Context, *, reads_only: bool) -> Iterator[sql.Kept]:
    """
    Connect to the history that a worker keeps.

    :param context: the worker's.
    :param reads_only: what would change the database is refused.
    :raises ConfigError: an option is wrong, or a driver is missing.
    """
    history = sql.kept(context, reads_only=reads_only)
    try:
        yield history
    finally:
        history.engine.dispose()


def problem_of(context: Context, error: EventsdError) -> str:
    """
    Return one line on what went wrong with a worker's history.

    :param context: the worker's.
    :param error: what was raised.
    """
    return str(error) if isinstance(error, ConfigError) else f"eventsd: workers.{context.name}: {one_line(error)}"


def yes_or_no(name: str, value: Any) -> bool:
    """
    Return an argument that is True or False.

    :param name: the argument's.
    :param value: as it was given.
    :raises EventsdError: it is neither.
    """
    if isinstance(value, bool):
        return value
    raise EventsdError(f"{name}: expected True or False, got {value!r}")


def one_worker(opts: Mapping[str, Any], worker: str | None) -> Context:
    """
    Return the sql worker that a command is about.

    :param opts: Salt's options.
    :param worker: its name; None if there is only one.
    :raises EventsdError: there is no such worker, or there are several.
    """
    found = _sql_workers(opts, worker)
    if len(found) != 1:
        names = ", ".join(context.name for context in found) or "(none)"
        raise EventsdError(f"worker: missing; expected the name of one sql worker, one of {names}")
    return found[0]


def _sql_workers(opts: Mapping[str, Any], worker: str | None) -> list[Context]:
    config = load(opts)
    names = config.sql_workers
    if worker is not None and worker not in names:
        hint = meant(worker, names)
        raise EventsdError(
            f"worker: expected a sql worker, one of {', '.join(names) or '(none)'}, got {worker!r}{hint}"
        )
    return [
        Context(
            name=name,
            options=config.workers[name].options,
            node_id=str(opts.get("id", "")),
            opts=opts,
            defaults=config.workers[name].defaults,
        )
        for name in names
        if worker in (None, name)
    ]
