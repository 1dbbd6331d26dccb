"""The spool's file is broken, taken away or not to be opened: what can be kept is kept, and the spool goes on."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salt_eventsd.event.chunk import StoredChunk, Totals
from salt_eventsd.exceptions import SpoolBusy, SpoolError
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.dead_letters import Filter, listed
from salt_eventsd.spool.keep import Spool
from salt_eventsd.spool.lock import is_locked
from tests.support.events import numbered, returned
from tests.support.lanes import chunk


def ids(chunks: list[StoredChunk]) -> list[int]:
    return [one.id for one in chunks]


def break_file(spool: Spool) -> None:
    """Break it so that the next use finds out."""
    spool.file.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    # What the connection remembers of the file would hide it.
    spool.file.rows("PRAGMA shrink_memory")
    with (spool.folder / "spool.db").open("r+b") as file:
        file.write(b"\xa5" * 8192)


@pytest.mark.parametrize(
    "take_away",
    [
        pytest.param(lambda path: path.unlink(), id="deleted"),
        pytest.param(lambda path: [one.unlink() for one in path.parent.glob("spool.db*")], id="deleted with its log"),
        pytest.param(lambda path: path.replace(path.with_name("elsewhere")), id="renamed"),
        pytest.param(lambda path: (path.unlink(), path.write_bytes(b"something else" * 500)), id="replaced"),
    ],
)
def test_a_file_that_is_taken_away_is_put_back_with_all_that_was_in_it(
    spool: Spool, take_away: Callable[[Path], object]
) -> None:
    # Given
    before = spool.put([chunk(3), chunk(2, worker="other")])
    id_ = spool.id

    # When
    take_away(spool.folder / "spool.db")
    after = spool.put([chunk(1)])

    # Then
    assert spool.totals() == {
        "history": Totals(4, before[0].bytes + after[0].bytes),
        "other": Totals(2, before[1].bytes),
    }
    spool.close()
    again = Spool(spool.folder)
    assert ids(again.waiting("history", prio=False)) == [before[0].id, after[0].id]
    assert again.read(before[0].id).events == numbered(3)
    assert (again.id, again.file.aside.paths) == (id_, [])
    again.close()


def test_a_folder_that_is_emptied_is_locked_again(spool: Spool) -> None:
    # Given
    spool.put([chunk(3)])

    # When
    for one in spool.folder.iterdir():
        one.unlink()
    spool.put([chunk(1)])

    # Then
    assert is_locked(spool.folder)
    with pytest.raises(SpoolBusy):
        Spool(spool.folder)
    assert spool.totals()["history"].events == 4


def test_a_folder_that_another_engine_has_taken_meanwhile_is_left_to_it(spool: Spool) -> None:
    # Given
    spool.put([chunk(3)])
    for one in spool.folder.iterdir():
        one.unlink()
    other = Spool(spool.folder)
    other.put([chunk(5)])

    # When
    with pytest.raises(SpoolError, match="another engine has"):
        spool.put([chunk(1)])

    # Then
    assert other.totals()["history"].events == 5
    other.close()


def test_a_broken_file_is_replaced_as_soon_as_a_new_one_can_be_made(spool: Spool) -> None:
    # Given
    kept = spool.put([chunk(10)])
    break_file(spool)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, (limits := resource.getrlimit(resource.RLIMIT_NOFILE))[1]))

    # When
    try:
        with pytest.raises(SpoolError):
            spool.put([chunk(1)])
        with pytest.raises(SpoolError, match="Too many open files"):
            spool.put([chunk(1)])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    # Then
    (again,) = spool.put([chunk(1)])
    assert again.id > kept[0].id
    assert len(spool.file.aside.paths) == 1


def test_a_chunk_whose_bytes_have_changed_is_kept_as_text(spool: Spool) -> None:
    # Given
    (kept,) = spool.put([chunk([returned("was-here")])])
    with spool.file.transaction() as db:
        payload = db.execute("SELECT payload FROM chunks").fetchone()[0]
        db.execute(
            "UPDATE chunks SET payload = ?", (payload.replace(b"salt/job", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe"),)
        )

    # When
    (event,) = spool.read(kept.id).events

    # Then
    assert event.tag == "eventsd/undecodable"
    assert "was-here" in event.data["undecodable"]


@pytest.mark.parametrize(("column", "kind"), [("error", "TEXT"), ("event", "BLOB")])
def test_a_dead_letter_whose_bytes_have_changed_hides_no_other(spool: Spool, column: str, kind: str) -> None:
    # Given
    events = [returned("was-here"), *numbered(1)]
    (kept,) = spool.put([chunk(events)])
    spool.burials.note("history", [kept.id], [Burial(kept.id, at, event, "bad") for at, event in enumerate(events)])
    spool.settle([kept.id])
    with spool.file.transaction() as db:
        db.execute(f"UPDATE dead SET {column} = CAST(x'fffefdfc' AS {kind}) WHERE position = 0")

    # When
    letters = listed(spool.folder, Filter(), 10)

    # Then
    assert len(letters) == 2
    assert letters[1]["data"]["jid"] == "0"


@settings(max_examples=settings.default.max_examples // 2)
@given(
    seed=st.integers(0, 2**32),
    suffix=st.sampled_from(["", "-wal"]),
    writes=st.integers(1, 20),
    size=st.sampled_from([1, 16, 4096]),
    cut=st.booleans(),
)
def test_no_change_to_its_bytes_keeps_it_from_going_on(
    tmp_path_factory: pytest.TempPathFactory, seed: int, suffix: str, writes: int, size: int, cut: bool
) -> None:
    # Given
    home = tmp_path_factory.mktemp("torn")
    before = Spool(home / "before")
    before.put([chunk(30) for _ in range(20)])
    if not suffix:
        before.file.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(home / "before", home / "after")
    before.close()
    draw = Random(seed)
    with (home / "after" / f"spool.db{suffix}").open("r+b") as file:
        length = file.seek(0, 2)
        for _ in range(writes):
            file.seek(draw.randrange(length))
            file.write(draw.randbytes(size))
        if cut:
            file.truncate(draw.randrange(length))

    # When
    spool = Spool(home / "after")
    for _ in range(3):
        try:
            spool.totals(), spool.burials.dead_letters(), spool.requeued(), spool.oldest_id()
            waiting = spool.waiting("history", prio=False)
            for one in waiting:
                spool.read(one.id)
            spool.settle(ids(waiting))
            (kept,) = spool.put([chunk(7)])
        except SpoolError:
            continue
        break
    else:
        raise AssertionError("it does not go on")

    # Then
    assert len(spool.read(kept.id).events) == 7
    spool.close()
    shutil.rmtree(home)
