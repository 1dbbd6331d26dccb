"""
Insert the events of a batch, and find those that the database refuses: a refused batch is split until the bad events
stand alone, each try in a savepoint of its own.

Whether the events are to blame or their table is seen from what else the table takes: see
:mod:`salt_eventsd.database.blame.evidence`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence

from sqlalchemy.engine import Connection

from salt_eventsd.database.attempt import Attempts, Tables
from salt_eventsd.database.blame.evidence import Evidence, Rejected
from salt_eventsd.database.building import PREFIX, Ahead, Built, parts, sightings_of
from salt_eventsd.database.rows.seen import Sighting, seen_in, sighting_in, sighting_of
from salt_eventsd.database.sightings import Sightings
from salt_eventsd.database.user_tables.tables import Writers
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Doubted, Held, Refused
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.isolate import Sieve
from salt_eventsd.workers.write import ChunkName, Refusal

#: Where a table has refused all that was tried, so many events are tried before all are.
_SAMPLE = 12


class Insertion:
    """
    One batch's way into the database.

    :param connection: in a transaction.
    :param tables: of the database.
    :param writers: of the rules with tables and statements of the user's own that have events in the batch.
    :param events: of the batch.
    :param chunks: the chunk of each event.
    :param evidence: what earlier tries have shown.
    :param sightings: which minions' rows may be put off.
    :param check_at_once: check now the constraints that the database would check only at the commit.
    :param ahead: rows of the events that were made before.
    :ivar taken: how many rows tables and rules have taken, by their names.
    :ivar seen: the ids of minions whose rows were taken.
    """

    def __init__(
        self,
        connection: Connection,
        tables: Tables,
        writers: Writers,
        events: Sequence[Event],
        chunks: Sequence[ChunkName],
        evidence: Evidence,
        sightings: Sightings,
        *,
        check_at_once: bool = False,
        ahead: Ahead | None = None,
    ) -> None:
        self._connection = connection
        self._attempts = Attempts(connection, tables, writers, events, check_at_once, ahead)
        self._writers = writers
        self._events = events
        self._chunks = chunks
        self._evidence = evidence
        self._sightings = sightings
        self._probed: dict[tuple[str, bool, bool], bool] = {}
        self.taken: Counter[str] = Counter()
        self.seen: set[str] = set()
        # When minions were seen whose rows were put off, with the position of the event.
        self._late: list[tuple[int, Sighting]] = []

    def run(self, todo: Sequence[int], pieces: int = 1, boldly: bool = False) -> list[Refusal]:
        """
        Insert, and return what was refused.

        :param todo: positions of the events that are to be inserted.
        :param pieces: in how many pieces they are sent.
        :param boldly: without savepoints, each of which costs two round trips.
        :raises WorkerError: none of them was, and why.
        :raises Spoilt: none of them was, for something was refused that was inserted boldly.
        """
        self._attempts.is_bold = boldly
        refusals: list[Refusal] = []
        refused: list[tuple[Built, Refused]] = []
        count = 0
        for positions in parts(self._events, todo):
            count += self._build_and_put(positions, pieces, refusals, refused)
        if refusals and not count:
            self._must_build()
        doubted: dict[str, list[tuple[Built, Rejected]]] = {}
        without_place = Counter(
            error.target for _, error in refused if isinstance(error, Rejected) and error.has_no_place
        )
        for one, error in refused:
            if isinstance(error, Rejected) and not self._takes(one, error, without_place[error.target]):
                doubted.setdefault(error.target, []).append((one, error))
            elif not self._taken_after_all(one, error):
                refusals.append((one.position, one_line(error)))
        for target, some in doubted.items():
            self._doubt(target, [one for one, _ in some], some[0][1])
        return sorted(refusals)

    def _build_and_put(
        self, todo: Sequence[int], pieces: int, refusals: list[Refusal], refused: list[tuple[Built, Refused]]
    ) -> int:
        """Insert some events, add to what was refused, and return of how many there were rows."""
        built, without_rows = self._attempts.build(todo)
        refusals += without_rows
        put_off = self._add_sightings(built, self._sightings.due)
        errors: list[tuple[int, Refused]] = []
        size = max(1, -(-len(built) // pieces))
        for start in range(0, len(built), size):
            errors += [(start + at, error) for at, error in self._separated(built[start : start + size])]
        bad = {at for at, _ in errors}
        without = {built[at].position for at in bad}
        # Rows are not kept beyond their part: all of a batch may be large.
        self._late += sightings_of(one for one in put_off if one.position not in without)
        self._note([one for at, one in enumerate(built) if at not in bad] if bad else built)
        refused += [(built[at], error) for at, error in errors]
        return len(built)

    def _add_sightings(self, built: Sequence[Built], due_of: Callable[[set[str]], Collection[str]]) -> Sequence[Built]:
        """
        Add to the rows of returns those of their minions, unless these were written a moment ago; return the usual
        returns whose minions' rows are put off.
        """
        minions = [one.usual.minion_id for one in built if one.usual]
        due = due_of(set(minions))
        if len(minions) == len(built) and not due:
            return built
        put_off: list[Built] = []
        for one in built:
            if usual := one.usual:
                if usual.minion_id in due:
                    one.rows.append(("minions", seen_in(sighting_of(usual))))
                else:
                    put_off.append(one)
            elif one.returned and self._events[one.position].minion_id:
                sighting = sighting_in(one.returned)
                if due_of({sighting[0]}):
                    one.rows.append(("minions", seen_in(sighting)))
                else:
                    self._late.append((one.position, sighting))
        return put_off

    def put_off(self, refused: Collection[int]) -> list[Sighting]:
        """
        Return when minions were seen whose rows were put off.

        :param refused: positions of events that were refused.
        """
        return [sighting for at, sighting in self._late if at not in refused]

    def attempt(self, todo: Sequence[int]) -> None:
        """
        See whether the connection survives events, whatever else becomes of them; the caller undoes it.

        :param todo: their positions; with none, a plain row is tried.
        :raises Lost: it does not.
        :raises Transient: the database has a fault that no event causes.
        """
        if todo:
            built = self._attempts.build(todo)[0]
            self._add_sightings(built, lambda minions: minions)
        else:
            built = [self._attempts.plain("returns")]
        if built:
            Sieve(self._attempts.put).put(built)

    def _separated(self, built: Sequence[Built]) -> list[tuple[int, Refused]]:
        """Insert what may be inserted; return the places of the others, each with its error."""
        try:
            self._attempts.put(built)
        except Rejected as exc:
            self._spare(exc, built)
            if len(built) == 1:
                return [(0, exc)]
        except Refused as exc:
            if len(built) == 1:
                return [(0, exc)]
        else:
            return []
        half = len(built) // 2
        sieve = Sieve(self._attempts.put)
        sieve.put(built[:half])
        sieve.put(built[half:], half)
        return sieve.errors

    def _spare(self, error: Rejected, built: Sequence[Built]) -> None:
        """
        Try a few events first where all are likely to be refused: the table is missing, or has refused all before.

        :raises Held: none of them is taken.
        """
        target = error.target
        is_ours_and_general = error.looks_general and target.startswith(PREFIX)
        if not (self._evidence.is_doubted(target) or is_ours_and_general) or self._probe(target, error):
            return
        concerned = [one for one in built if target in one.targets]
        if any(self._evidence.is_refuted(target, self._chunks[one.position]) for one in concerned):
            return
        if any(map(self._is_taken, random.sample(concerned, min(_SAMPLE, len(concerned))))):
            return
        if is_ours_and_general:
            raise Held(str(error)) from error
        self._doubt(target, concerned, error)

    def _doubt(self, target: str, some: Sequence[Built], error: Rejected) -> None:
        chunks = {self._chunks[one.position] for one in some}
        self._evidence.doubt(target, chunks)
        said = str(error) if target in str(error) else f"{target}: {error}"
        raise Doubted(f"{said} (no event was taken with it, so none is set aside)", {id_ for _, id_ in chunks})

    def _takes(self, one: Built, error: Rejected, without_place: int) -> bool:
        """Return whether there is evidence that a table takes rows of others."""
        target = error.target
        if error.has_no_place and not target.startswith(PREFIX):
            # If the partition of a new month is missing, a few late events still have a place, and most have none.
            return self.taken[target] >= without_place
        if self.taken[target] or self._evidence.is_refuted(target, self._chunks[one.position]):
            return True
        return self._probe(target, error)

    def _probe(self, target: str, error: Rejected) -> bool:
        """Return whether a table takes a row that is made up for the purpose."""
        key = (target, error.is_a_value, error.has_no_place)
        if key not in self._probed:
            self._probed[key] = any(self._is_taken(one) for one in self._made_up(target, error))
        return self._probed[key]

    def _made_up(self, target: str, error: Rejected) -> Iterator[Built]:
        if target.startswith(PREFIX):
            yield self._attempts.plain(target.removeprefix(PREFIX))
            return
        writer = next((one for one in self._writers.values() if one.key == target), None)
        # A row that was taken once shows that its own partition is there, and no other.
        if writer is None or error.has_no_place or not writer.can_undo(self._connection):
            return
        if (good := self._evidence.good(target)) is not None:
            yield Built(-1, [], (writer, good))
        if error.is_a_value:
            for row in writer.plain_rows(self._connection):
                yield Built(-1, [], (writer, row))

    def _is_taken(self, one: Built) -> bool:
        try:
            self._attempts.put([one], undo=True)
        except (Refused, Held):
            return False
        return True

    def _taken_after_all(self, one: Built, error: Refused) -> bool:
        """Try a refused event once more: the reason may have lasted only a moment."""
        if not isinstance(error, Rejected) or error.is_a_value:
            return False
        try:
            self._attempts.put([one])
        except Refused:
            return False
        self._note([one])
        return True

    def _note(self, some: Sequence[Built]) -> None:
        """Note what was taken."""
        more = [one for one in some if one.rows or not one.usual]
        counts = Counter([name for one in more for name in one.tables])
        if usual := len(some) - len(more):
            counts["returns"] += usual
        for name, count in counts.items():
            self.taken[PREFIX + name] += count
        if "minions" in counts:
            self.seen.update([row["minion_id"] for one in some for name, row in one.rows if name == "minions"])
        own_rows = [one.own for one in more if one.own]
        self.taken.update(writer.key for writer, _ in own_rows)
        for writer, row in {writer.key: (writer, row) for writer, row in own_rows}.values():
            self._evidence.note_good(writer.key, row)

    def _must_build(self) -> None:
        """Raise if rows cannot be made of any event at all; otherwise these events are to blame."""
        try:
            self._attempts.plain("returns")
        except Exception as exc:
            raise Held(f"no rows can be made of any event: {one_line(exc)}") from exc
