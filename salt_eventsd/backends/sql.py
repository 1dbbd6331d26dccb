"""The job history in a SQL database: the worker itself is :class:`salt_eventsd.database.store.Store`."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.engine import Engine

from salt_eventsd.database.engines import OPTION_NAMES, OptionError, make_engine, make_reader, read_options
from salt_eventsd.database.migrations.builder import Builder
from salt_eventsd.database.retention.keep import Keep
from salt_eventsd.database.retention.nightly import Nightly
from salt_eventsd.database.store import Store
from salt_eventsd.workers.load import BESIDE, OVERLAP
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
        engine = make_engine(options, context.concurrency + min(own, BESIDE) + OVERLAP)
        nightly = None
        keep = options.keep or Keep()
        partitions = options.partitions or "none"
        if keep.ends or partitions != "none":
            # What a purge does to its connections is nothing to those that write.
            nightly = Nightly(make_engine(options), keep, f"{context.node_id} {context.name}", partitions)
    except OptionError as exc:
        raise context.problem(exc.key, str(exc)) from None
    return Store(
        engine,
        context.node_id,
        options.too_large == "truncate",
        context.rules,
        nightly=nightly,
        states=options.states,
        load=options.load,
        partitions=partitions,
        builder=Builder(lambda: make_engine(options)),
    )


class Kept(NamedTuple):
    """
    The history that a worker keeps.

    :param engine: of its database.
    :param keep: how long rows stay.
    :param partitions: the option of that name.
    """

    engine: Engine
    keep: Keep
    partitions: str


def kept(context: Context, *, reads_only: bool) -> Kept:
    """
    Return the history that a worker keeps, to look after it.

    :param context: the worker's options and its name.
    :param reads_only: what would change the database is refused, and its answers may not take long.
    :raises ConfigError: an option is wrong, or a driver is missing.
    """
    try:
        options = read_options(context.known(*OPTION_NAMES))
        engine = make_reader(options) if reads_only else make_engine(options)
        return Kept(engine, options.keep or Keep(), options.partitions or "none")
    except OptionError as exc:
        raise context.problem(exc.key, str(exc)) from None


def source(context: Context) -> Engine:
    """
    Return an engine that reads all of a worker's history and changes nothing; it may take as long as the worker may.

    :param context: the worker's options and its name.
    :raises ConfigError: an option is wrong, or a driver is missing.
    """
    try:
        return make_engine(read_options(context.known(*OPTION_NAMES)), reads_only=True)
    except OptionError as exc:
        raise context.problem(exc.key, str(exc)) from None
