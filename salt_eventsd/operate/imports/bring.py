"""
Bring what the history lacks of a job cache: ask the cache, ask the history, write, count. Portion after portion, so
that the memory it takes does not grow with the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from salt_eventsd.config.structs import Config
from salt_eventsd.database.questions.read import asked_worker
from salt_eventsd.engine.plan import Plan, make_plan
from salt_eventsd.engine.repair.asking import asking
from salt_eventsd.event.clip import LONGEST_NAME, clipped
from salt_eventsd.intake.past.missing import Lacked, Portion, is_judged, look, portions
from salt_eventsd.intake.past.told import Told, Wanted
from salt_eventsd.operate.databases import sql_workers
from salt_eventsd.operate.imports.sources import Source
from salt_eventsd.operate.imports.write import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from salt_eventsd.event.parse import Event

#: So many pieces that were not imported are named.
_MOST_NAMED = 20
#: What is told of each piece.
_KINDS = ("jobs", "returns")


@dataclass
class Counts:
    """
    What has become of the pieces of a job cache.

    :ivar folders: how many jobs were looked at.
    :ivar read: starts of jobs and returns that were wanted.
    :ivar added: those of them that are in the history now and were not before; in a dry run, those that would be.
    :ivar completed: jobs that were there, and have got further minions.
    :ivar known: those that were there.
    :ivar left_out: those that no rule sends into the history's jobs and returns.
    :ivar refused: those that the database refuses.
    :ivar unreadable: pieces that could not be read.
    :ivar elsewhere: those that some rule sends to others than the history's jobs and returns, which do not get them.
    :ivar unexpected: returns of minions that their job was not for.
    :ivar odd: some of these.
    :ivar named: some of those that were refused, or could not be read.
    """

    folders: int = 0
    read: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    added: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    completed: int = 0
    known: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    left_out: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    refused: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    unreadable: int = 0
    elsewhere: int = 0
    unexpected: int = 0
    odd: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)

    def name(self, what: str, why: str) -> None:
        """
        Name a piece that is not imported, unless there are many.

        :param what: the piece.
        :param why: what is wrong with it.
        """
        if len(self.named) < _MOST_NAMED:
            self.named.append(f"{what}: {why}")

    def look_odd(self, told: Told) -> None:
        """
        Count a return of a minion that its job was not for.

        :param told: the return.
        """
        self.unexpected += 1
        if len(self.odd) < _MOST_NAMED:
            self.odd.append(f"{told.jid}: {clipped(told.minion, LONGEST_NAME)}")

    def line(self) -> str:
        """Return how far it is, for somebody who waits."""
        read, added = sum(self.read.values()), sum(self.added.values())
        return f"{self.folders:,} jobs looked at, {read:,} starts and returns read, {added:,} added"

    def told(self) -> dict[str, Any]:
        """Return them for the answer of a verb."""
        rest: dict[str, Any] = {"unreadable": self.unreadable, **({"not_imported": self.named} if self.named else {})}
        if self.unexpected:
            rest |= {"unexpected": self.unexpected, "unexpected_returns": self.odd}
        several = {name: getattr(self, name) for name in ("read", "added", "known", "left_out", "refused")}
        return {**several, "completed": self.completed, **rest}


class Bringer:
    """
    Brings what one worker's database lacks.

    :param opts: Salt's options.
    :param config: a right configuration.
    :param worker: a sql worker; None for the one that is asked about the history.
    :param is_dry: count, and write nothing.
    :param say: is told how far it is, after each portion.
    :raises EventsdError: there is no such worker, or it could not be made.
    """

    def __init__(
        self, opts: Mapping[str, Any], config: Config, worker: Any, is_dry: bool, say: Callable[[str], None]
    ) -> None:
        sql_workers(opts, worker)
        self.worker = worker or asked_worker(config)
        self._node_id = str(opts.get("id", ""))
        self._plan: Plan = make_plan(config, opts)
        self._ask = asking(config, self.worker)
        self._is_dry = is_dry
        self._say = say
        self._writer: Writer | None = None

    @contextmanager
    def at_work(self) -> Iterator[Bringer]:
        """
        Open what is needed, and close it.

        :raises ConfigError: the worker could not be made.
        """
        self._writer = None if self._is_dry else Writer(self._plan.workers[self.worker])
        try:
            yield self
        finally:
            if self._writer:
                self._writer.close()

    def strangers(self, source: Source) -> list[str]:
        """
        Return a note on those who have sent returns as a syndic and are none, if there are any.

        :param source: the job cache.
        """
        names = source.syndics(self._plan.policy.pipeline.origins)
        if not names:
            return []
        some = ", ".join(clipped(name, LONGEST_NAME) for name in names[:_MOST_NAMED])
        return [f"returns may be made up: these have sent some as a syndic, and are none (syndics): {some}"]

    def bring(
        self, source: Source, wanted: Wanted, after: str = "", at: Callable[[str], None] = lambda _: None
    ) -> Counts:
        """
        Bring what is wanted of a job cache.

        :param source: the job cache.
        :param wanted: of which time.
        :param after: only what is behind this place.
        :param at: is told each place up to which all is in the database.
        :raises EventsdError: the job cache or the history does not answer, or the database takes nothing.
        """
        counts = Counts()
        for portion in portions(source.tell(wanted, self._plan.policy.pipeline.origins, after)):
            self._bring(portion, counts)
            if not self._is_dry:
                at(portion.place)
            self._say(counts.line())
        return counts

    def _bring(self, portion: Portion, counts: Counts) -> None:
        counts.folders += portion.places
        for one in portion.unread:
            counts.unreadable += 1
            counts.name(one.what, one.why)
        looked = look(portion, self._plan.policy.pipeline, self.worker, self._node_id, self._ask)
        _count(counts.read, portion.told)
        for told in portion.told:
            if not told.is_expected:
                counts.look_odd(told)
        _count(counts.known, looked.known)
        _count(counts.left_out, [*looked.unwanted, *(one.told for one in looked.elsewhere)])
        counts.elsewhere += len(looked.elsewhere) + sum(self._goes_elsewhere(one) for one in looked.lacked)
        refused = self._write(looked.lacked)
        for number, lacked in enumerate(looked.lacked):
            if (why := refused.get(number)) is not None:
                _count(counts.refused, [lacked.told])
                of = "its start" if lacked.told.is_start else f"what {lacked.told.minion or 'a runner'} returned"
                counts.name(f"{lacked.told.jid}: {of}", why)
            elif lacked.completes:
                counts.completed += 1
                _count(counts.known, [lacked.told])
            else:
                _count(counts.added, [lacked.told])

    def _goes_elsewhere(self, lacked: Lacked) -> bool:
        return not all(is_judged(self.worker, to, event) for to, event in lacked.destinations)

    def _write(self, lacked: list[Lacked]) -> dict[int, str]:
        """Write what the history lacks, and return what was refused of it, by its number."""
        events: list[Event] = []
        of: list[int] = []
        for number, one in enumerate(lacked):
            for to, event in one.destinations:
                if is_judged(self.worker, to, event):
                    events.append(event)
                    of.append(number)
        if not events or self._writer is None:
            return {}
        return {of[position]: why for position, why in self._writer.write(events).items()}


def _count(counts: dict[str, int], told: Iterable[Told]) -> None:
    for one in told:
        counts["jobs" if one.is_start else "returns"] += 1
