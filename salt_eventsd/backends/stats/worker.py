"""
Numbers of events, by their dotted names: the engine's own counters into a table or into Graphite.

A row of the table is one number of one moment, and is not written twice. So a batch that comes again changes nothing,
neither in the table nor in Graphite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from salt_eventsd.backends.graphite.metric import read_path
from salt_eventsd.backends.options import OLD_TIMEOUT, option_names, read_options
from salt_eventsd.backends.stats.graphs import Graphs, StatsOptions
from salt_eventsd.backends.stats.table import Table
from salt_eventsd.config.durations import duration_of
from salt_eventsd.database import engines
from salt_eventsd.workers.write import Context

_SQL_NAMES = tuple(name for name in engines.OPTION_NAMES if name not in ("too_large", "states", "keep"))
#: How long rows stay by default.
_KEEP = "7d"
_CARBON_NAMES = (*option_names(StatsOptions), OLD_TIMEOUT)


def make(context: Context) -> Table | Graphs:
    """
    Make the worker.

    :param context: its options and its name.
    :raises ConfigError: an option is wrong.
    """
    own = context.options
    given = context.known(*dict.fromkeys(("url", "keep", *_CARBON_NAMES, *_SQL_NAMES)))
    if any(key in (own if "host" in own else given) for key in ("url", "driver")):
        return _table(context, given)
    if "host" in own:
        return _graphs(context)
    raise context.problem("url", "missing; expected a SQLAlchemy URL, or host for Graphite")


def _table(context: Context, given: Mapping[str, Any]) -> Table:
    for key in context.options:
        if key not in (*_SQL_NAMES, "keep"):
            raise context.problem(key, "is for Graphite; beside a database it means nothing")
    try:
        options = engines.read_options({key: value for key, value in given.items() if key in _SQL_NAMES})
        engine = engines.make_engine(options, context.concurrency)
    except engines.OptionError as exc:
        raise context.problem(exc.key, str(exc)) from None
    try:
        return Table(engine, context.node_id, duration_of(given.get("keep", _KEEP)))
    except ValueError as exc:
        raise context.problem("keep", str(exc)) from None


def _graphs(context: Context) -> Graphs:
    for key in context.options:
        if key not in _CARBON_NAMES:
            raise context.problem(key, "is for a database; beside Graphite it means nothing")
    # The host and port under defaults are those of databases.
    shared = {key: value for key, value in context.defaults.items() if key not in ("host", "port")}
    options = read_options(replace(context, defaults=shared), StatsOptions)
    prefix = read_path(context, "prefix", options.prefix, "") if options.prefix else None
    return Graphs(options.carbon, prefix, context.node_id)
