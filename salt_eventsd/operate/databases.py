"""
The databases of sql workers, for verbs that look after them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from salt_eventsd.backends import sql
from salt_eventsd.config.explain import meant
from salt_eventsd.config.load import load
from salt_eventsd.config.structs import Config
from salt_eventsd.exceptions import ConfigError, EventsdError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.write import Context


@contextmanager
def kept(context: Context, *, reads_only: bool) -> Iterator[sql.Kept]:
    """
    Give the history that a worker keeps, and close its connections in the end.

    :param context: from :func:`sql_workers`.
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
    Return what is wrong with a worker's database, in one line.

    :param context: the worker's.
    :param error: what was raised.
    """
    return str(error) if isinstance(error, ConfigError) else f"eventsd: workers.{context.name}: {one_line(error)}"


def yes_or_no(name: str, value: Any) -> bool:
    """
    Return an argument that is true or false.

    :param name: its name.
    :param value: as Salt hands it over.
    :raises EventsdError: it is neither.
    """
    if isinstance(value, bool):
        return value
    raise EventsdError(f"{name}: expected True or False, got {value!r}")


def sql_workers(opts: Mapping[str, Any], worker: str | None = None, argument: str = "worker") -> list[Context]:
    """
    Return the sql workers, to connect to their databases.

    :param opts: Salt's options.
    :param worker: only this one; else all.
    :param argument: the name of the argument that names it.
    :raises EventsdError: there is no such worker, or the configuration is wrong.
    """
    config = load(opts)
    names = config.sql_workers
    if worker is not None and worker not in names:
        hint = meant(worker, names)
        raise EventsdError(
            f"{argument}: expected a sql worker, one of {', '.join(names) or '(none)'}, got {worker!r}{hint}"
        )
    return [context_of(config, name, opts) for name in names if worker in (None, name)]


def one_worker(opts: Mapping[str, Any], worker: str | None) -> Context:
    """
    Return the sql worker that a command is about.

    :param opts: Salt's options.
    :param worker: its name; None if there is only one.
    :raises EventsdError: there is no such worker, or there are several.
    """
    found = sql_workers(opts, worker)
    if len(found) != 1:
        names = ", ".join(context.name for context in found) or "(none)"
        raise EventsdError(f"worker: missing; expected the name of one sql worker, one of {names}")
    return found[0]


def context_of(config: Config, name: str, opts: Mapping[str, Any]) -> Context:
    """
    Return what is needed to connect to the database of a worker.

    :param config: a right one.
    :param name: the worker's.
    :param opts: Salt's options.
    """
    worker = config.workers[name]
    return Context(name, worker.options, str(opts.get("id", "")), opts=opts, defaults=worker.defaults)
