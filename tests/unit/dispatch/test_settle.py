"""What becomes of each event of a batch: written, refused alone, or all of it to be tried again."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.exceptions import Held, Refused, Transient, WorkerError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.isolate import isolate
from salt_eventsd.workers.write import Batch, Refusal
from tests.support.events import numbered
from tests.support.workers import Recorder


class Backend:
    """Takes numbers whole or not at all; some of them are bad."""

    def __init__(self, bad: Iterable[int]) -> None:
        self.bad = set(bad)
        self.taken: list[int] = []
        self.tries = 0

    def write(self, items: Sequence[int]) -> None:
        self.tries += 1
        if refused := self.bad.intersection(items):
            raise Refused(f"bad {min(refused)}")
        self.taken.extend(items)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param([], id="none"),
        pytest.param([0], id="the first"),
        pytest.param([5], id="in the middle"),
        pytest.param([9], id="the last"),
        pytest.param([0, 4, 5, 9], id="several"),
        pytest.param(range(10), id="all"),
    ],
)
def test_the_bad_ones_are_found_and_the_others_written(bad: Iterable[int]) -> None:
    # Given
    backend = Backend(bad)

    # When
    refusals = isolate(range(10), backend.write)

    # Then
    assert refusals == [(one, f"bad {one}") for one in bad]
    assert backend.taken == [one for one in range(10) if one not in bad]


@given(count=st.integers(1, 300), data=st.data())
def test_any_bad_ones_are_found_at_a_bounded_cost(count: int, data: st.DataObject) -> None:
    # Given
    bad = data.draw(st.sets(st.integers(0, count - 1), max_size=12))
    backend = Backend(bad)

    # When
    refusals = isolate(range(count), backend.write)

    # Then
    assert [position for position, _ in refusals] == sorted(bad)
    assert backend.taken == sorted(set(range(count)) - bad)
    assert backend.tries <= 1 + 2 * len(bad) * math.ceil(math.log2(count) if count > 1 else 1)


def test_a_fault_while_splitting_passes_through() -> None:
    # Given
    def write(items: Sequence[int]) -> None:
        raise Refused("bad") if len(items) > 1 else Transient("gone")

    # When, Then
    with pytest.raises(Transient, match="gone"):
        isolate(range(4), write)


class Burials:
    """Stands for the spool: remembers what was to be buried."""

    def __init__(self) -> None:
        self.calls: list[list[Refusal]] = []

    def bury(self, refusals: Sequence[Refusal], chunks: Collection[int] | None = None) -> None:
        self.calls.append(list(refusals))


def batch_of(count: int, burials: Burials, replay: bool = False) -> Batch:
    return Batch(
        spool_id="s", chunks=((1, count),), events=numbered(count), oldest_chunk=1, replay=replay, bury=burials.bury
    )


def test_a_batch_that_is_taken_buries_nothing() -> None:
    worker, burials = Recorder(), Burials()

    write_batch(worker, batch_of(3, burials))

    assert worker.batches == [["0", "1", "2"]]
    assert burials.calls == []


def test_refused_events_are_buried_and_the_others_written_once() -> None:
    worker, burials = Recorder(bad=["1", "6"]), Burials()

    write_batch(worker, batch_of(8, burials))

    assert sorted(worker.written) == ["0", "2", "3", "4", "5", "7"]
    assert burials.calls == [[(1, "bad: 1"), (6, "bad: 6")]]


def test_a_batch_that_is_refused_whole_is_buried_whole() -> None:
    worker, burials = Recorder(bad=["0", "1"]), Burials()

    write_batch(worker, batch_of(2, burials))

    assert burials.calls == [[(0, "bad: 0"), (1, "bad: 1")]]


def test_a_new_try_that_refuses_nothing_any_more_takes_back_what_was_noted() -> None:
    worker, burials = Recorder(errors=[Refused("once")]), Burials()

    write_batch(worker, batch_of(4, burials, replay=True))

    assert sorted(worker.written) == ["0", "1", "2", "3"]
    assert burials.calls == [[]]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Transient("away"), id="away"),
        pytest.param(Held("no such table"), id="held"),
        pytest.param(ConnectionResetError("reset"), id="a socket's error"),
        pytest.param(TimeoutError("slow"), id="a timeout"),
    ],
)
def test_a_fault_settles_nothing(error: Exception) -> None:
    worker, burials = Recorder(errors=[error]), Burials()

    with pytest.raises(type(error)):
        write_batch(worker, batch_of(4, burials))

    assert worker.written == []
    assert len(worker.tries) == 1
    assert burials.calls == []


def test_an_unexpected_error_about_part_of_a_batch_is_those_events() -> None:
    worker, burials = Recorder(bad=["2"], refuse=KeyError), Burials()

    write_batch(worker, batch_of(4, burials))

    assert sorted(worker.written) == ["0", "1", "3"]
    assert burials.calls == [[(2, "KeyError: 'bad: 2'")]]


@pytest.mark.parametrize("count", [1, 4])
def test_an_unexpected_error_about_all_of_a_batch_is_the_worker(count: int) -> None:
    worker, burials = Recorder(bad=map(str, range(count)), refuse=ZeroDivisionError), Burials()

    with pytest.raises(Held, match="ZeroDivisionError"):
        write_batch(worker, batch_of(count, burials))

    assert burials.calls == []


@pytest.mark.parametrize(
    ("refused", "unexpected"),
    [
        pytest.param("1", "2", id="refused first"),
        pytest.param("2", "1", id="unexpected first"),
    ],
)
def test_refused_and_odd_events_in_one_batch_are_both_buried(refused: str, unexpected: str) -> None:
    class Worker(Recorder):
        """Says of the first bad event it meets what is wrong with it."""

        def write(self, batch: Batch) -> None:
            for event in batch.events:
                if event.jid == refused:
                    raise Refused("refused")
                if event.jid == unexpected:
                    raise RuntimeError("unexpected")
            super().write(batch)

    worker, burials = Worker(), Burials()

    write_batch(worker, batch_of(4, burials))

    assert sorted(worker.written) == ["0", "3"]
    assert [position for position, _ in burials.calls[-1]] == [1, 2]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(Refused("too\n  long"), "too long", id="in one line"),
        pytest.param(ValueError("odd"), "ValueError: odd", id="others with their kind"),
        pytest.param(ValueError(), "ValueError: ValueError", id="no text"),
        pytest.param(Transient(), "The backend is away or busy; the same batch may well be taken later.", id="its own"),
        pytest.param(Refused("x" * 10_000), "x" * 500, id="of bearable length"),
    ],
)
def test_an_errors_text_is_brief(error: Exception, text: str) -> None:
    assert one_line(error) == text


@pytest.mark.parametrize("kind", [Transient, Held, Refused])
def test_what_a_worker_raises_has_a_message_without_being_given_one(kind: type[WorkerError]) -> None:
    assert str(kind()).endswith(".")
