"""How long to wait before the next try."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.dispatch.backoff import Backoff

DRAWS = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(failures=st.integers(min_value=0, max_value=10**9), draw=DRAWS)
def test_every_wait_is_within_its_bounds(failures: int, draw: float) -> None:
    backoff = Backoff(first_seconds=0.5, most_seconds=30, least_seconds=0.1)

    assert 0.1 <= backoff.seconds(failures, lambda: draw) <= 30


@given(failures=st.integers(min_value=1, max_value=10_000))
def test_the_cap_never_falls_from_one_failure_to_the_next(failures: int) -> None:
    backoff = Backoff()

    shorter, longer = (backoff.seconds(count, lambda: 0.999) for count in (failures, failures + 1))

    assert shorter <= longer


@pytest.mark.parametrize(
    ("failures", "cap"),
    [
        pytest.param(1, 0.5, id="the first failure"),
        pytest.param(2, 1.0, id="doubled by the second"),
        pytest.param(6, 16.0, id="and by each further one"),
        pytest.param(7, 30.0, id="up to the most"),
        pytest.param(5000, 30.0, id="days later still the most"),
    ],
)
def test_the_cap_doubles_up_to_the_most(failures: int, cap: float) -> None:
    assert Backoff().seconds(failures, lambda: 0.5) == cap / 2


def test_jitter_spreads_the_waits_over_the_whole_range() -> None:
    backoff = Backoff()

    waits = sorted(backoff.seconds(7) for _ in range(300))

    assert waits[0] < 5
    assert waits[-1] > 25
