"""
Ask the database behind the job cache. Processes that ask again and again keep what they ask with: the configuration as
it was read, the engine, and one connection. A question costs an eighth of what it costs to make these.

What is kept has to be right each time:

- Options of Salt's are compared at each question. What stands in SDB or pillar may change beside them, so it is looked
  up again after some seconds, and when a question fails.
- A forked process makes its own, and never touches what its parent has: two processes on one connection would read each
  other's answers, and a lock that a thread of the parent held at that moment is never released in the child.
- A connection is asked whether it is alive before it is used again (:mod:`salt_eventsd.database.deadlines`). If a
  question fails over what was kept, all is made anew, and it is asked once more.
- A connection that nobody uses is closed after a while. A master has many processes, and a server has few connections.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from salt.exceptions import CommandExecutionError

from salt_eventsd.config.load import load
from salt_eventsd.config.options import without_pillar
from salt_eventsd.config.plain import said
from salt_eventsd.database.engines import ANSWER_SECONDS
from salt_eventsd.database.questions.read import History, Reader, Unanswered, Unmade, asked_worker, reader_of, reading
from salt_eventsd.exceptions import EventsdError, Unavailable

Answer = TypeVar("Answer")

#: The options that decide which database is asked, beside our own.
_DECIDING = ("cachedir", "id", "__role", "order_masters", "cluster_id")
#: For so long, what was looked up in SDB and pillar is taken as it was, in seconds.
_LOOKED_UP_SECONDS = 10.0
#: A connection that nobody has used for so long is closed.
_IDLE_SECONDS = 30.0
#: Whoever has waited longer than this for an error does not wait a second time.
_QUICK_SECONDS = 2.0
#: A process has one configuration, with a limit of time for lists and one for all else; tests have more.
_MOST_KEPT = 4


@dataclass
class _Kept:
    """What questions are asked with; ``asked`` is the worker, its options and the defaults of all workers."""

    deciding: dict[str, Any]
    seconds: float
    asked: tuple[str, Mapping[str, Any], Mapping[str, Any]]
    engine: History
    looked_up: float
    used: float


class _Keeper:
    """What a process keeps; a forked one begins with nothing."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: list[_Kept] = []
        self._closer: threading.Thread | None = None

    def watch(self) -> None:
        """Have connections closed that nobody uses; the lock is held."""
        if self._closer is None:
            self._closer = threading.Thread(target=self._close_idle, name="eventsd-idle", daemon=True)
            self._closer.start()

    def _close_idle(self) -> None:
        is_one_open = True
        while is_one_open:
            time.sleep(_IDLE_SECONDS / 2)
            with self.lock:
                before = time.monotonic() - _IDLE_SECONDS
                idle = [one for one in self.kept if one.used < before]
                is_one_open = len(idle) < len(self.kept)
                if not is_one_open:
                    self._closer = None
            for one in idle:
                # Whoever is in the middle of a question keeps his connection until its end.
                one.engine.dispose()


_KEEPER = _Keeper()
#: What a parent has. It must not even be collected as garbage, for that would close connections.
_OF_PARENTS: list[_Keeper] = []


def ask(
    opts: Mapping[str, Any],
    question: Callable[[Reader], Answer],
    nothing: Callable[[], Answer],
    seconds: float = ANSWER_SECONDS,
) -> Answer:
    """
    Ask the database; return what ``nothing`` makes if nobody has made its tables yet.

    :param opts: Salt's options.
    :param question: what to ask.
    :param nothing: makes the answer of a database that is empty.
    :param seconds: how long a statement may take.
    :raises CommandExecutionError: the configuration is wrong, or the database does not answer.
    """
    began = time.monotonic()
    while True:
        kept, is_new = _kept(opts, seconds)
        try:
            with reading(kept.engine) as reader:
                return question(reader)
        except Unmade:
            return nothing()
        except Unanswered as exc:
            _give_up(kept)
            if is_new or time.monotonic() - began > _QUICK_SECONDS:
                why = f"the database of worker {kept.asked[0]} does not answer: {said(exc.__cause__ or exc)}"
                raise CommandExecutionError(f"eventsd: job cache: {why}") from None
        finally:
            kept.used = time.monotonic()


def own_id(opts: Mapping[str, Any]) -> str:
    """
    Return whose job is meant by an id that two masters have given: that of the master that asks.

    :param opts: Salt's options.
    """
    return str(opts.get("id") or "")


def _kept(opts: Mapping[str, Any], seconds: float) -> tuple[_Kept, bool]:
    """Return what to ask with, and whether it was made for this question."""
    now = time.monotonic()
    found: _Kept | None = None
    try:
        # Salt may change its options in place, so this is a copy.
        deciding = {**{name: opts.get(name) for name in _DECIDING}, "eventsd": without_pillar(opts)}
        with _KEEPER.lock:
            found = next((one for one in _KEEPER.kept if one.seconds == seconds and one.deciding == deciding), None)
        if found is not None and now - found.looked_up < _LOOKED_UP_SECONDS:
            return _used(found, now), False
        config = load(opts)
        name = asked_worker(config)
        asked = (name, config.workers[name].options, config.workers[name].defaults)
        if found is not None and found.asked == asked:
            found.looked_up = now
            return _used(found, now), False
        made = _Kept(deciding, seconds, asked, reader_of(config, name, seconds), now, now)
    except EventsdError as exc:
        if found is not None and isinstance(exc, Unavailable):
            # Where a password is kept is away, and the database may be there.
            found.looked_up = now
            return _used(found, now), False
        raise CommandExecutionError(str(exc)) from None
    if found is not None:
        _give_up(found)
    with _KEEPER.lock:
        _KEEPER.kept.insert(0, made)
        dropped = _KEEPER.kept[_MOST_KEPT:]
        del _KEEPER.kept[_MOST_KEPT:]
        _KEEPER.watch()
    for one in dropped:
        one.engine.dispose()
    return made, True


def _used(kept: _Kept, now: float) -> _Kept:
    kept.used = now
    with _KEEPER.lock:
        _KEEPER.watch()
    return kept


def _give_up(kept: _Kept) -> None:
    with _KEEPER.lock:
        _KEEPER.kept[:] = [one for one in _KEEPER.kept if one is not kept]
    kept.engine.dispose()


def _begin_anew() -> None:
    global _KEEPER
    if _KEEPER.kept:
        _OF_PARENTS.append(_KEEPER)
    _KEEPER = _Keeper()


os.register_at_fork(after_in_child=_begin_anew)
