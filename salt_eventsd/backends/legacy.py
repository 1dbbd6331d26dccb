"""
Worker classes of salt-eventsd 0.9.3, ported to Python 3, as today's workers.

Such a class has ``setup(thread_id, **settings)``, ``send(entry, event_set)`` or ``send_batch([(entry, event_set),
...])``, and ``shutdown()``. It is loaded from its file. Each batch gets an instance of its own, as it did then.
"""

from __future__ import annotations

import copy
import importlib.util
import itertools
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd.backends.options import read_options
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Cut, Doubted, Doubtful
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.isolate import is_split
from salt_eventsd.workers.write import Batch, Context


class LegacyOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a legacy worker.

    :param backend: the name of the class, and of its file without ``.py``.
    :param backend_dir: the folder the file is in.
    :param settings: the old config; the class gets it in ``setup``.
    """

    backend: str
    backend_dir: str = "/etc/salt/eventsd_workers"
    settings: dict[str, Any] = {}

    def __repr__(self) -> str:
        # The old config has passwords in it.
        return f"LegacyOptions({self.backend!r})"


class BackendError(ValueError):
    """A class cannot be loaded; ``key`` names the option that is wrong."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key


def load_class(folder: str, backend: str) -> type[Any]:
    """
    Return an old worker class.

    :param folder: where its file is. The file may import other modules of the folder.
    :param backend: the name of the class, and of its file without ``.py``.
    :raises BackendError: what is wrong with it.
    """
    file = Path(folder) / f"{backend}.py"
    if not backend.isidentifier():
        raise BackendError("backend", f"expected the name of a class, got {backend!r}")
    if not file.is_file():
        problem = f"there is no file {file}" if Path(folder).is_dir() else f"there is no folder {folder}"
        raise BackendError("backend_dir", f"{problem}; expected the folder with {backend}.py")
    # A name of its own: two folders may have backends of the same name.
    name = f"_eventsd_legacy_{backend}_{abs(hash(str(file.resolve()))):x}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise BackendError("backend", f"{file} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    # Old backends share code in modules beside them.
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as exc:
        at = f"{exc.filename or file}:{exc.lineno}"
        raise BackendError("backend", f"{at}: not Python 3: {exc.msg}; port it, 2to3 does most of it") from None
    except ImportError as exc:
        raise BackendError("backend", f"{file} cannot be imported: {exc}; install it, or take it out") from None
    except (Exception, SystemExit) as exc:
        raise BackendError("backend", f"{file} cannot be imported: {type(exc).__name__}: {exc}") from None
    found = getattr(module, backend, None)
    if not isinstance(found, type):
        raise BackendError("backend", f"there is no class {backend} in {file}")
    for names in (("setup",), ("send", "send_batch"), ("shutdown",)):
        if not any(callable(getattr(found, one, None)) for one in names):
            raise BackendError("backend", f"{backend} in {file} has no {' or '.join(names)}()")
    return found


def event_sets(settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """
    Return the events of an old config by the names that today's rules have for them.

    :param settings: the old config.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for name, event in _mappings(settings.get("events")):
        found[name] = event
        for key, sub in _mappings(event.get("subs")):
            found[f"{name}.subs.{key}"] = sub
    return found


class Legacy:
    """
    Hands batches to an old worker class.

    :param backend: the class.
    :param options: the worker's.
    """

    def __init__(self, backend: type[Any], options: LegacyOptions) -> None:
        self._backend = backend
        self._options = options
        self._numbers = itertools.count(1)

    def write(self, batch: Batch) -> None:
        """
        Write a batch: events whose old config says ``batch_mode`` together, the others one by one.

        :raises Held: the class would end the process.
        """
        try:
            self._write(batch)
        except OSError as exc:
            # The place may be away, or one event may cause the error.
            raise _Away(one_line(exc)) from exc
        except _Exit as exc:
            if not exc.is_set_up or not (batch.doubts or is_split(batch)):
                raise
            # It is not the first time; perhaps one event makes the class do so.
            raise Doubtful(str(exc)) from exc

    def _write(self, batch: Batch) -> None:
        settings = copy.deepcopy(self._options.settings)
        sets = event_sets(settings)
        # Old backends may change what they are given.
        with self._instance(settings) as instance:
            together = []
            for event in batch.events:
                event_set = sets.get(event.rule, {})
                entry = _entry(event)
                if _wants_batch(instance, event_set):
                    together.append((entry, event_set))
                else:
                    instance.send(entry, event_set)
            if together:
                instance.send_batch(together)

    def check(self) -> str:
        """Set an instance up and shut it down again: old backends connect in ``setup``."""
        with self._instance(copy.deepcopy(self._options.settings)):
            return f"{self._backend.__name__} can be set up"

    @contextmanager
    def _instance(self, settings: dict[str, Any]) -> Iterator[Any]:
        """An instance that is set up and, at the end, shut down; its first error is the one that counts."""
        is_set_up = False
        try:
            instance = self._backend()
            instance.setup(next(self._numbers), **settings)
            is_set_up = True
            try:
                yield instance
            except BaseException:
                with suppress(Exception, SystemExit):
                    instance.shutdown()
                raise
            instance.shutdown()
        except SystemExit as exc:
            raise _Exit(f"{self._backend.__name__} called sys.exit({exc.code!r})", is_set_up) from exc


class _Away(Cut, OSError):
    """The class says, by an ``OSError``, that its place is away."""


class _Exit(Doubted):
    """
    The class would end the process.

    :param message: what it called.
    :param is_set_up: it had been set up when it did so.
    """

    def __init__(self, message: str, is_set_up: bool) -> None:
        super().__init__(message)
        self.is_set_up = is_set_up


def _entry(event: Event) -> dict[str, Any]:
    return {"tag": event.tag, "data": event.data}


def _wants_batch(instance: Any, event_set: Mapping[str, Any]) -> bool:
    """Whether the old config wants ``send_batch``, and the class has it."""
    if not callable(getattr(instance, "send_batch", None)):
        return False
    return bool(event_set.get("batch_mode")) or not callable(getattr(instance, "send", None))


def _mappings(block: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in block.items() if isinstance(block, Mapping) else ():
        if isinstance(value, Mapping):
            yield str(key), value


def make(context: Context) -> Legacy:
    """
    Make the worker.

    :param context: its options and its name.
    :raises ConfigError: an option is wrong, or the class cannot be loaded.
    """
    options = read_options(context, LegacyOptions)
    try:
        return Legacy(load_class(options.backend_dir, options.backend), options)
    except BackendError as exc:
        raise context.problem(exc.key, str(exc)) from None
