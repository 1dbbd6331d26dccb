"""Which parcels a consumer of JetStream has passed by."""

from __future__ import annotations

import pytest

from salt_eventsd.backends.broker.jetstream.api import Consumer, ConsumerConfig, Floor
from salt_eventsd.backends.broker.jetstream.passed import Passed


@pytest.mark.parametrize(
    ("pending", "unacknowledged", "floor", "first", "passed"),
    [
        pytest.param(0, 0, 10, 0, False, id="an empty stream"),
        pytest.param(3, 0, 10, 11, False, id="what is to be handed out"),
        pytest.param(0, 3, 10, 11, False, id="what writers have"),
        pytest.param(3, 2, 10, 10, True, id="what counts as acknowledged and is there"),
        pytest.param(0, 0, 10, 11, True, id="what nobody has or is given"),
    ],
)
def test_a_parcel_that_stays_and_is_not_handed_out(
    pending: int, unacknowledged: int, floor: int, first: int, passed: bool
) -> None:
    # Given
    info = Consumer(ConsumerConfig(), pending, unacknowledged, 0, Floor(floor))
    looks = Passed(seconds=0.0)

    # When
    found = [looks.has("history-main", info, first) for _ in range(2)]

    # Then: it may be acknowledged just now, so one look is not enough.
    assert found == [False, passed]


def test_one_parcel_after_another_is_none_that_stays() -> None:
    # Given
    info = Consumer(ConsumerConfig(), 0, 0, 0, Floor(100))
    looks = Passed(seconds=0.0)

    # Then
    assert not any(looks.has("history-main", info, first) for first in range(1, 10))
