"""The spool's file has a version; what was removed from it is made anew; what cannot be opened is let go of."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool import dead_letters as letters
from salt_eventsd.spool import file as spool_file
from salt_eventsd.spool import lives as spool_lives
from salt_eventsd.spool.aside import Aside
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from salt_eventsd.spool.lives import Lives
from salt_eventsd.spool.lock import is_locked
from salt_eventsd.spool.schema import VERSION
from tests.support.events import numbered
from tests.support.lanes import chunk


def change(folder: Path, *statements: str) -> None:
    """What somebody else does to the file."""
    with closing(sqlite3.connect(folder / "spool.db")) as db, db:
        for statement in statements:
            db.execute(statement)


def fill(spool: Spool) -> tuple[int, str]:
    """Put a chunk that stays and a dead letter, and return the chunk's name."""
    (kept, other) = spool.put([chunk(numbered(3)), chunk(numbered(1, start=3))])
    spool.burials.note("history", [other.id], [Burial(other.id, 0, numbered(1, start=3)[0], "bad")])
    spool.settle([other.id])
    return kept.id, kept.life


def until_it_goes_on(spool: Spool) -> None:
    for _ in range(3):
        try:
            spool.put([chunk(1, "other")])
            spool.totals(), spool.burials.dead_letters(), spool.requeued(), spool.burials.noted([1])
            return
        except SpoolError:
            continue
    raise AssertionError("it does not go on")


@pytest.mark.parametrize("table", ["meta", "lives", "requeued", "dead_counts"])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_table_that_is_gone_costs_no_other(spool: Spool, table: str, is_open: bool) -> None:
    # Given
    id_, life = fill(spool)
    if not is_open:
        spool.close()
    change(spool.folder, f"DROP TABLE {table}")

    # When
    again = spool if is_open else Spool(spool.folder)
    until_it_goes_on(again)

    # Then
    (kept,) = again.waiting("history", prio=False)
    assert (kept.id, again.read(kept.id).events) == (id_, numbered(3))
    assert kept.life == life or not is_open
    assert again.burials.dead_letters() == {"history": 1}
    assert letters.requeue(again.folder, letters.Filter()) == 1
    assert again.file.aside.paths == []
    again.close()


@pytest.mark.parametrize("is_open", [True, False])
def test_dead_letters_that_are_gone_cost_no_event(spool: Spool, is_open: bool) -> None:
    # Given
    id_, _ = fill(spool)
    if not is_open:
        spool.close()
    change(spool.folder, "DROP TABLE dead")

    # When
    again = spool if is_open else Spool(spool.folder)
    until_it_goes_on(again)

    # Then
    assert [kept.id for kept in again.waiting("history", prio=False)] == [id_]
    assert again.file.aside.paths == []
    again.close()


def test_chunks_that_are_gone_are_counted_and_their_ids_not_given_again(spool: Spool) -> None:
    # Given
    id_, _ = fill(spool)
    highest = spool.newest_id()
    change(spool.folder, "DROP TABLE chunks")

    # When
    until_it_goes_on(spool)

    # Then
    assert spool.first_id == highest + 1 > id_
    assert [kept.id for kept in spool.waiting("other", prio=False)] == [highest + 1]
    assert spool.burials.dead_letters() == {"history": 1}
    assert spool.file.aside.paths == []


def test_a_file_of_a_later_release_is_left_alone(spool: Spool) -> None:
    # Given
    fill(spool)
    spool.close()
    change(spool.folder, f"PRAGMA user_version = {VERSION + 1}")
    before = (spool.folder / "spool.db").read_bytes()

    # When / Then
    with pytest.raises(
        SpoolError, match=rf"is a spool of version {VERSION + 1}, but this salt-eventsd knows {VERSION}"
    ):
        Spool(spool.folder)
    with pytest.raises(SpoolError, match="upgrade salt-eventsd"):
        letters.listed(spool.folder, letters.Filter(), 1)
    assert (spool.folder / "spool.db").read_bytes() == before
    assert not is_locked(spool.folder)


def test_a_file_has_its_version(spool: Spool) -> None:
    assert spool.file.rows("PRAGMA user_version") == [(VERSION,)]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(sqlite3.OperationalError("database or disk is full"), id="full"),
        pytest.param(OSError(28, "No space left on device"), id="no-space"),
        pytest.param(RuntimeError("a bug"), id="a-bug"),
        pytest.param(KeyboardInterrupt(), id="interrupted"),
    ],
)
@pytest.mark.parametrize(
    ("at", "step"),
    [
        pytest.param(spool_file, "connect", id="connect"),
        pytest.param(Lives, "forget_ended", id="forget"),
        pytest.param(Aside, "thin_out", id="thin-out"),
    ],
)
def test_a_spool_that_could_not_be_opened_keeps_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, at: object, step: str
) -> None:
    # Given
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(at, step, fail)

        # When
        with pytest.raises((SpoolError, RuntimeError, KeyboardInterrupt)) as caught:
            Spool(tmp_path / "spool")

    # Then: though what was raised is still there, with all it leads to
    assert caught.value
    assert not is_locked(tmp_path / "spool")
    Spool(tmp_path / "spool").close()


def test_what_was_requeued_before_an_engine_counts_is_counted_once(spool: Spool) -> None:
    # Given
    fill(spool)
    letters.requeue(spool.folder, letters.Filter())

    # When / Then
    assert {name: left.events for name, left in spool.begin().items()} == {"history": 4}
    assert spool.requeued() == {}


def test_two_openings_of_one_copy_begin_two_lives(spool: Spool, tmp_path: Path) -> None:
    # Given
    id_, life = fill(spool)
    spool.close()
    copies = [Path(shutil.copytree(spool.folder, tmp_path / name)) for name in "ab"]

    # When
    opened = [Spool(folder) for folder in copies]
    new = [spool.put([chunk(1)])[0] for spool in opened]

    # Then: what they hold both is one, what they are given now is not, whatever its number
    assert new[0].id == new[1].id
    assert len({life, new[0].life, new[1].life}) == 3
    for one in opened:
        assert next((kept.id, kept.life) for kept in one.waiting("history", prio=False)) == (id_, life)
        one.close()


def test_a_file_put_back_in_time_under_an_engine_begins_a_life(spool: Spool) -> None:
    # Given
    first = spool.put([chunk(1), chunk(1)])
    change(spool.folder, "DELETE FROM chunks WHERE id = 2", "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'chunks'")

    # When
    (again,) = spool.put([chunk(1)])
    (more,) = spool.put([chunk(1)])

    # Then
    assert (again.id, first[1].id) == (2, 2)
    assert again.life == more.life != first[1].life
    assert (again.first, more.first) == (again.id, more.id)
    assert spool.times_back == 1


def test_a_machine_put_back_in_time_is_known_by_its_clocks(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    (before,) = spool.put([chunk(1)])

    # When: the wall clock is set to what time it really is
    monkeypatch.setattr(spool_lives, "_drift", lambda: spool.file.lives._drift + 60)
    (after,) = spool.put([chunk(1)])
    (later,) = spool.put([chunk(1)])

    # Then
    assert before.life != after.life
    monkeypatch.undo()
    assert later.id == after.id + 1


@pytest.mark.parametrize("seed", range(8))
def test_an_older_file_put_back_beside_a_newer_log_is_not_mixed_with_it(tmp_path: Path, seed: int) -> None:
    # Given: an engine is killed, and only the file is put back, as it was some time before
    draw = random.Random(seed)
    # The log of a small spool is copied into the file more often.
    spool = Spool(tmp_path / "spool", max_bytes=2**24)
    put_back = tmp_path / "put-back"
    put_back.mkdir()
    waiting: list[StoredChunk] = []

    def work(times: int) -> None:
        for _ in range(times):
            waiting.extend(spool.put([chunk(draw.randrange(1, 60)) for _ in range(draw.randrange(1, 4))]))
            if draw.random() < 0.8 and len(waiting) > 8:
                spool.settle([waiting.pop(0).id for _ in range(draw.randrange(1, 6))])

    work(150)
    shutil.copy(spool.folder / "spool.db", put_back)
    work(200)
    shutil.copy(spool.folder / "spool.db-wal", put_back)
    now = [kept.id for kept in waiting]
    spool.close()
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(put_back / "spool.db", alone)
    with closing(sqlite3.connect(alone / "spool.db")) as db:
        then = [id_ for (id_,) in db.execute("SELECT id FROM chunks ORDER BY id")]

    # When
    again = Spool(put_back)

    # Then: all is there of one time or of the other, and whole
    found = again.waiting("history", prio=False)
    assert [kept.id for kept in found] in (then, now)
    assert all(len(again.read(kept.id).events) == kept.events for kept in found)
    assert again.file.aside.paths == []
    assert again.file.rows("PRAGMA integrity_check") == [("ok",)]
    again.close()
