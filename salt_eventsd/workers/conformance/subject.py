"""A worker module under examination: its workers are made, and given batches, as the engine does it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import salt.config

from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import ConfigError, WorkerError
from salt_eventsd.redact.error_text import location, one_line
from salt_eventsd.workers.conformance import events
from salt_eventsd.workers.conformance.batches import burier
from salt_eventsd.workers.conformance.verdict import Broken, NotTried
from salt_eventsd.workers.isolate import Sieve, is_split
from salt_eventsd.workers.load import Loaded, load_modules, make
from salt_eventsd.workers.write import Batch, Context, Refusal

Result = TypeVar("Result")

#: How long an event may take to appear in a place, in seconds, once the worker says that it is written.
_PATIENCE_SECONDS = 10.0
_ERRORS = (
    "raise Transient if the place is away or busy, Held if a person has to act, Refused if an event cannot be written;"
    " they are in salt_eventsd.exceptions"
)


@dataclass
class Subject:
    """
    A worker module and what its workers are made of.

    :param module: the path of a file, or the name of a module that comes with the engine.
    :param options: of the worker, as they stand in the config.
    :param away: the options that are other ones while the place is away; None if nobody knows.
    :param arrived: returns the tags of the events that are in the place, in order; None if nobody can look.
    :param once: an event that is sent twice is there once.
    :param seconds: how long each call may take.
    :param event: makes an event of its number and what a function returned.
    :param kinds: makes an event of each kind, of the number of the first one.
    :param large: how large a large event is, in characters.
    :param refuses: whether the worker may refuse what is odd, but has the right type and size.
    :param first: the number of the first event; no event in the place has it, or one above it.
    """

    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    away: Mapping[str, Any] | None = None
    arrived: Callable[[], Iterable[str]] | None = None
    once: bool = False
    seconds: float = 90.0
    event: Callable[[int, Any], Event] = events.event
    kinds: Callable[[int], Iterable[Event]] | None = events.kinds
    large: int = 2 * 2**20
    refuses: bool = True
    # Another run may have left its events in the place.
    first: int = field(default_factory=lambda: int(time.time() * 1000))
    _workers: list[Loaded] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = Path(self.module)
        is_file = path.suffix == ".py"
        if is_file and not path.is_file():
            raise ConfigError([f"{self.module}: there is no such file"])
        self._name = path.stem if is_file else self.module
        opts = {**salt.config.DEFAULT_MASTER_OPTS, "id": "conformance", "extension_modules": ""}
        self._opts = {**opts, "eventsd_workers_dirs": [str(path.resolve().parent)] if is_file else []}
        self._modules = load_modules(self._opts)
        if is_file:
            self._name = self._named(path.stem)

    def _named(self, stem: str) -> str:
        """Return the name that the file gives itself by ``__virtual__``."""
        if f"{stem}.worker" not in self._modules:
            for name in [key for key in self._modules if key.endswith(".worker")]:
                if str(getattr(self._modules[name], "__module__", "")).rpartition(".")[2] == stem:
                    return str(name.rpartition(".")[0])
        return stem

    def make(
        self,
        options: Mapping[str, Any] | None = None,
        concurrency: int = 1,
        defaults: Mapping[str, Any] | None = None,
    ) -> Loaded:
        """
        Make a worker as the engine does it.

        :param options: of the worker, if not its own.
        :param concurrency: how many batches may be in flight.
        :param defaults: what stands under ``defaults``.
        :raises ConfigError: why there is none.
        """
        given = self.options if options is None else options
        context = Context(self._name, dict(given), "conformance", concurrency, self._opts, dict(defaults or {}))
        self._workers.append(make(self._modules, self._name, context))
        return self._workers[-1]

    def numbered(self, values: Iterable[Any]) -> list[Event]:
        """
        Return events with numbers that no other has.

        :param values: what the functions returned.
        """
        given = list(values)
        return [self.event(number, value) for number, value in enumerate(given, self._take(len(given)))]

    def of_all_kinds(self) -> list[Event]:
        """
        Return an event of each kind, with numbers that no other has.

        :raises NotTried: the place takes one kind only.
        """
        if self.kinds is None:
            raise NotTried("this place takes events of one kind")
        made = list(self.kinds(self.first))
        self._take(len(made))
        return made

    def _take(self, count: int) -> int:
        first, self.first = self.first, self.first + count
        return first

    def write(self, worker: Loaded, batch: Batch) -> list[Refusal]:
        """
        Have a worker write a batch as the engine does, who splits it if the worker says so; return what it refuses.

        :param worker: from :meth:`make`.
        :param batch: from :mod:`~salt_eventsd.workers.conformance.batches`.
        :raises Broken: it fails, or hangs, or buries wrongly.
        """
        buried: list[Refusal] = []

        def part(some: Sequence[Event]) -> None:
            now = replace(batch, events=some)
            if not is_split(now):
                # What another try has noted is of no account.
                buried.clear()
            self.call(worker.write, replace(now, bury=burier(now, buried)))

        sieve = Sieve(part)
        try:
            sieve.put(batch.events)
            return sorted([*buried, *sieve.found()])
        except (WorkerError, OSError) as exc:
            raise Broken(
                f"a batch of {len(batch.events)} is written",
                f"write() raised {type(exc).__name__}: {one_line(exc)}",
                "is the place up, and are the options right? If so, raise Refused for an event that cannot be written;"
                " the engine splits the batch, and the other events are written",
            ) from exc

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """
        Call a worker's method in a thread of its own, as the engine does.

        :param function: the method.
        :param arguments: its arguments.
        :raises Broken: it takes too long, or raises what the contract does not name.
        """
        results: list[Result] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(function(*arguments))
            except BaseException as exc:
                errors.append(exc)

        thread = threading.Thread(target=run, name="conformance", daemon=True)
        thread.start()
        thread.join(self.seconds)
        name = f"{getattr(function, '__name__', 'the worker')}()"
        if thread.is_alive():
            raise Broken(
                f"{name} returns, or raises an error, in time",
                f"it has not returned after {self.seconds:g} s",
                "give up by yourself after a time, and raise Cut; set a time limit on each connection",
            )
        if errors:
            if isinstance(errors[0], (WorkerError, OSError, Broken)):
                raise errors[0]
            raise Broken(
                "an error of salt_eventsd.exceptions, or an OSError",
                f"{name} raised {one_line(errors[0])} ({location(errors[0])})",
                _ERRORS,
            ) from errors[0]
        return results[0]

    def has(
        self, some: Collection[Event], refused: Collection[Refusal] = (), in_order: bool = True, times: int = 1
    ) -> None:
        """
        Look whether events are in the place, if anybody can.

        :param some: the events; all others are left out of account.
        :param refused: those that are not to be there, by their positions.
        :param in_order: they are there in this order.
        :param times: how often each may be there.
        :raises Broken: they are not.
        """
        if self.arrived is None:
            return
        out = {position for position, _ in refused}
        expected = [events.number_of(one.tag) for position, one in enumerate(some) if position not in out]
        ours = {events.number_of(one.tag) for one in some}
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            counts = Counter(number for number in map(events.number_of, self.arrived()) if number in ours)
            missing = [number for number in expected if number not in counts]
            doubled = [number for number, count in counts.items() if count > times]
            others = [number for number in counts if number not in expected]
            is_mixed = in_order and list(counts) != expected
            if not (missing or doubled or others or is_mixed):
                return
            if doubled or time.monotonic() > end:
                break
            time.sleep(0.1)
        happened = ", ".join(
            f"{len(found)} {what}"
            for found, what in (
                (missing, "of them are missing"),
                (doubled, "are there too often"),
                (others, "that were refused are there"),
            )
            if found
        )
        raise Broken(
            f"{len(expected)} events are in the place, each {'once' if times == 1 else 'once or twice'}"
            + (", in their order" if in_order else ""),
            happened or "they are there in another order",
            "return from write() once all events are safe, in the order of batch.events; raise Refused for what cannot"
            " be written",
        )

    def close(self) -> None:
        """Close the workers that were made."""
        while self._workers:
            try:
                self._workers.pop().close()
            except Exception:
                # Whether a worker can be closed has a check of its own.
                continue
