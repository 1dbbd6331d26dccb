"""
Tap: show the events on the bus as they come, redacted, each with the rules that take it.

The tap reads the bus by itself: the engine need not run, and does not notice.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any

import salt.utils.json

from salt_eventsd.bus.listen import Bus
from salt_eventsd.common.english import counted
from salt_eventsd.config.structs import Config
from salt_eventsd.event.chunk import OWN
from salt_eventsd.event.clip import meant
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.intake.origin import Addressed
from salt_eventsd.intake.pipeline import pipeline_of
from salt_eventsd.rules.rule import Route

#: How many events may wait for a slow terminal. Further ones are left out, and their number is shown.
_MOST_WAITING = 10_000
#: How often the tap looks whether it is to end while no event comes, in seconds.
_LOOK_SECONDS = 0.2
#: How long there may be no bus at the beginning. Later the tap waits for one: the master may be restarting.
_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Filter:
    """
    Which events are shown. Each is a glob that must fit; None fits all.

    :param taken: only events that a rule takes (True), or that no rule takes (False).
    """

    tag: str | None = None
    fun: str | None = None
    minion: str | None = None
    worker: str | None = None
    rule: str | None = None
    taken: bool | None = None

    def shows(self, seen: Mapping[str, Any]) -> bool:
        """Say whether an event is to be shown."""
        taken = seen["taken"]
        return (
            _fits(self.tag, [seen["tag"]])
            and _fits(self.fun, [seen["fun"]])
            and _fits(self.minion and meant(self.minion), [seen["minion_id"]])
            and _fits(self.worker, [one["worker"] for one in taken])
            and _fits(self.rule, [one["rule"] for one in taken])
            and (self.taken is None or self.taken == bool(taken))
        )


class Explainer:
    """
    Explains what the engine would do with a frame off the bus.

    :param config: the engine's.
    """

    def __init__(self, config: Config) -> None:
        self._pipeline = pipeline_of(config)
        self._addressed = Addressed()

    def explain(self, raw: bytes, received: float) -> dict[str, Any]:
        """
        Return the event, redacted, with the rules that take it.

        :param raw: the frame.
        :param received: when it was read, in seconds since 1970 UTC.
        """
        event, destinations = self._pipeline.show(raw, received, self._addressed)
        return {
            "stamp": datetime.fromtimestamp(event.stamp, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f"),
            "tag": event.tag,
            "minion_id": event.minion_id,
            "fun": event.fun,
            "jid": event.jid,
            "taken": [_destination(route, one) for route, one in destinations],
            "data": event.data,
        }


def watch(
    config: Config, opts: Mapping[str, Any], which: Filter, count: int | None, seconds: float | None
) -> Iterator[dict[str, Any]]:
    """
    Yield events as they come.

    :param config: the engine's.
    :param opts: Salt's options.
    :param which: which events.
    :param count: end after so many, None for never.
    :param seconds: end after so long, None for never.
    :raises EventsdError: there is no bus.
    """
    waiting: queue.Queue[tuple[bytes, float]] = queue.Queue(_MOST_WAITING)
    left_out = 0

    def sink(raws: list[bytes]) -> None:
        nonlocal left_out
        for raw in raws:
            try:
                waiting.put_nowait((raw, time.time()))
            except queue.Full:
                left_out += 1

    explainer, bus = Explainer(config), Bus(opts, sink)
    reader = threading.Thread(target=bus.run, name="eventsd-tap", daemon=True)
    reader.start()
    began = time.monotonic()
    until = None if seconds is None else began + seconds
    shown = told = 0
    try:
        while (count is None or shown < count) and (until is None or time.monotonic() < until):
            if left_out > told:
                yield {"left_out": left_out - told}
                told = left_out
            try:
                seen = explainer.explain(*waiting.get(timeout=_LOOK_SECONDS))
            except queue.Empty:
                if not bus.connected_since and time.monotonic() - began > _CONNECT_SECONDS:
                    raise EventsdError(
                        f"eventsd: no event bus in {opts['sock_dir']}: is the salt-master running?"
                    ) from None
                continue
            if which.shows(seen):
                shown += 1
                yield seen
    finally:
        bus.stop()
        reader.join(2.0)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """End the block at ctrl-C without a traceback, which Salt's own handler would print."""
    if threading.current_thread() is not threading.main_thread():
        # In Salt's API, for one: only the main thread may install a handler, and nobody can press ctrl-C.
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, before)


def ends(count: Any, seconds: Any, *, is_needed: bool) -> tuple[int | None, float | None]:
    """
    Return after how many events, and after how long, to end.

    :param count: as it was given, None for never.
    :param seconds: as it was given, None for never.
    :param is_needed: whether one of them must be given.
    :raises EventsdError: they are no numbers, or one is needed and none is given.
    """
    try:
        most = None if count is None else int(count)
        longest = None if seconds is None else float(seconds)
    except (TypeError, ValueError):
        raise EventsdError(f"eventsd.tap: expected numbers, got count={count!r} seconds={seconds!r}") from None
    if is_needed and most is None and longest is None:
        raise EventsdError("eventsd.tap: say count= or seconds=, for nobody can press ctrl-C here")
    return min(_MOST_WAITING, most or _MOST_WAITING) if is_needed else most, longest


def show(text: str) -> bool:
    """
    Print a line at once, and return whether anybody still reads.

    :param text: the line.
    """
    try:
        try:
            print(text, flush=True)
        except UnicodeEncodeError:
            print(text.encode("ascii", "backslashreplace").decode(), flush=True)
    except BrokenPipeError:
        # The reader has gone, as with "| head". What is printed from now on goes nowhere, and is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def line(seen: Mapping[str, Any], data: bool = False) -> str:
    """
    Return an event as a line for people.

    :param seen: from :func:`watch`.
    :param data: with its payload, as a further line.
    """
    if "left_out" in seen:
        return f"... {counted(seen['left_out'])} left out: this terminal is slower than the bus"
    who = ", ".join(f"{one['rule']} -> {one['worker']} ({one['into']})" for one in seen["taken"]) or "-"
    text = "  ".join(part for part in (seen["stamp"], seen["tag"], seen["fun"], f"[{who}]") if part)
    return f"{text}\n    {salt.utils.json.dumps(seen['data'])}" if data else text


def _destination(route: Route, event: Event) -> dict[str, Any]:
    into = "its own table or statement" if route.into == OWN else event.into
    return {"rule": route.rule, "worker": route.worker, "into": into, "prio": route.prio}


def _fits(glob: str | None, texts: list[str]) -> bool:
    return glob is None or any(fnmatchcase(text, glob) for text in texts)
