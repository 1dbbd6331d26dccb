"""
A model of the spool: in whatever order chunks are put, read, settled, buried, requeued and discarded, whenever the
process dies, and whatever older copy of it is put back or runs beside it, each event is in one place, and in only one.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from salt_eventsd.event.parse import Event
from salt_eventsd.spool import dead_letters as letters
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from tests.support.events import numbered
from tests.support.lanes import chunk, shared_chunks

WORKERS = strategies.sampled_from(["history", "graphs"])
#: The highest id given, the chunks, what is noted of them, and the dead letters.
Contents = tuple[int, dict[int, tuple[str, list[str]]], dict[int, list[int]], dict[str, str]]
WHICH = strategies.integers(0, 10**6)


def names(worker: str, events: Sequence[Event]) -> list[str]:
    """Return the names of events in the model: one that two workers get is another for each of them."""
    return [f"{worker}/{event.jid}" for event in events]


class SpoolModel(RuleBasedStateMachine):
    """
    What the spool must hold, beside a spool.

    An event is named by its worker and its jid. It is waiting, or dead, or gone: settled as written, or discarded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="eventsd-model-"))
        self.lives = 0
        self.next_event = 0
        self.highest = 0
        #: Chunk id -> worker and the names of its events.
        self.chunks: dict[int, tuple[str, list[str]]] = {}
        #: Chunk id -> positions a try has noted as refused, and no settling has made dead letters yet.
        self.noted: dict[int, list[int]] = {}
        self.dead: dict[str, str] = {}
        #: What receipts in a database say is written: the events of a chunk, by its life and number.
        self.receipts: dict[tuple[str, int], list[str]] = {}
        #: Events that have been dead letters: one that was put back from two copies is written twice.
        self.revived: set[str] = set()
        #: Older copies of the spool, with what is in them.
        self.copies: list[tuple[Path, Contents]] = []
        #: A copy that runs beside it.
        self.beside: tuple[Spool, Contents] | None = None

    @initialize()
    def open(self) -> None:
        self.spool = Spool(self.home / "0")
        self.copy()

    @rule(worker=WORKERS, prio=strategies.booleans(), sizes=strategies.lists(strategies.integers(1, 5), max_size=4))
    def put(self, worker: str, prio: bool, sizes: list[int]) -> None:
        chunks = [chunk(self._events(size), worker, prio=prio) for size in sizes]
        for kept, one in zip(self.spool.put(chunks), chunks):
            assert kept.id > self.highest
            self.highest = kept.id
            found = names(worker, self.spool.read(kept.id).events)
            assert len(found) == one.events
            self.chunks[kept.id] = (worker, found)

    @rule(size=strategies.integers(1, 5), own=strategies.integers(0, 2), times=strategies.integers(1, 2))
    def put_for_both(self, size: int, own: int, times: int) -> None:
        """Most events go to both workers, which share them."""
        chunks = []
        for _ in range(times):
            chunks += shared_chunks(self._events(size), ("history", "graphs"), own=min(own, size - 1))
        for kept, one in zip(self.spool.put(chunks), chunks):
            self.highest = kept.id
            self.chunks[kept.id] = (one.lane, names(one.lane, self.spool.read(kept.id).events))
            assert len(self.chunks[kept.id][1]) == size

    @precondition(lambda self: self.chunks)
    @rule(which=WHICH)
    def settle(self, which: int) -> None:
        self._settle([self._chunk(which)])

    @precondition(lambda self: self.chunks)
    @rule(which=strategies.lists(WHICH, min_size=1, max_size=4))
    def settle_a_batch(self, which: list[int]) -> None:
        self._settle(sorted({self._chunk(one) for one in which}))

    @precondition(lambda self: self.chunks)
    @rule()
    def settle_all(self) -> None:
        self._settle(sorted(self.chunks))

    @precondition(lambda self: self.chunks)
    @rule(which=WHICH, positions=strategies.sets(strategies.integers(0, 4)))
    def bury(self, which: int, positions: set[int]) -> None:
        id_ = self._chunk(which)
        worker, jids = self.chunks[id_]
        at = sorted(position for position in positions if position < len(jids))
        events = self.spool.read(id_).events
        self.spool.burials.note(worker, [id_], [Burial(id_, position, events[position], "refused") for position in at])
        self.noted[id_] = at

    @rule(worker=WORKERS)
    def requeue(self, worker: str) -> None:
        jids = {jid for jid, whose in self.dead.items() if whose == worker}
        known = set(self.chunks)
        assert letters.requeue(self.spool.folder, letters.Filter(worker=worker)) == len(jids)
        for kept in self.spool.waiting(worker, prio=False):
            if kept.id not in known:
                back = names(worker, self.spool.read(kept.id).events)
                assert kept.id > self.highest
                self.chunks[kept.id] = (worker, back)
                self.revived.update(back)
                for jid in back:
                    del self.dead[jid]
        self.highest = max([self.highest, *self.chunks])
        assert not jids & set(self.dead)
        told = self.spool.requeued()
        assert {name: totals.events for name, totals in told.items()} == ({worker: len(jids)} if jids else {})
        assert self.spool.requeued() == {}

    @precondition(lambda self: self.dead)
    @rule(which=WHICH)
    def discard_one(self, which: int) -> None:
        listed = letters.listed(self.spool.folder, letters.Filter(), limit=1000)
        one = listed[which % len(listed)]
        assert letters.discard(self.spool.folder, letters.Filter(ids=[one["id"]])) == 1
        del self.dead[f"{one['worker']}/{one['data']['jid']}"]

    @rule(worker=WORKERS, size=strategies.integers(1, 500), spare=strategies.booleans())
    def drop_oldest(self, worker: str, size: int, spare: bool) -> None:
        mine = [id_ for id_, (whose, _) in sorted(self.chunks.items()) if whose == worker]
        spared = set(mine[:1]) if spare else set()
        dropped = [one.id for one in self.spool.drop_oldest(worker, size, spared)]
        assert dropped == [id_ for id_ in mine if id_ not in spared][: len(dropped)]
        for id_ in dropped:
            del self.chunks[id_]

    @rule()
    def close_and_open(self) -> None:
        self.spool.close()
        self.spool = Spool(self.spool.folder)

    @rule(size=strategies.integers(1, 5), committed=strategies.booleans())
    def die(self, size: int, committed: bool) -> None:
        """What another process finds is what is on the disk at this moment, within a transaction perhaps."""
        self.lives += 1
        there = self.home / str(self.lives)
        if committed:
            self.put("history", False, [size])
            shutil.copytree(self.spool.folder, there)
        else:
            with self.spool.file.transaction() as db:
                db.execute("UPDATE chunks SET events = events + 1")
                db.execute("DELETE FROM dead")
                shutil.copytree(self.spool.folder, there)
                db.execute("ROLLBACK")
                db.execute("BEGIN")
        (there / "spool.db-shm").unlink()
        self.spool.close()
        shutil.rmtree(self.spool.folder)
        self.spool = Spool(there)

    @rule()
    def copy(self) -> None:
        """As a backup does, or a snapshot: while the spool is open."""
        self.copies.append((self._copied(), self._contents()))

    @precondition(lambda self: self.copies)
    @rule(which=WHICH)
    def an_older_copy_is_put_back(self, which: int) -> None:
        there, contents = self.copies[which % len(self.copies)]
        self.spool.close()
        shutil.rmtree(self.spool.folder)
        shutil.copytree(there, self.spool.folder)
        self.spool = Spool(self.spool.folder)
        self._is(contents)

    @rule()
    def a_copy_runs_beside_the_original(self) -> None:
        if self.beside:
            self.beside[0].close()
        self.beside = (Spool(self._copied()), self._contents())

    @precondition(lambda self: self.beside)
    @rule()
    def the_other_one_goes_on(self) -> None:
        assert self.beside
        mine = (self.spool, self._contents())
        self.spool, contents = self.beside
        self._is(contents)
        self.beside = mine

    @invariant()
    def each_event_is_where_it_belongs(self) -> None:
        found = {}
        for worker in ("history", "graphs"):
            for prio in (False, True):
                for kept in self.spool.waiting(worker, prio=prio):
                    found[kept.id] = (worker, names(worker, self.spool.read(kept.id).events))
                    assert kept.events == len(found[kept.id][1])
        assert found == self.chunks
        totals: dict[str, int] = {}
        for worker, jids in self.chunks.values():
            totals[worker] = totals.get(worker, 0) + len(jids)
        assert {worker: one.events for worker, one in self.spool.totals().items()} == totals

    @invariant()
    def the_dead_are_who_was_buried(self) -> None:
        listed = letters.listed(self.spool.folder, letters.Filter(), limit=1000)
        assert sorted((f"{one['worker']}/{one['data']['jid']}", one["worker"]) for one in listed) == sorted(
            self.dead.items()
        )
        for id_, positions in self.noted.items():
            assert self.spool.burials.noted([id_]) == bool(positions)

    @invariant()
    def ids_are_in_bounds(self) -> None:
        assert self.spool.newest_id() == self.highest
        assert self.spool.oldest_id() == min(self.chunks, default=self.highest + 1)

    @invariant()
    def what_is_shared_is_there_once_and_only_for_who_waits(self) -> None:
        rows = self.spool.file.rows
        (kept,) = rows(
            "SELECT total(length(payload)) FROM (SELECT payload FROM shared UNION ALL SELECT payload FROM chunks)"
        )
        (of_chunks,) = rows("SELECT total(bytes) FROM chunks")
        (saved,) = rows("SELECT value FROM meta WHERE key = 'saved_bytes'")
        assert of_chunks[0] - int(saved[0]) == kept[0]
        assert rows("SELECT id FROM shared WHERE id NOT IN (SELECT payload FROM shares)") == []
        assert rows("SELECT chunk FROM shares WHERE chunk NOT IN (SELECT id FROM chunks)") == []

    def teardown(self) -> None:
        self.spool.close()
        if self.beside:
            self.beside[0].close()
        shutil.rmtree(self.home)

    def _events(self, size: int) -> list:
        self.next_event += size
        return numbered(size, self.next_event - size)

    def _chunk(self, which: int) -> int:
        return sorted(self.chunks)[which % len(self.chunks)]

    def _copied(self) -> Path:
        self.lives += 1
        there = self.home / str(self.lives)
        shutil.copytree(self.spool.folder, there)
        (there / "spool.db-shm").unlink()
        return there

    def _contents(self) -> Contents:
        return deepcopy((self.highest, self.chunks, self.noted, self.dead))

    def _is(self, contents: Contents) -> None:
        self.highest, self.chunks, self.noted, self.dead = deepcopy(contents)

    def _receive(self, name: tuple[str, int], jids: list[str]) -> None:
        """A receipt that is there is this chunk's own, and no event comes under two."""
        if name in self.receipts:
            assert self.receipts[name] == jids
            return
        written = {jid for some in self.receipts.values() for jid in some}
        assert not written.intersection(jids) - self.revived
        self.receipts[name] = jids

    def _settle(self, ids: list[int]) -> None:
        names = {
            kept.id: (kept.life, kept.id)
            for worker in ("history", "graphs")
            for prio in (False, True)
            for kept in self.spool.waiting(worker, prio=prio)
        }
        self.spool.settle(ids)
        for id_ in ids:
            worker, jids = self.chunks.pop(id_)
            self._receive(names[id_], jids)
            self.dead.update((jids[at], worker) for at in self.noted.pop(id_, []))


TestSpoolModel = SpoolModel.TestCase
TestSpoolModel.settings = settings(max_examples=50, stateful_step_count=30, deadline=None, database=None)
