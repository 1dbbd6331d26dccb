"""Load: Salt's loader finds a worker's module, and the worker is made from it."""

from __future__ import annotations

import difflib
import logging
import os
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import salt.loader
from salt.loader.context import loader_context

from salt_eventsd.common.salt_modules import WORKERS_TAG, package_dir
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.redact.error_text import masked, one_line
from salt_eventsd.redact.own_secrets import unclear
from salt_eventsd.workers.write import Batch, Behind, Context, Worker

log = logging.getLogger(__name__)

_OWN_PACKAGE = "salt_eventsd.eventsd_workers"

#: How many more batches a worker may have in flight if rules of it have lanes of their own: one or two of these rules
#: may hang, and the others go on.
BESIDE = 2
#: How many more it may have in flight while it is behind, if it says so.
OVERLAP = 1


class Loaded:
    """
    A worker whose methods find ``__salt__`` and ``__opts__`` of their module, whatever thread calls them.

    :param worker: what its module's ``worker()`` returned.
    :param modules: the loader that has its module.
    """

    def __init__(self, worker: Worker, modules: Any) -> None:
        self.worker = worker
        self._modules = modules
        self._holders = 0
        self._counting = threading.Lock()

    @property
    def behind(self) -> Behind | None:
        """See :class:`Behind`."""
        return getattr(self.worker, "behind", None)

    @property
    def makes_way(self) -> bool:
        """Whether its batches make way for prio batches; see :class:`Worker`."""
        return bool(getattr(self.worker, "makes_way", False))

    @property
    def lost(self) -> int:
        """How many events were lost that it had written, as far as it knows of that."""
        return int(getattr(self.worker, "lost", 0))

    def hold(self) -> Loaded:
        """Count one more lane that uses the worker, and return the worker, which is started for the first one."""
        with self._counting:
            self._holders += 1
            is_first = self._holders == 1
        if is_first:
            start(self)
        return self

    def start(self) -> None:
        """See :class:`Worker`."""
        if begin := getattr(self.worker, "start", None):
            with loader_context(self._modules):
                begin()

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
        """See :class:`Worker`; the worker is closed when the last lane that uses it says so."""
        with self._counting:
            self._holders -= 1
            if self._holders > 0:
                return
        if end := getattr(self.worker, "close", None):
            with loader_context(self._modules):
                end()


def start(worker: Any) -> None:
    """
    Start a worker that is used from now on. An error is logged and goes no further.

    :param worker: the worker.
    """
    try:
        worker.start()
    except Exception as exc:
        log.warning("eventsd: a worker could not be started: %s", one_line(exc))


def close(worker: Any) -> None:
    """
    Close a worker that nobody uses any more, if it has a ``close``. An error is logged and goes no further.

    :param worker: the worker.
    """
    try:
        if end := getattr(worker, "close", None):
            end()
    except Exception as exc:
        log.warning("eventsd: a worker could not be closed: %s", one_line(exc))


def load_modules(opts: Mapping[str, Any], functions: Any = None, runners: Any = None) -> Any:
    """
    Return Salt's lazy loader over all worker modules: synced ones first, then ``eventsd_workers_dirs``, then ours.

    :param opts: Salt's options.
    :param functions: ``__salt__`` for the modules.
    :param runners: ``__runners__`` for the modules.
    :raises ConfigError: ``eventsd_workers_dirs`` is no folder and no list of folders.
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
    """
    Refuse a URL that does not tell where its password ends: a library may take a part of the password for the host, and
    repeat that "host" in every error.
    """
    given = context.options.get("url") or context.defaults.get("url")
    for url in given if isinstance(given, (list, tuple)) else [given]:
        sign = unclear(url) if isinstance(url, str) else ""
        # The sql worker understands a slash and the like in a password.
        if sign == "@" or (sign and module != "sql"):
            what = f"there is a {sign} in what looks like its password; there it is written as {quote(sign, safe='')}"
            raise context.problem("url", what)


def make(modules: Any, module: str, context: Context) -> Loaded:
    """
    Make a worker; it opens nothing yet.

    :param modules: from :func:`load_modules`.
    :param module: the name of the worker's module.
    :param context: what the worker is made from.
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
        raise context.problem("module", f"{module} could not be set up: {one_line(exc)}") from exc
    if not callable(getattr(worker, "write", None)):
        raise context.problem("module", f"{module}.worker() returned {type(worker).__name__}, which has no write()")
    if not getattr(worker, "takes_tables", False) and (own := [name for name, x in context.rules.items() if x.is_own]):
        what = "table" if context.rules[own[0]].table is not None else "statement"
        raise ConfigError(
            [f"eventsd: events.{own[0]}.{what}: worker {context.name} is of module {module}, which has none; sql has"]
        )
    return Loaded(worker, modules)
