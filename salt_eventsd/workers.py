"""
Write: what a worker is, and how Salt's loader finds its module.

A worker module lives in ``_eventsd_workers/`` and has one function, ``worker(context)``, which returns an object with a
``write(batch)`` method. ``docs/writing_a_worker.rst`` has the contract with a ten-line example.
"""

from __future__ import annotations

import difflib
import logging
import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

import salt.loader
from salt.loader.context import loader_context

from salt_eventsd.config import EventRule
from salt_eventsd.errors import brief, masked
from salt_eventsd.event import Event
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.loader import WORKERS_TAG, package_dir
from salt_eventsd.own_secrets import unclear
from salt_eventsd.spool import Kept

log = logging.getLogger(__name__)

_OWN_PACKAGE = "salt_eventsd.eventsd_workers"

#: Where rules have queues of their own, so many batches of a worker may be in flight besides: one rule that hangs, or
#: two, shall not hold up the others.
BESIDE = 2

#: (position in the batch, why): an event a backend refused.
Refusal = tuple[int, str]


@dataclass(frozen=True)
class Context:
    """
    What a worker is made from.

    :param name: its name under ``workers``.
    :param options: the keys of its own there.
    :param concurrency: how many batches may be in flight at once.
    :param opts: Salt's options, which a thread would not find otherwise.
    :param defaults: what stands under ``defaults``; a worker takes of it what it knows, see :meth:`known`.
    :param node_id: the id of the master (or minion) the engine lives in.
    :param rules: the rules that send it events, by the name an event has them under (``event.rule``).
    """

    name: str
    options: Mapping[str, Any]
    node_id: str
    concurrency: int = 1
    opts: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, EventRule] = field(default_factory=dict)
    #: The names it was asked for, each time, with :meth:`known`.
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def known(self, *names: str) -> dict[str, Any]:
        """
        Return the worker's options with those defaults under them that it knows.

        :param names: of the options it knows.
        :raises ConfigError: it has an option that it does not know.
        """
        for key in self.options:
            if key not in names:
                listed = f"known are {', '.join(names)}" if names else "there are no options"
                raise self.problem(str(key), f"unknown key; {listed}")
        self.asked.append(names)
        return {**{key: value for key, value in self.defaults.items() if key in names}, **self.options}

    def problem(self, key: str, what: str) -> ConfigError:
        """
        Return the error of a wrong option, to raise.

        :param key: the option, "" for the worker as a whole.
        :param what: what is wrong and what would be right.
        """
        path = f"workers.{self.name}.{key}" if key else f"workers.{self.name}"
        return ConfigError([f"eventsd: {path}: {what}"])


@dataclass(frozen=True)
class Batch:
    """
    What a worker writes at once.

    :param spool_id: the id of the life of the spool in which the events were kept; an engine's start begins another.
    :param chunks: the chunks they come in, each with how many of ``events`` are its own, in order.
    :param events: the events.
    :param oldest_chunk: no chunk with a lower id is in this spool now; one may be in an older copy of it.
    :param replay: an earlier try at some of these chunks may have been committed.
    :param bury: for a worker with transactions, to be called before it commits: with the events the backend refused,
        and the ids of the chunks this try is about (None for all). Other workers raise ``Refused`` instead.
    :param cuts: how many tries of it in a row have ended without an answer
        (:class:`~salt_eventsd.exceptions.Cut`).
    :param doubts: how many of them found that the backend takes none of its events
        (:class:`~salt_eventsd.exceptions.Doubted`).
    :param origins: what the spool knows of the chunks, by their ids. One that was put to the others only to see whether
        the backend takes anything may be of another life than they.
    """

    spool_id: str
    chunks: tuple[tuple[int, int], ...]
    events: Sequence[Event]
    oldest_chunk: int = 0
    replay: bool = True
    bury: Callable[[Sequence[Refusal], Collection[int] | None], None] = lambda refusals, chunks: None
    cuts: int = 0
    doubts: int = 0
    origins: Mapping[int, Kept] = field(default_factory=dict)


class Worker(Protocol):
    """
    A backend.

    ``write`` returns when the batch is safe in the backend. It raises :class:`~salt_eventsd.exceptions.Transient` to be
    tried again later, :class:`~salt_eventsd.exceptions.Held` where an operator has to act, and
    :class:`~salt_eventsd.exceptions.Refused` if something in the batch is unacceptable: the batch is then split until
    the bad events stand alone. It may be called from several threads if ``concurrency`` is above 1.

    ``check`` (optional) returns a line that says the backend can be reached, or raises like ``write``.
    ``close`` (optional) is called once, at the end.
    """

    def write(self, batch: Batch) -> None:
        """Write a batch."""


class Loaded:
    """
    A worker in whose methods the ``__salt__`` and ``__opts__`` of its module work, whatever thread calls them.

    :param worker: what its module's ``worker()`` returned.
    :param modules: the loader that has its module.
    """

    def __init__(self, worker: Worker, modules: Any) -> None:
        self.worker = worker
        self._modules = modules
        self._holders = 0
        self._counting = threading.Lock()

    def hold(self) -> Loaded:
        """Have one more lane that uses it, and return it."""
        with self._counting:
            self._holders += 1
        return self

    def write(self, batch: Batch) -> None:
        """See :class:`Worker`."""
        with loader_context(self._modules):
            self.worker.write(batch)

    def check(self) -> str:
        """See :class:`Worker`."""
        ask = getattr(self.worker, "check", None)
        if ask is None:
            return "has no check"
        with loader_context(self._modules):
            return str(ask())

    def close(self) -> None:
        """See :class:`Worker`; only the last lane that uses it does close it."""
        with self._counting:
            self._holders -= 1
            if self._holders > 0:
                return
        if end := getattr(self.worker, "close", None):
            with loader_context(self._modules):
                end()


def close(worker: Any) -> None:
    """
    Close a worker that is not used any more, if it can be; what it raises is of no interest to anybody else.

    :param worker: the worker.
    """
    try:
        if end := getattr(worker, "close", None):
            end()
    except Exception as exc:
        log.warning("eventsd: a worker could not be closed: %s", brief(exc))


def load_modules(opts: Mapping[str, Any], functions: Any = None, runners: Any = None) -> Any:
    """
    Return Salt's lazy loader over all worker modules: synced ones first, then ``eventsd_workers_dirs``, then ours.

    :param opts: Salt's options.
    :param functions: ``__salt__`` for the modules.
    :param runners: ``__runners__`` for the modules.
    :raises ConfigError: the option that names folders does not.
    """
    folders = [os.path.join(str(opts["extension_modules"]), WORKERS_TAG)] if opts.get("extension_modules") else []
    configured = opts.get("eventsd_workers_dirs") or []
    more = [configured] if isinstance(configured, str) else configured
    if not isinstance(more, (list, tuple)) or not all(isinstance(one, str) for one in more):
        raise ConfigError(
            [f"eventsd: eventsd_workers_dirs: expected a folder, or a list of folders, got {configured!r}"]
        )
    folders += more
    folders.append(package_dir(_OWN_PACKAGE))
    return salt.loader.LazyLoader(
        [folder for folder in folders if os.path.isdir(folder)],
        opts,
        tag=WORKERS_TAG,
        pack={"__salt__": functions or {}, "__runners__": runners or {}, "__context__": {}},
    )


def _require_clear_urls(module: str, context: Context) -> None:
    """A library that takes a part of a password for the host tells that host in every error."""
    given = context.options.get("url") or context.defaults.get("url")
    for url in given if isinstance(given, (list, tuple)) else [given]:
        sign = unclear(url) if isinstance(url, str) else ""
        # The sql worker reads a slash and the like in a password as what they are.
        if sign == "@" or (sign and module != "sql"):
            what = f"there is a {sign} in what looks like its password; there it is written as {quote(sign, safe='')}"
            raise context.problem("url", what)


def make(modules: Any, module: str, context: Context) -> Loaded:
    """
    Make a worker; it opens nothing yet.

    :param modules: from :func:`load_modules`.
    :param module: the worker's module.
    :raises ConfigError: there is no such module, it cannot be imported, or an option is wrong.
    """
    name = f"{module}.worker"
    _require_clear_urls(module, context)
    try:
        factory = modules[name]
    except KeyError:
        why = modules.missing_fun_string(name)
        known = sorted({key.split(".")[0] for key in modules if key.endswith(".worker")})
        close_ones = difflib.get_close_matches(module, known, 1)
        meant = f"; did you mean {close_ones[0]!r}?" if close_ones else ""
        text = f"no worker module {module!r} ({why}); there are {', '.join(known)}{meant}"
        raise context.problem("module", text) from None
    try:
        worker: Worker = factory(context)
    except ConfigError:
        raise
    except ImportError as exc:
        raise context.problem("module", f"{module} needs a library that is missing: {masked(str(exc))}") from exc
    except Exception as exc:
        raise context.problem("module", f"{module} could not be set up: {brief(exc)}") from exc
    if not callable(getattr(worker, "write", None)):
        raise context.problem("module", f"{module}.worker() returned {type(worker).__name__}, which has no write()")
    if not getattr(worker, "takes_tables", False) and (own := [name for name, x in context.rules.items() if x.is_own]):
        what = "table" if context.rules[own[0]].table is not None else "statement"
        raise ConfigError(
            [f"eventsd: events.{own[0]}.{what}: worker {context.name} is of module {module}, which has none; sql has"]
        )
    return Loaded(worker, modules)
