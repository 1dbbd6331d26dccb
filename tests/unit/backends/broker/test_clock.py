"""What time it is at the broker, whatever a writer's own clock says."""

from __future__ import annotations

import pytest

from salt_eventsd.backends.broker.jetstream.clock import BrokerClock


def test_the_broker_is_believed_and_else_time_passes_since_its_last_message(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    passed = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: passed[0])
    clock = BrokerClock()

    # When / Then: a new server says it, an old one does not
    assert clock.now(7e8, 5, 6e8) == 7e8
    assert clock.now(0, 5, 6e8) == 6e8
    passed[0] += 40
    assert clock.now(0, 5, 6e8) == 6e8 + 40
    assert clock.now(0, 6, 6e8 + 30) == 6e8 + 30
