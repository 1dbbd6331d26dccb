"""Which events a connection does not survive, told from a server that comes and goes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.database.blame.evidence import Evidence
from salt_eventsd.database.blame.suspects import Suspects
from salt_eventsd.exceptions import Lost, Transient
from salt_eventsd.workers.write import Batch
from tests.support.events import numbered


class Server:
    """Ends the connection over some positions; or is away, from some attempt on."""

    def __init__(self, killers: Sequence[int] = (), away_from: int = 1_000_000) -> None:
        self.killers = set(killers)
        self.away_from = away_from
        self.attempts = 0
        self.losses = 0

    def attempt(self, _batch: Batch, positions: Sequence[int]) -> None:
        self.attempts += 1
        if self.attempts >= self.away_from:
            raise Lost("away") if positions else Transient("away")
        if self.killers.intersection(positions):
            self.losses += 1
            raise Lost("gone")


def batch_of(count: int, first: int = 1) -> Batch:
    return Batch("s", ((first, count),), numbered(count))


def suspects_of(server: Server) -> Suspects:
    suspects = Suspects(server.attempt)
    suspects.patience_seconds = 0.0
    return suspects


@given(count=st.integers(1, 60), data=st.data())
def test_all_of_them_are_found_and_no_other(count: int, data: st.DataObject) -> None:
    # Given
    killers = data.draw(st.sets(st.integers(0, count - 1), max_size=4))
    server = Server(sorted(killers))
    suspects, batch = suspects_of(server), batch_of(count)
    for _ in range(2):
        suspects.note(batch)

    # When
    for _ in range(10):
        try:
            found = suspects.of(batch)
            break
        except Transient:
            continue

    # Then: where there is none, the batch was too much at once
    assert set(found.bad) == killers
    assert (found.pieces > 1) is not bool(killers)


def test_a_connection_that_is_lost_once_makes_nobody_suspicious() -> None:
    server = Server([0])
    suspects, batch = suspects_of(server), batch_of(3)

    suspects.note(batch)

    assert suspects.of(batch).bad == {}
    assert server.attempts == 0


@pytest.mark.parametrize("away_from", range(1, 8))
def test_a_server_that_goes_away_meanwhile_buries_nothing(away_from: int) -> None:
    # Given
    server = Server([], away_from)
    suspects, batch = suspects_of(server), batch_of(4)
    for _ in range(2):
        suspects.note(batch)

    # When
    try:
        bad = dict(suspects.of(batch).bad)
    except Transient:
        bad = {}
    server.away_from = 1_000_000

    # Then
    assert bad == {}
    assert suspects.of(batch).bad == {}


def test_what_is_written_is_forgotten() -> None:
    server = Server([1])
    suspects, batch = suspects_of(server), batch_of(3)
    for _ in range(2):
        suspects.note(batch)
    assert set(suspects.of(batch).bad) == {1}

    suspects.forget(batch)

    assert suspects.of(batch).bad == {}


def test_evidence_is_of_its_table_and_of_what_came_later() -> None:
    evidence = Evidence()
    evidence.took(["a", "b"], [1])
    evidence.doubt("a", [2, 3])
    assert evidence.is_doubted("a")
    assert not evidence.is_refuted("a", 2)

    evidence.took(["b"], [4])
    assert evidence.is_doubted("a")
    assert not evidence.is_refuted("a", 2)

    evidence.took(["a"], [3])
    assert not evidence.is_doubted("a")
    assert evidence.is_refuted("a", 2)
    assert not evidence.is_refuted("a", 3)


def test_large_rows_are_not_remembered() -> None:
    evidence = Evidence()
    evidence.note_good("a", {"x": "y" * 100, "n": 1})
    evidence.note_good("b", {"x": "y" * 100_000})

    assert evidence.good("a") == {"x": "y" * 100, "n": 1}
    assert evidence.good("b") is None
