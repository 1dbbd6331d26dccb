"""
Dead letters of both kinds: those in the spool, and those that writers have buried in the broker of a central worker.
The latter have ids such as ``history:17``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from salt_eventsd.backends.broker.interface import Letter
from salt_eventsd.backends.broker.requeue import requeue as publish_again
from salt_eventsd.config.load import load
from salt_eventsd.config.structs import Config
from salt_eventsd.exceptions import ConfigError, EventsdError
from salt_eventsd.operate.databases import context_of, problem_of
from salt_eventsd.spool import dead_letters
from salt_eventsd.workers.write import Context

MODULE = "central"


@dataclass(frozen=True)
class Chosen:
    """
    The dead letters that a command is about.

    :param spool: ids of those in the spool.
    :param brokers: by the name of a central worker, ids of those in its broker.
    :param worker: only this worker's.
    :param contains: only those whose tag or error contains this text.
    """

    spool: Sequence[int] = ()
    brokers: Mapping[str, Sequence[int]] | None = None
    worker: str | None = None
    contains: str | None = None

    @property
    def has_ids(self) -> bool:
        """Whether it names single letters."""
        return bool(self.spool or self.brokers)

    def found(self, center: Any) -> Iterator[Letter]:
        """
        Yield the letters in the broker of a central worker, oldest first.

        :param center: the broker.
        """
        ids = set((self.brokers or {}).get(center.worker, ()))
        for letter in center.dead_letters().letters(center.worker):
            if (not self.has_ids or letter.id in ids) and (
                not self.contains or self.contains in letter.error or self.contains in letter.tag
            ):
                yield letter


def chosen(ids: Sequence[int | str], worker: str | None, contains: str | None) -> Chosen:
    """
    Return what the arguments of a command choose.

    :param ids: as ``eventsd.dead`` shows them.
    :param worker: only this worker's.
    :param contains: only those whose tag or error contains this text.
    :raises EventsdError: an id is none.
    """
    spool: list[int] = []
    brokers: dict[str, list[int]] = {}
    for one in ids:
        name, colon, number = str(one).rpartition(":")
        if not number.isdecimal() or (colon and not name):
            raise EventsdError("ids are the numbers that eventsd.dead shows")
        if colon:
            brokers.setdefault(name, []).append(int(number))
        else:
            spool.append(int(number))
    return Chosen(spool, brokers, worker, contains)


def id_of(worker: str, letter: Letter) -> str:
    """
    Return the id by which a command names a letter in the broker of a central worker.

    :param worker: the worker's name.
    :param letter: the letter.
    """
    return f"{worker}:{letter.id}"


@contextmanager
def center(context: Context) -> Iterator[Any]:
    """
    Give the broker of a central worker, and close its connections in the end.

    :param context: from :func:`central_workers`.
    :raises ConfigError: an option is wrong, or the client library is missing.
    """
    try:
        # Its library need not be there where no worker wants it.
        from salt_eventsd.backends.central.letters import Center
    except ImportError as exc:
        raise context.problem("module", f"{MODULE} needs a library that is missing: {exc}") from exc
    made = Center(context)
    try:
        yield made
    finally:
        made.close()


def central_workers(config: Config, opts: Mapping[str, Any], worker: str | None = None) -> list[Context]:
    """
    Return the central workers.

    :param config: a right one.
    :param opts: Salt's options.
    :param worker: only this one; else all.
    """
    names = [name for name, one in config.workers.items() if one.module == MODULE]
    return [context_of(config, name, opts) for name in names if worker in (None, name)]


def requeue(opts: Mapping[str, Any], which: Chosen) -> dict[str, Any]:
    """
    Put dead letters back.

    :param opts: Salt's options.
    :param which: which of them.
    :raises EventsdError: not all could be put back; what was stays so.
    """

    def again(made: Any, some: Iterator[Letter]) -> int:
        # Those of now: what is put back may be buried again before the last one is reached.
        newest = max((letter.id for letter in which.found(made)), default=0)
        made.publisher().prepare()
        return publish_again(made.dead_letters(), made.publisher(), takewhile(lambda letter: letter.id <= newest, some))

    return _act(opts, which, "requeued", dead_letters.requeue, again)


def discard(opts: Mapping[str, Any], which: Chosen) -> dict[str, Any]:
    """
    Delete dead letters for good.

    :param opts: Salt's options.
    :param which: which of them.
    :raises EventsdError: not all could be deleted; what was stays so.
    """

    def delete(made: Any, some: Iterator[Letter]) -> int:
        return sum(made.dead_letters().discard(letter.id) for letter in list(some))

    return _act(opts, which, "discarded", dead_letters.discard, delete)


def _act(
    opts: Mapping[str, Any],
    which: Chosen,
    done: str,
    in_spool: Callable[[Path, dead_letters.Filter], int],
    in_broker: Callable[[Any, Iterator[Letter]], int],
) -> dict[str, Any]:
    config = load(opts)
    folder = Path(config.general.spool.dir)
    count = 0
    unknown: list[int | str] = []
    problems: list[str] = []
    if which.spool or not which.has_ids:
        letters = dead_letters.Filter(which.spool, which.worker, which.contains)
        unknown += dead_letters.unknown(folder, letters)
        count += in_spool(folder, letters)
    named = dict(which.brokers or {})
    for context in central_workers(config, opts, which.worker):
        ids = set(named.pop(context.name, ()))
        if which.has_ids and not ids:
            continue
        try:
            with center(context) as made:
                if ids:
                    known = {letter.id for letter in which.found(made)}
                    unknown += [f"{context.name}:{id_}" for id_ in sorted(ids - known)]
                count += in_broker(made, which.found(made))
        except ConfigError:
            raise
        except EventsdError as exc:
            problems.append(problem_of(context, exc))
    unknown += [f"{name}:{id_}" for name, ids_ in named.items() for id_ in ids_]
    told: dict[str, Any] = {done: count, "retcode": 1 if unknown or problems else 0}
    if unknown:
        told["unknown"] = unknown
    if problems:
        told["problems"] = problems
    return told
