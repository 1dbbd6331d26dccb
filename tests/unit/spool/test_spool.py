"""The durable queue: what was put is found again, whatever happens, and nothing is found twice."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from salt_eventsd.event.chunk import Chunk, StoredChunk, Totals, encode_events
from salt_eventsd.exceptions import SpoolBusy, SpoolError
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from salt_eventsd.spool.lock import is_locked
from tests.support.events import numbered, returned
from tests.support.lanes import chunk


def ids(chunks: list[StoredChunk]) -> list[int]:
    return [one.id for one in chunks]


def put_for_ever(spool: Spool) -> NoReturn:
    while True:
        spool.put([chunk()])


def dead(spool: Spool) -> list[tuple[int, int, str, str, int]]:
    """Return what the spool's file has on the dead: chunk, position, worker, error, settled."""
    with sqlite3.connect(spool.folder / "spool.db") as db:
        return db.execute(
            "SELECT chunk, position, worker, error, settled FROM dead ORDER BY chunk, position"
        ).fetchall()


def test_what_is_put_can_be_read(spool: Spool) -> None:
    # Given
    events = numbered(3)

    # When
    (kept,) = spool.put([chunk(events, oldest=7.5)])

    # Then
    assert (kept.lane, kept.prio, kept.events, kept.oldest) == ("history", False, 3, 7.5)
    assert kept.bytes == len(encode_events(events))
    assert spool.waiting("history", prio=False) == [kept]
    assert spool.read(kept.id).events == events


def test_chunks_wait_by_worker_and_urgency_oldest_first(spool: Spool) -> None:
    # Given
    kept = spool.put([chunk(worker="a"), chunk(worker="b"), chunk(worker="a", prio=True), chunk(worker="a")])

    # When, Then
    assert ids(spool.waiting("a", prio=False)) == [kept[0].id, kept[3].id]
    assert ids(spool.waiting("a", prio=True)) == [kept[2].id]
    assert ids(spool.waiting("b", prio=False)) == [kept[1].id]
    assert spool.waiting("c", prio=False) == []
    assert ids(spool.waiting("a", prio=False, after=kept[0].id)) == [kept[3].id]
    assert ids(spool.waiting("a", prio=False, most=1)) == [kept[0].id]


def test_settled_chunks_are_gone(spool: Spool) -> None:
    kept = spool.put([chunk(), chunk(), chunk()])

    spool.settle([kept[0].id, kept[2].id])

    assert ids(spool.waiting("history", prio=False)) == [kept[1].id]
    assert spool.read(kept[0].id).events == []


def test_all_is_found_again_after_a_restart(spool: Spool) -> None:
    # Given
    events = [returned({"a": [1, "\N{SNOWMAN}"]}), *numbered(2)]
    kept = spool.put([chunk(events), chunk(1, worker="other", prio=True)])
    spool.burials.note("history", [kept[0].id], [Burial(kept[0].id, 1, events[1], "bad")])
    spool.close()

    # When
    again = Spool(spool.folder)

    # Then
    assert again.id == spool.id
    assert again.waiting("history", prio=False) == [kept[0]]
    assert again.waiting("other", prio=True) == [kept[1]]
    assert again.read(kept[0].id).events == events
    assert again.burials.noted([kept[0].id])
    again.close()


def test_all_is_found_again_after_the_process_was_killed(tmp_path: Path) -> None:
    # Given
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from salt_eventsd.event.chunk import Chunk, encode_events; from salt_eventsd.spool.keep import Spool\n"
        "spool = Spool(Path(sys.argv[1]))\n"
        "for number in range(50): spool.put([Chunk('w', False, 0, 0.0, encode_events([]))])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    # When
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path / "spool")], check=False, timeout=60)
    spool = Spool(tmp_path / "spool")

    # Then
    assert ended.returncode < 0
    assert len(spool.waiting("w", prio=False)) == 50
    spool.close()


def test_ids_are_never_used_twice(spool: Spool) -> None:
    # Given
    first = spool.put([chunk(), chunk()])
    spool.settle(ids(first))
    spool.close()

    # When
    again = Spool(spool.folder)
    (later,) = again.put([chunk()])

    # Then
    assert later.id > max(ids(first))
    again.close()


def test_each_spool_has_an_id_of_its_own(spool: Spool, tmp_path: Path) -> None:
    other = Spool(tmp_path / "other")

    assert len(spool.id) == 32
    assert other.id != spool.id
    other.close()


def test_the_bounds_of_ids(spool: Spool) -> None:
    # Given
    assert (spool.newest_id(), spool.oldest_id()) == (0, 1)

    # When
    kept = spool.put([chunk(), chunk(), chunk()])
    spool.settle([kept[0].id])

    # Then
    assert (spool.newest_id(), spool.oldest_id()) == (kept[2].id, kept[1].id)
    spool.settle([kept[1].id, kept[2].id])
    assert (spool.newest_id(), spool.oldest_id()) == (kept[2].id, kept[2].id + 1)


def test_a_second_engine_is_refused(spool: Spool) -> None:
    with pytest.raises(SpoolBusy, match=r"spool\.dir: another engine has .* open"):
        Spool(spool.folder)

    assert is_locked(spool.folder)
    assert spool.put([chunk()])


def test_the_lock_goes_with_the_engine(spool: Spool) -> None:
    spool.close()

    assert not is_locked(spool.folder)
    Spool(spool.folder).close()


def test_a_folder_that_is_not_there_is_not_locked(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "none")


def test_only_the_owner_can_look_in(tmp_path: Path) -> None:
    # Given
    umask = os.umask(0)
    try:
        # When
        spool = Spool(tmp_path / "deep" / "spool")
        spool.put([chunk()])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [spool.folder, *spool.folder.iterdir()]}
        spool.close()
    finally:
        os.umask(umask)

    # Then
    assert modes["spool"] == 0o700
    assert {name: mode for name, mode in modes.items() if name != "spool"} == {
        "lock": 0o600,
        "spool.db": 0o600,
        "spool.db-wal": 0o600,
        "spool.db-shm": 0o600,
    }


def test_a_folder_that_is_there_already_stays_as_it_is(tmp_path: Path) -> None:
    # Given: one that others use as well, such as /srv
    folder = tmp_path / "spool"
    folder.mkdir()
    folder.chmod(0o755)

    # When
    spool = Spool(folder)
    spool.put([chunk()])

    # Then
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    spool.close()


def test_a_spool_that_cannot_be_opened_says_which_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(SpoolError, match=r"eventsd: spool\.dir: .*file"):
        Spool(tmp_path / "file")


@pytest.mark.parametrize("rubbish", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_spool_is_set_aside_and_a_new_one_begun(tmp_path: Path, rubbish: bytes) -> None:
    # Given
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "spool.db").write_bytes(rubbish)

    # When
    spool = Spool(folder)
    (kept,) = spool.put([chunk()])

    # Then
    (aside,) = spool.file.aside.paths
    assert Path(aside).read_bytes() == rubbish
    assert spool.waiting("history", prio=False) == [kept]
    spool.close()


def test_a_file_that_breaks_while_it_is_open_is_set_aside_and_ids_go_on(spool: Spool) -> None:
    # Given
    kept = spool.put([chunk(), chunk()])
    first = spool.id
    with sqlite3.connect(spool.folder / "spool.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(spool.folder / "spool.db", "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_000)

    # When
    with pytest.raises(SpoolError, match="malformed"):
        put_for_ever(spool)
    (later,) = spool.put([chunk()])

    # Then
    assert len(spool.file.aside.paths) == 1
    assert later.id > kept[-1].id
    assert spool.id != first
    assert spool.waiting("history", prio=False) == [later]
    assert spool.oldest_id() == later.id


def test_a_put_keeps_all_chunks_or_none(spool: Spool) -> None:
    broken = Chunk("history", False, 1, None, b"x")

    with pytest.raises(SpoolError, match="NOT NULL"):
        spool.put([chunk(), broken])

    assert spool.waiting("history", prio=False) == []
    assert spool.put([chunk()])


@pytest.mark.parametrize(
    ("worker", "needed", "spared", "gone"),
    [
        pytest.param("a", 1, [], [0], id="one is enough"),
        pytest.param("a", 101, [], [0, 2], id="as many as it takes, of one worker"),
        pytest.param("a", 1, [0], [2], id="not what is being written"),
        pytest.param("a", 10_000, [2], [0, 3], id="all but what is being written"),
        pytest.param("a", 0, [], [], id="none"),
        pytest.param("nobody", 1, [], [], id="nothing there"),
    ],
)
def test_the_oldest_give_way(spool: Spool, worker: str, needed: int, spared: list[int], gone: list[int]) -> None:
    # Given
    kept = spool.put([Chunk(name, False, 1, 0.0, b"x" * 100) for name in ("a", "b", "a", "a")])

    # When
    dropped = spool.drop_oldest(worker, needed, {kept[at].id for at in spared})

    # Then
    assert ids(dropped) == [kept[at].id for at in gone]
    left = ids(spool.waiting("a", prio=False)) + ids(spool.waiting("b", prio=False))
    assert sorted(left) == [one.id for at, one in enumerate(kept) if at not in gone]


def test_totals_are_by_worker(spool: Spool) -> None:
    # Given
    kept = spool.put([chunk(3, worker="a"), chunk(2, worker="a", prio=True), chunk(1, worker="b")])

    # When, Then
    assert spool.totals() == {
        "a": Totals(5, kept[0].bytes + kept[1].bytes),
        "b": Totals(1, kept[2].bytes),
    }
    spool.settle(ids(kept))
    assert spool.totals() == {}


def test_a_burial_counts_once_its_chunk_is_settled(spool: Spool) -> None:
    # Given
    events = numbered(3)
    (kept,) = spool.put([chunk(events)])

    # When
    spool.burials.note("history", [kept.id], [Burial(kept.id, 1, events[1], "too long")])

    # Then
    assert spool.burials.dead_letters() == {}
    assert spool.burials.noted([kept.id])
    spool.settle([kept.id])
    assert spool.burials.dead_letters() == {"history": 1}
    assert not spool.burials.noted([kept.id])
    assert dead(spool) == [(kept.id, 1, "history", "too long", 1)]


def test_a_new_try_replaces_what_an_earlier_one_noted(spool: Spool) -> None:
    # Given
    events = numbered(3)
    one, other = spool.put([chunk(events), chunk(events)])
    spool.burials.note(
        "history", [one.id, other.id], [Burial(one.id, 0, events[0], "a"), Burial(other.id, 2, events[2], "b")]
    )

    # When
    spool.burials.note("history", [one.id, other.id], [Burial(one.id, 1, events[1], "c")])
    spool.settle([one.id, other.id])

    # Then
    assert dead(spool) == [(one.id, 1, "history", "c", 1)]


def test_what_is_settled_is_never_replaced(spool: Spool) -> None:
    # Given
    events = numbered(2)
    one, other = spool.put([chunk(events), chunk(events)])
    spool.burials.note("history", [one.id], [Burial(one.id, 0, events[0], "a")])
    spool.settle([one.id])

    # When
    spool.burials.note("history", [other.id], [])

    # Then
    assert spool.burials.dead_letters() == {"history": 1}


def test_threads_share_it(spool: Spool) -> None:
    # Given
    def put_and_settle(worker: str) -> None:
        for _ in range(50):
            kept = spool.put([chunk(worker=worker), chunk(worker=worker)])
            spool.settle([kept[0].id])

    threads = [threading.Thread(target=put_and_settle, args=[name]) for name in "abcd"]

    # When
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    # Then
    assert {worker: totals.events for worker, totals in spool.totals().items()} == dict.fromkeys("abcd", 50)


def test_a_closed_spool_says_so_rather_than_losing_events(spool: Spool) -> None:
    spool.close()

    with pytest.raises(SpoolError):
        spool.put([chunk()])


def test_disk_space_is_given_back_after_a_backlog(tmp_path: Path) -> None:
    # Given
    spool = Spool(tmp_path / "spool")
    kept = spool.put([Chunk("w", False, 1, 0.0, bytes(2**20)) for _ in range(80)])
    spool.settle(ids(kept))
    before = spool.disk.used_bytes()

    # When
    for _ in range(20):
        spool.disk.shrink()
    spool.close()

    # Then
    assert sum(path.stat().st_size for path in spool.folder.glob("spool.db*")) < before - 10 * 2**20


def alone(spool: Spool, folder: Path) -> list[int]:
    """Return the ids of the chunks that a copy of the file has, without its log."""
    shutil.copy(spool.folder / "spool.db", folder / "copy.db")
    with closing(sqlite3.connect(folder / "copy.db")) as db:
        return [id_ for (id_,) in db.execute("SELECT id FROM chunks ORDER BY id")]


def test_what_is_forgotten_soon_goes_through_the_log_alone_and_the_rest_is_in_the_file_once_there_is_time(
    tmp_path: Path,
) -> None:
    # Given: a megabyte after the other is written, and one waits
    with closing(Spool(tmp_path / "spool")) as spool:
        (waits,) = spool.put([chunk()])
        for _ in range(8):
            spool.settle(ids(spool.put([Chunk("history", False, 1, 1.0, b"x" * 2**20)])))

        # Then
        assert (spool.folder / "spool.db").stat().st_size < 2**20

        # When
        spool.disk.shrink()

        # Then
        assert alone(spool, tmp_path) == [waits.id]
        assert (spool.folder / "spool.db-wal").stat().st_size == 0


def test_somebody_who_reads_the_file_holds_up_nobody(tmp_path: Path) -> None:
    # Given: a long log, and a reader in the midst of it
    with closing(Spool(tmp_path / "spool")) as spool, closing(sqlite3.connect(spool.folder / "spool.db")) as reader:
        spool.put([chunk()])
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM chunks").fetchall()
        spool.settle(ids(spool.put([Chunk("history", False, 1, 1.0, b"x" * 2**23)])))
        began = time.monotonic()

        # When
        spool.disk.shrink()

        # Then
        assert time.monotonic() - began < 5
        assert spool.put([chunk()])


def test_the_log_of_a_small_spool_stays_small(tmp_path: Path) -> None:
    with closing(Spool(tmp_path / "spool")) as spool:
        spool.file.max_bytes = 2**24
        for _ in range(32):
            spool.settle(ids(spool.put([Chunk("history", False, 1, 1.0, b"x" * 2**20)])))

        assert (spool.folder / "spool.db-wal").stat().st_size < 2**23
