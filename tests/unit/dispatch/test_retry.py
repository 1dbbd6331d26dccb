"""What failed tries mean for the next one."""

from __future__ import annotations

import pytest

from salt_eventsd.dispatch.retry import Retry
from salt_eventsd.dispatch.settle import CUTS
from salt_eventsd.exceptions import Cut, Doubted, Transient
from tests.support.lanes import LATER


def failed(retry: Retry, first: int, *errors: Exception) -> None:
    for error in errors:
        retry.failed()
        retry.wait(first, error)


@pytest.mark.parametrize(
    ("errors", "found", "asks_others"),
    [
        pytest.param([Transient("away")] * 5, (0, 0), False, id="away"),
        pytest.param([Cut("ended")] * (CUTS - 1), (CUTS - 1, 0), False, id="a cut that may be chance"),
        pytest.param([Cut("ended")] * CUTS, (CUTS, 0), True, id="cuts that are none"),
        pytest.param([Doubted("no")], (0, 1), True, id="refused whole"),
    ],
)
def test_what_a_batch_is_suspected_of(errors: list[Exception], found: tuple[int, int], asks_others: bool) -> None:
    # Given
    retry = Retry(LATER)

    # When
    failed(retry, 7, *errors)

    # Then
    assert retry.suspicion(7) == found
    assert retry.suspicion(7).asks_others == asks_others
    assert retry.suspicion(8) == (0, 0)


def test_a_lane_waits_after_a_failure_and_no_longer_once_it_writes_or_has_another_worker() -> None:
    # Given
    retry = Retry(LATER)
    assert retry.wait_seconds == 0

    for end in (lambda: retry.succeeded(7, passes_by=False), retry.begin_anew):
        # When
        failed(retry, 7, Cut("ended"))
        assert 50 < retry.wait_seconds <= 60
        end()

        # Then
        assert (retry.wait_seconds, retry.failures, retry.suspicion(7)) == (0, 0, (0, 0))


def test_a_batch_stays_suspected_while_others_are_written() -> None:
    # Given
    retry = Retry(LATER)

    # When: a prio batch, or a second one in flight, is written after each try
    for _ in range(CUTS):
        failed(retry, 7, Cut("ended"))
        retry.succeeded(8, passes_by=False)

    # Then
    assert retry.suspicion(7).asks_others


def test_a_detour_round_all_of_a_batch_needs_a_success_before() -> None:
    # Given
    retry = Retry(LATER)

    # When, Then: nothing was written so far; perhaps nothing can be
    assert retry.detour_seconds([1, 2], {1, 2}) is None
    assert retry.detour_seconds([1, 2], {2}) == 60

    # When
    retry.succeeded(9, passes_by=True)

    # Then
    assert retry.detour_seconds([1, 2], {1, 2}) == 60
    retry.on_detour([1, 2], {1, 2})
    assert retry.detour_seconds([3], {3}) is None
    retry.on_detour([3, 4], {3})
    assert retry.detour_seconds([4], {4}) == 60
