"""The job history in a SQL database: the worker itself is :class:`salt_eventsd.database.store.Store`."""

from __future__ import annotations

from salt_eventsd.database.engines import OPTION_NAMES, OptionError, make_engine, read_options
from salt_eventsd.database.store import Store
from salt_eventsd.workers.load import BESIDE
from salt_eventsd.workers.write import Context


def make(context: Context) -> Store:
    """
    Make the worker.

    :param context: its options, its name and its rules.
    :raises ConfigError: an option is wrong, or a driver is missing.
    """
    try:
        options = read_options(context.known(*OPTION_NAMES))
        # Rules with a table or statement of their own are written beside the others, a few at a time.
        own = sum(rule.is_own for rule in context.rules.values())
        engine = make_engine(options, context.concurrency + min(own, BESIDE))
    except OptionError as exc:
        raise context.problem(exc.key, str(exc)) from None
    return Store(engine, context.node_id, options.too_large == "truncate", context.rules)
