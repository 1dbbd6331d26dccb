"""When minions were last seen is written every ten seconds for each, and at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
import sqlalchemy as sa

from salt_eventsd.database import sightings
from salt_eventsd.event.parse import Event
from tests.support.events import fired, returned
from tests.support.lanes import eventually
from tests.support.stores import Buried, Database, batch_of


@pytest.fixture
def every(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set how long what is known of minions may be put off, in seconds."""
    return lambda seconds: monkeypatch.setattr(sightings, "EVERY_SECONDS", seconds)


def seen(second: int, minion_id: str = "web1") -> Event:
    """A return at a second."""
    return returned(jid=str(second), minion_id=minion_id, _stamp=f"2026-01-02T03:04:{second:02}.000000")


def known(database: Database) -> dict[str, tuple[int, str]]:
    """The second at which each minion was last seen, and with which job."""
    return {row["minion_id"]: (row["last_seen"].second, row["last_jid"]) for row in database.rows("minions")}


def test_a_new_minion_is_known_with_its_first_return(tables: Database, every: Callable[[float], None]) -> None:
    every(60)

    tables.worker().write(batch_of([seen(1), seen(2), seen(3, "web2")]))

    assert known(tables) == {"web1": (2, "2"), "web2": (3, "3")}


def test_what_further_returns_say_is_put_off_until_the_end(tables: Database, every: Callable[[float], None]) -> None:
    # Given
    every(60)
    worker = tables.worker()
    worker.write(batch_of([seen(1)]))

    # When
    worker.write(batch_of([seen(7), seen(5)], first=2))

    # Then
    assert len(tables.rows("returns")) == 3
    assert known(tables) == {"web1": (1, "1")}

    # When
    tables.close()

    # Then
    assert known(tables) == {"web1": (7, "7")}
    [row] = tables.rows("minions")
    assert row["first_seen"] == datetime(2026, 1, 2, 3, 4, 1, tzinfo=timezone.utc)


def test_it_is_written_after_a_while_though_nothing_more_comes(
    tables: Database, every: Callable[[float], None]
) -> None:
    # Given
    every(0.5)
    worker = tables.worker()
    worker.write(batch_of([seen(1)]))

    # When
    worker.write(batch_of([seen(7)], first=2))

    # Then
    eventually(lambda: known(tables) == {"web1": (7, "7")})


def test_the_end_waits_for_what_is_being_written(tables: Database, every: Callable[[float], None]) -> None:
    # Given: somebody has locked the row when its time has come
    every(0.5)
    worker = tables.worker()
    worker.write(batch_of([seen(1)]))
    worker.write(batch_of([seen(7)], first=2))
    with tables.engine.connect() as somebody:
        somebody.exec_driver_sql("UPDATE eventsd_minions SET last_fun = 'x'")
        eventually(lambda: worker.worker._sightings._timer is None)

        # When
        closing = threading.Thread(target=tables.close)
        closing.start()
        closing.join(0.3)
        is_waiting = closing.is_alive()
        somebody.rollback()

    # Then
    closing.join()
    assert is_waiting
    assert known(tables) == {"web1": (7, "7")}


def test_what_could_not_be_written_is_written_later(
    tables: Database, every: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    every(0.5)
    worker = tables.worker()
    worker.write(batch_of([seen(1)]))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(sightings, "_UPDATE", sa.text("UPDATE no_such_table SET a = :its_id"))
        worker.write(batch_of([seen(7)], first=2))
        first = worker.worker._sightings._timer

        # When
        eventually(lambda: worker.worker._sightings._timer is not first)

    # Then
    eventually(lambda: known(tables) == {"web1": (7, "7")})


def test_few_rows_are_locked_at_a_time(tables: Database, every: Callable[[float], None]) -> None:
    # Given
    every(60)
    worker = tables.worker()
    minions = [f"web{number}" for number in range(60)]
    worker.write(batch_of([seen(1, minion) for minion in minions]))
    worker.write(batch_of([seen(2, minion) for minion in minions], first=2))
    engine = worker.worker._engine
    rows: list[int] = []
    commits: list[object] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: rows.append(len(args[3])))
    sa.event.listen(engine, "commit", commits.append)

    # When
    worker.worker._sightings._write()

    # Then: a return that says more of one of them waits no longer than for a few others
    rows = [count for count in rows if count]
    assert sum(rows) == len(minions)
    assert max(rows) < 30
    assert len(commits) == len(rows)
    assert set(known(tables).values()) == {(2, "2")}


def test_a_minion_that_was_forgotten_meanwhile_does_not_come_back(
    tables: Database, every: Callable[[float], None]
) -> None:
    # Given
    every(60)
    worker = tables.worker()
    worker.write(batch_of([seen(1)]))
    worker.write(batch_of([seen(2)], first=2))
    tables.execute("DELETE FROM eventsd_minions")

    # When
    tables.close()

    # Then
    assert known(tables) == {}


def test_what_another_engine_has_written_since_is_not_overwritten(
    tables: Database, every: Callable[[float], None]
) -> None:
    # Given
    every(60)
    worker = tables.worker()
    worker.write(batch_of([seen(1)]))
    worker.write(batch_of([seen(2)], first=2))

    # When
    tables.worker().write(batch_of([seen(9)], first=3))
    tables.close()

    # Then
    assert known(tables) == {"web1": (9, "9")}


def test_a_refused_return_says_nothing_of_its_minion(made: Database, every: Callable[[float], None]) -> None:
    # Given
    every(60)
    worker = made.worker()
    worker.write(batch_of([seen(1)]))
    made.refuse("returns", "jid = '8'")

    # When
    buried = Buried()
    worker.write(batch_of([seen(8), seen(2)], first=2, buried=buried))
    made.close()

    # Then
    assert buried.positions == [0]
    assert known(made) == {"web1": (2, "2")}


def test_what_a_start_says_is_never_put_off(tables: Database, every: Callable[[float], None]) -> None:
    # Given
    every(60)
    worker = tables.worker()
    worker.write(batch_of([seen(1)]))

    # When
    start = {"id": "web1", "_stamp": "2026-01-02T03:04:09.000000"}
    worker.write(batch_of([fired("salt/minion/web1/start", start)], first=2))

    # Then
    assert known(tables)["web1"][0] == 9
