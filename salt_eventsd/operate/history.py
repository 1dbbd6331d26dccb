"""
The questions to the history as ``salt-run`` puts them: which database, what the arguments mean, and what is said of an
answer that is empty. What is asked stands in :mod:`salt_eventsd.database.questions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from salt_eventsd.common.globs import is_glob
from salt_eventsd.common.moments import moment_of
from salt_eventsd.config.durations import duration_of
from salt_eventsd.config.load import load
from salt_eventsd.config.structs import Config
from salt_eventsd.database.engines import ANSWER_SECONDS
from salt_eventsd.database.questions import job, jobs, minions, missing, returns, states
from salt_eventsd.database.questions.answers import OUTCOMES
from salt_eventsd.database.questions.read import (
    Reader,
    Row,
    Unanswered,
    asked_worker,
    plain_time,
    reader_of,
    reading,
)
from salt_eventsd.event.clip import meant
from salt_eventsd.exceptions import EventsdError

#: An answer has no more rows than this.
MOST = 100_000
#: No history begins earlier, not every database knows earlier times, and a length of time before it there is still one.
_FIRST = datetime(1000, 1, 1, tzinfo=timezone.utc)
_LONGEST = timedelta(days=36_500)
_LARGEST = 2**63 - 1
#: The kinds of jobs.
KINDS = ("job", "runner", "wheel", "call", "schedule")

Answer = list[Row] | dict[str, Any]
Question = Callable[[Reader, "Asked"], Answer]


class WrongArgument(EventsdError):
    """An argument of a question is wrong."""


class Asked:
    """
    The arguments of a question, as ``salt-run`` hands them over: YAML may have made numbers and dates of them.

    :param arguments: by their names.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments

    def text(self, name: str) -> str | None:
        """Return a name or a glob; YAML may have made a number of it."""
        return self._word(name, "a name or a glob such as web*")

    @property
    def minion(self) -> str | None:
        """The id of a minion as it is kept, or a glob: to Salt, blanks at its end make another one."""
        told, value = self.text("minion"), self._arguments.get("minion")
        if told is None or is_glob(told):
            return told
        return meant(value.lstrip() if isinstance(value, str) and value.endswith(" ") else told)

    def jid(self, name: str = "jid") -> str | None:
        """Return a job id, which looks like a number to YAML."""
        return self._word(name, "a job id such as 20261126140000123456")

    def _word(self, name: str, expected: str) -> str | None:
        value = self._arguments.get(name)
        if value is None:
            return None
        text = value.strip() if isinstance(value, str) else str(value)
        is_word = isinstance(value, (str, int)) and not isinstance(value, bool) and text
        # No database takes a NUL, and no encoding a lone surrogate.
        if not is_word or "\0" in text or text != text.encode("utf-8", "replace").decode():
            raise WrongArgument(f"{name}: expected {expected}, got {value!r}")
        return text

    def time(self, name: str) -> datetime | None:
        """Return a time, in UTC."""
        value = self._arguments.get(name)
        if value is None:
            return None
        try:
            return max(moment_of(value), _FIRST)
        except ValueError as exc:
            raise WrongArgument(f"{name}: {exc}") from None

    def number(self, name: str) -> int | None:
        """Return a whole number above 0, as large as a database knows them."""
        value = self._arguments.get(name)
        if value is None:
            return None
        try:
            found = int(value) if not isinstance(value, (bool, float)) else 0
        except (TypeError, ValueError):
            found = 0
        if found < 1:
            raise WrongArgument(f"{name}: expected a number from 1 on, got {value!r}")
        return min(found, _LARGEST)

    @property
    def limit(self) -> int:
        """How many rows an answer has at most."""
        return min(self.number("limit") or 1, MOST)

    def length(self, name: str) -> timedelta:
        """Return a length of time."""
        try:
            return min(duration_of(self._arguments.get(name)) or _LONGEST, _LONGEST)
        except ValueError as exc:
            raise WrongArgument(f"{name}: {exc}") from None

    def one_of(self, name: str, known: tuple[str, ...]) -> str | None:
        """Return a word out of several."""
        value = self.text(name)
        if value is not None and value not in known:
            raise WrongArgument(f"{name}: expected one of {', '.join(known)}, got {value!r}")
        return value


def _jobs(reader: Reader, asked: Asked) -> Answer:
    return jobs.find(reader, _which_jobs(asked), asked.limit, asked.jid("before"))


def _job(reader: Reader, asked: Asked) -> Answer:
    jid = asked.jid() or ""
    found = job.one(reader, jid)
    return {jid: found} if found else {}


def _returns(reader: Reader, asked: Asked) -> Answer:
    return returns.find(reader, _which_returns(asked), asked.limit, asked.number("before"))


def _failures(reader: Reader, asked: Asked) -> Answer:
    more = asked.text("state"), asked.text("sls")
    return returns.failures(reader, _which_returns(asked), asked.limit, asked.number("before"), *more)


def _missing(reader: Reader, asked: Asked) -> Answer:
    return missing.find(reader, asked.jid(), asked.time("since"), asked.limit)


def _minion(reader: Reader, asked: Asked) -> Answer:
    minion_id = asked.minion or ""
    if is_glob(minion_id):
        raise WrongArgument(f"minion: expected the id of one minion, got {minion_id!r}")
    found = minions.one(reader, minion_id, asked.limit)
    return {minion_id: found} if found else {}


def _changes(reader: Reader, asked: Asked) -> Answer:
    names = {name: asked.text(name) for name in ("state", "name")}
    return states.changes(
        reader, asked.limit, minion=asked.minion, **names, start=asked.time("since"), end=asked.time("until")
    )


def _conformity(reader: Reader, asked: Asked) -> Answer:
    return minions.conformity(reader, asked.minion, asked.time("at"), asked.length("stale"))


def _slow(reader: Reader, asked: Asked) -> Answer:
    return states.slow(reader, asked.limit, asked.time("since"))


def _audit(reader: Reader, asked: Asked) -> Answer:
    return jobs.audit(reader, _which_jobs(asked), asked.limit, asked.jid("before"))


#: The questions, by the names of their verbs.
QUESTIONS: Mapping[str, Question] = {
    "jobs": _jobs,
    "job": _job,
    "returns": _returns,
    "failures": _failures,
    "missing": _missing,
    "minion": _minion,
    "changes": _changes,
    "conformity": _conformity,
    "slow": _slow,
    "audit": _audit,
}


def ask(opts: Mapping[str, Any], question: str, worker: str | None, arguments: Mapping[str, Any]) -> Answer:
    """
    Put a question to the history.

    :param opts: Salt's options.
    :param question: its name in :data:`QUESTIONS`.
    :param worker: whose database; by default ``job_cache.worker`` of the configuration, or else the first sql worker.
    :param arguments: of the question, by name; what is None is not said. ``own_jid`` is the jid of the runner
        that asks: its own job has not been answered yet, and is not listed.
    :raises EventsdError: an argument is wrong, or the database is away; one line.
    :returns: the rows, or a mapping by jid or minion. Where nothing was found, ``note`` may say why; and where not all
        of a large history was looked through, how far back the answer reaches.
    """
    asked = Asked(arguments)
    with asking(load(opts), worker) as (_, reader):
        found = QUESTIONS[question](reader, asked)
        note = _unknown(reader, asked) if not found else ""
        note = note or _reach(reader, question, asked, found)
        if not note:
            return found
        return {question: found, "note": note} if isinstance(found, list) else {**found, "note": note}


@contextmanager
def asking(config: Config, worker: str | None, seconds: float = ANSWER_SECONDS) -> Iterator[tuple[str, Reader]]:
    """
    Connect to the history that is asked; yield the name of its worker, and a reader.

    :param config: a right one.
    :param worker: as in :func:`ask`.
    :param seconds: how long an answer may take.
    :raises EventsdError: there is no such worker, or the database is away; one line.
    """
    name = worker or asked_worker(config)
    if name not in config.sql_workers:
        raise WrongArgument(f"worker: {name!r} is no sql worker; there is {', '.join(config.sql_workers) or 'none'}")
    engine = reader_of(config, name, seconds)
    try:
        with reading(engine) as reader:
            yield name, reader
    except Unanswered as exc:
        raise Unanswered(f"eventsd: the database of worker {name} does not answer: {_line(exc)}") from exc
    finally:
        engine.dispose()


def _which_jobs(asked: Asked) -> jobs.Which:
    names = {"minion": asked.minion, **{name: asked.text(name) for name in ("fun", "user", "target")}}
    kind = asked.one_of("kind", KINDS)
    outcome = asked.one_of("outcome", OUTCOMES)
    since, until = asked.time("since"), asked.time("until")
    return jobs.Which(**names, since=since, until=until, kind=kind, but=asked.jid("own_jid"), outcome=outcome)


def _which_returns(asked: Asked) -> returns.Which:
    names = {"minion": asked.minion, "fun": asked.text("fun")}
    return returns.Which(asked.jid(), **names, since=asked.time("since"), until=asked.time("until"))


def _reach(reader: Reader, question: str, asked: Asked, found: Answer) -> str:
    """Say it if only so many of the newest rows were looked through, and there may be more to be found."""
    if reader.begin is None or len(found) >= asked.limit:
        return next(iter(reader.notes), "")
    back = plain_time(reader.begin)
    further = "eventsd.jobs outcome=missing until=" if question == "missing" else "until="
    return f"only what is not older than {back} was looked through; {further}{back} goes on"


def _unknown(reader: Reader, asked: Asked) -> str:
    """Say it if the history does not know what a question was about."""
    if (jid := asked.jid()) is not None and not jobs.is_known(reader, jid):
        return f"unknown jid {jid}: neither such a job nor a return of it is in the history"
    minion = asked.minion
    if minion is not None and not is_glob(minion) and not minions.one(reader, minion, 1):
        return f"unknown minion {minion}: the history has nothing of it"
    return ""


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
