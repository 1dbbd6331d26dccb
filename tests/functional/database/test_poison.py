"""Rows a database really refuses: only their events are buried, the others are written once, on each database."""

from __future__ import annotations

import msgspec
import pytest

from salt_eventsd.event.parse import Event
from tests.support.events import job, returned, state_result
from tests.support.stores import Buried, Database, batch_of

_COUNT = 40


@pytest.fixture
def database(made: Database) -> Database:
    """A database with our tables, which a test may change."""
    return made


def _events(poison: set[int]) -> list[Event]:
    return [returned(n, jid=str(n), fun="poison" if n in poison else "test.ping") for n in range(_COUNT)]


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param({0}, id="start"),
        pytest.param({_COUNT // 2}, id="middle"),
        pytest.param({_COUNT - 1}, id="end"),
        pytest.param({0, 7, 8, 9, 31, _COUNT - 1}, id="several"),
        pytest.param(set(range(0, _COUNT, 2)), id="every-other"),
        pytest.param(set(range(_COUNT)), id="all"),
        pytest.param(set(), id="none"),
    ],
)
def test_only_the_bad_events_are_buried(database: Database, poison: set[int]) -> None:
    # Given
    database.refuse("returns", "fun = 'poison'")
    events = _events(poison)
    buried = Buried()

    # When
    database.worker().write(batch_of(events[:15], events[15:], buried=buried))

    # Then
    assert buried.positions == sorted(poison)
    assert all("poison" in why for _, why in buried.refusals)
    assert buried.calls == [{1, 2}]
    assert sorted(database.column("returns", "jid"), key=int) == [str(n) for n in range(_COUNT) if n not in poison]
    assert database.column("receipts", "chunk") == [1, 2]


def test_rows_that_are_made_a_few_at_a_time_lose_no_event(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: bad events alone in their portion, beside good ones, and one of which no row can be made
    monkeypatch.setattr("salt_eventsd.database.building._AT_ONCE_BYTES", 500)
    database.refuse("returns", "fun = 'poison'")
    poison = {0, 1, 2, 3, 4, 5, 17, _COUNT - 1}
    events = _events(poison)
    events[20] = msgspec.structs.replace(events[20], body=b"{broken")
    buried = Buried()

    # When
    database.worker().write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == sorted({*poison, 20})
    kept = [str(n) for n in range(_COUNT) if n not in {*poison, 20}]
    assert sorted(database.column("returns", "jid"), key=int) == kept


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param({3}, id="at-the-start"),
        pytest.param({610}, id="towards-the-end"),
        pytest.param({3, 260, 699}, id="all-over"),
    ],
)
def test_of_a_large_batch_only_the_bad_events_are_buried(database: Database, poison: set[int]) -> None:
    # Given: so many rows that they travel in several documents
    database.refuse("returns", "fun = 'poison'")
    events = [
        returned(n, jid=str(n), minion_id=f"m{n % 9}", fun="poison" if n in poison else "test.ping") for n in range(700)
    ]
    # No row can be made of it at all.
    events[650] = msgspec.structs.replace(events[650], body=b"{broken")
    buried = Buried()

    # When
    database.worker().write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == sorted({*poison, 650})
    kept = [n for n in range(700) if n not in poison and n != 650]
    assert sorted(database.column("returns", "jid"), key=int) == [str(n) for n in kept]
    latest = {row["minion_id"]: row["last_jid"] for row in database.rows("minions")}
    assert latest == {f"m{n % 9}": str(n) for n in kept}


def test_a_replay_after_a_burial_buries_nothing_again(database: Database) -> None:
    # Given
    database.refuse("returns", "fun = 'poison'")
    worker = database.worker()
    worker.write(batch_of(_events({3})))
    buried = Buried()

    # When
    worker.write(batch_of(_events({3}), replay=True, buried=buried))

    # Then
    assert buried.refusals == []
    assert len(database.rows("returns")) == _COUNT - 1


def test_an_event_is_written_whole_or_not_at_all(database: Database) -> None:
    # Given: the database takes the return and refuses one of its states
    database.refuse("states", "sls = 'poison'")
    good = {"a_|-a_|-a_|-run": state_result("a", 0), "b_|-b_|-b_|-run": state_result("b", 1)}
    bad = {**good, "c_|-c_|-c_|-run": state_result("c", 2, __sls__="poison")}
    events = [
        returned(good, jid="1", minion_id="m1"),
        returned(bad, jid="2", minion_id="m2"),
        returned(good, jid="3", minion_id="m3"),
    ]
    buried = Buried()

    # When
    database.worker().write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == [1]
    assert database.column("returns", "jid") == ["1", "3"]
    assert database.column("states", "jid") == ["1", "1", "3", "3"]
    assert database.column("minions", "minion_id") == ["m1", "m3"]


def test_bad_events_of_one_table_do_not_touch_those_of_another(database: Database) -> None:
    # Given
    database.refuse("jobs", "fun = 'poison'")
    buried = Buried()

    # When
    events = [job("1"), returned(jid="1"), job("2", fun="poison"), returned(jid="2", fun="poison")]
    database.worker().write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == [2]
    assert database.column("jobs", "jid") == ["1"]
    assert database.column("returns", "jid") == ["1", "2"]


def test_what_a_trigger_of_the_users_refuses_is_buried(database: Database) -> None:
    # Given: triggers fail with a code of their own, not with that of a constraint
    database.refuse_by_trigger("returns", "fun = 'poison'")
    buried = Buried()

    # When
    database.worker().write(batch_of(_events({5, 6}), buried=buried))

    # Then
    assert buried.positions == [5, 6]
    assert len(database.rows("returns")) == _COUNT - 2


def test_a_column_the_user_has_made_mandatory(database: Database) -> None:
    # Given
    database.refuse("returns", "retcode IS NULL")
    buried = Buried()

    # When
    events = [returned(jid="1"), returned(jid="2", retcode="no number"), returned(jid="3")]
    database.worker().write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == [1]
    assert database.column("returns", "jid") == ["1", "3"]


def test_why_an_event_was_refused_does_not_tell_what_was_in_it(database: Database) -> None:
    # Given
    database.refuse("returns", "fun = 'poison'")
    buried = Buried()

    # When
    database.worker().write(batch_of([returned("the-value-itself", fun="poison")], buried=buried))

    # Then
    [(_, why)] = buried.refusals
    assert "the-value-itself" not in why
