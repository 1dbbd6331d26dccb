"""Slices of a history: all rows come once, those of one place together, and parts of the line are told apart."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.database.transfer.pages import Entry
from salt_eventsd.database.transfer.slices import PLACES, Placed, Span, gaps, slices, span_of

_START = datetime(2026, 1, 2, tzinfo=timezone.utc)
_SHIFT = 52
_ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(-(2**63), 2**63 - 1), st.integers(0, 3_000_000)), max_size=40)


def _placed(rows: list[tuple[int, int, int]]) -> list[Placed]:
    """Return rows by their microsecond, digest and size."""
    found = []
    for micro, digest, size in dict.fromkeys(rows):
        when = _START + timedelta(microseconds=micro)
        place = span_of(when, when + timedelta(microseconds=1)).first + (digest >> _SHIFT) + PLACES // 2
        found.append(Placed(place, when, digest, Entry((micro, digest), size)))
    return found


@given(_ROWS, st.integers(1, 9), st.integers(0, 6 * PLACES), st.integers(0, 6 * PLACES))
def test_each_row_of_a_span_comes_once(rows: list[tuple[int, int, int]], page: int, one: int, other: int) -> None:
    # Given
    placed = {row.entry.key: row for row in _placed(rows)}
    base = span_of(_START, _START + timedelta(seconds=1)).first
    span = Span(base + min(one, other), base + max(one, other))

    def pages(start: datetime | None, end: datetime, digest: int | None) -> list[Placed]:
        if start is None:
            some = [row for row in placed.values() if row.stamp == end and (digest is None or row.digest > digest)]
            some.sort(key=lambda row: row.digest)
        else:
            some = sorted((row for row in placed.values() if start <= row.stamp <= end), key=lambda row: row.stamp)
        return sorted(some[:page], key=lambda row: (row.place, row.digest))

    # When
    found = list(slices(pages, span, page))

    # Then: they follow each other, and each has what belongs to it
    assert [one.span.first for one in found] == [span.first, *(one.span.last + 1 for one in found[:-1])]
    assert found[-1].span.last == span.last
    keys = [key for one in found for key in one.keys]
    assert len(keys) == len(set(keys))
    assert set(keys) == {key for key, row in placed.items() if span.first <= row.place <= span.last}
    for span_, some in found:
        assert all(span_.first <= placed[key].place <= span_.last for key in some)


@pytest.mark.parametrize(
    ("covered", "left"),
    [
        pytest.param([], [(10, 20)], id="nothing"),
        pytest.param([(10, 20)], [], id="everything"),
        pytest.param([(0, 100)], [], id="more than that"),
        pytest.param([(12, 14)], [(10, 11), (15, 20)], id="the middle"),
        pytest.param([(0, 12), (18, 30)], [(13, 17)], id="both ends"),
        pytest.param([(15, 16), (11, 12), (12, 15)], [(10, 10), (17, 20)], id="overlapping, in any order"),
        pytest.param([(1, 9), (21, 22)], [(10, 20)], id="beside it"),
    ],
)
def test_what_is_left(covered: list[tuple[int, int]], left: list[tuple[int, int]]) -> None:
    assert gaps(Span(10, 20), covered) == left
