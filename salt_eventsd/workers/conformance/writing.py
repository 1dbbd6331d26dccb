"""What the contract says of what becomes of events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Transient, WorkerError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.conformance.batches import batch_of
from salt_eventsd.workers.conformance.events import HOSTILE, ODD
from salt_eventsd.workers.conformance.subject import Subject
from salt_eventsd.workers.conformance.verdict import Broken, Check, NotTried, check
from salt_eventsd.workers.write import Batch, Refusal

CHECKS: list[Check] = []

#: How many events are put into a place again and again, and by how many threads at once.
_AGAIN, _BATCHES, _EACH = 20, 8, 25


@check("an event is written", CHECKS)
def _writes_one(subject: Subject) -> str:
    return _written(subject, subject.numbered([True]))


@check("a thousand events are written, in their order", CHECKS)
def _writes_many(subject: Subject) -> str:
    return _written(subject, subject.numbered(range(1000)))


@check("events of all kinds are written", CHECKS)
def _writes_kinds(subject: Subject) -> str:
    return _written(subject, subject.of_all_kinds())


@check("what looks like a command, or is no ASCII, is written as it is", CHECKS)
def _writes_hostile(subject: Subject) -> str:
    return _written(subject, subject.numbered(HOSTILE))


@check("empty, deep and odd payloads are written", CHECKS)
def _writes_odd(subject: Subject) -> str:
    return _written(subject, subject.numbered(ODD))


@check("large events are written or refused, and harm no other", CHECKS)
def _writes_large(subject: Subject) -> str:
    some = subject.numbered(["small", "x" * subject.large, "small", "ü" * subject.large, "small"])
    refused = subject.write(subject.make(), batch_of(some))
    if wrong := [position for position, _ in refused if position % 2 == 0]:
        raise Broken(
            "at most the two large ones of five events are refused",
            f"small ones were refused, too: {wrong}",
            "raise Refused for the batch: the engine splits it, until the bad events stand alone",
        )
    subject.has(some, refused, in_order=False)
    return f"{len(refused)} of 2 were refused" if refused else ""


@check("a batch that comes again is no error, and a new worker takes it", CHECKS)
def _takes_it_again(subject: Subject) -> str:
    some = subject.numbered(range(_AGAIN))
    first = batch_of(some)
    again = Batch(first.spool_id, first.chunks, some, first.oldest_chunk, replay=True)
    refused = subject.write(subject.make(), first)
    # The engine has died before it could note that the batch is safe.
    if (now := subject.write(subject.make(), again)) != refused:
        raise Broken(
            "a batch that comes again is written again, or left out where it is there",
            f"{len(now)} of its events were refused: {now[0][1]}" if now else "other events were refused than before",
            "return from write() as if it was written: what is refused becomes a dead letter",
        )
    subject.has(some, in_order=subject.once, times=1 if subject.once else 2)
    return ""


@check("a batch is left as it is", CHECKS)
def _leaves_the_batch(subject: Subject) -> str:
    some = subject.numbered(range(_AGAIN))
    given = list(some)
    subject.write(subject.make(), batch_of(given))
    if len(given) != len(some) or any(one is not other for one, other in zip(given, some)):
        raise Broken(
            "batch.events is the same after write()",
            f"there were {len(some)} events in it, and there are {len(given)}, or others",
            "take a copy, such as list(batch.events): after a failure the engine tries again with the same batch",
        )
    return ""


@check("two threads write at once", CHECKS)
def _writes_at_once(subject: Subject) -> str:
    worker = subject.make(concurrency=2)
    some = subject.numbered(range(_BATCHES * _EACH))
    parts = [some[at * _EACH : (at + 1) * _EACH] for at in range(_BATCHES)]
    errors: list[Exception] = []

    def write(mine: int) -> None:
        try:
            for at in range(mine, _BATCHES, 2):
                subject.write(worker, batch_of(parts[at], first=1 + 2 * at))
        except Exception as exc:
            errors.append(exc)

    threads = [threading.Thread(target=write, args=[mine], daemon=True) for mine in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    right = (
        "take a lock, or a connection for each thread: with prio two batches may be in flight whatever concurrency is"
    )
    try:
        if errors:
            raise errors[0]
        subject.has(some, in_order=False)
    except Broken as exc:
        raise Broken(f"two threads write at once; {exc.expected}", exc.happened, right) from exc
    return ""


@check("an error while events are read is not swallowed", CHECKS)
def _swallows_nothing(subject: Subject) -> str:
    torn = _Torn(subject.numbered(range(3)))
    happened = "write() returned as if all was well"
    try:
        subject.call(subject.make().write, Batch("conformance-torn", ((1, 3),), torn))
        if not torn.is_read:
            raise NotTried("the worker reads no events")
    except (WorkerError, OSError):
        return ""
    except Broken as exc:
        happened = exc.happened
    raise Broken(
        "write() raises an error of salt_eventsd.exceptions if it could not write: the engine forgets what write()"
        " returns from",
        happened,
        'catch what you know, such as "except OSError", and raise Transient; let all others pass',
    )


@check("while the place is away, write and check raise in time", CHECKS)
def _says_it_is_away(subject: Subject) -> str:
    if subject.away is None:
        raise NotTried("nobody said how the place can be away; --away does")
    worker = subject.make(subject.away)
    calls: list[tuple[str, Callable[..., object], tuple[Any, ...], str]] = [
        (
            "write()",
            worker.write,
            (batch_of(subject.numbered(range(3))),),
            "return from write() only once the place has confirmed that it has the batch",
        )
    ]
    if callable(getattr(worker.worker, "check", None)):
        calls.append(("check()", worker.check, (), "look whether write() could write now, and raise as it would"))
    said = []
    for name, method, arguments, right in calls:
        try:
            subject.call(method, *arguments)
        except (WorkerError, OSError) as exc:
            said.append(f"{name}: {type(exc).__name__}")
            continue
        raise Broken(
            f"{name} raises Transient, Held or an OSError while the place is away",
            "it returned as if all was well",
            right,
        )
    return ", ".join(said)


def _written(subject: Subject, some: list[Event]) -> str:
    refused: list[Refusal] = subject.write(subject.make(), batch_of(some))
    if refused and not subject.refuses:
        position, why = refused[0]
        raise Broken(
            f"{len(some)} events are written",
            f"{len(refused)} of them were refused, number {position} because: {why}",
            "write each event; an event's values are data, whatever they look like",
        )
    subject.has(some, refused)
    return f"{len(refused)} of {len(some)} were refused: {one_line(Transient(refused[0][1]))}" if refused else ""


class _Torn(Sequence[Event]):
    """Events that cannot be read beyond the first."""

    def __init__(self, some: Sequence[Event]) -> None:
        self._some = some
        self.is_read = False

    def __len__(self) -> int:
        return len(self._some)

    def __iter__(self) -> Iterator[Event]:
        yield self._some[0]
        self._tear()

    @overload
    def __getitem__(self, at: int) -> Event: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Event]: ...

    def __getitem__(self, at: Any) -> Any:
        if at != 0:
            self._tear()
        return self._some[at]

    def _tear(self) -> None:
        self.is_read = True
        raise Transient("the suite's own: this event cannot be read")
