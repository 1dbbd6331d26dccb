"""
Events a database refuses become dead letters, and no other event does; put back once it takes them, they are written.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from salt_eventsd.spool.dead_letters import Filter, listed, requeue
from tests.support.kinds import MARIADB, POSTGRESQL, SQLITE
from tests.support.rig import Rig
from tests.support.salt import wait_until
from tests.support.targets import Target

EVENTS = 60


def refuse_poison(target: Target) -> None:
    if target.server:
        target.execute("ALTER TABLE eventsd_returns ADD CONSTRAINT no_poison CHECK (fun <> 'poison')")
    else:
        target.execute(
            "CREATE TRIGGER no_poison BEFORE INSERT ON eventsd_returns WHEN NEW.fun = 'poison'"
            " BEGIN SELECT RAISE(ABORT, 'no_poison'); END"
        )


def accept_poison(target: Target) -> None:
    if target.server:
        target.execute("ALTER TABLE eventsd_returns DROP CONSTRAINT no_poison")
    else:
        target.execute("DROP TRIGGER no_poison")


@pytest.mark.parametrize(
    "is_poison",
    [
        pytest.param(lambda at: at == 0, id="start"),
        pytest.param(lambda at: at == EVENTS // 2, id="middle"),
        pytest.param(lambda at: at == EVENTS - 1, id="end"),
        pytest.param(lambda at: at % 7 == 3, id="several"),
        pytest.param(lambda at: True, id="all"),
    ],
)
@pytest.mark.parametrize("target", [SQLITE, POSTGRESQL, MARIADB], indirect=True)
def test_only_the_refused_are_buried_and_they_come_back(
    rig: Rig, target: Target, is_poison: Callable[[int], bool]
) -> None:
    # Given
    refuse_poison(target)
    stream = rig.stream()

    # When
    poison = [
        name
        for at in range(EVENTS)
        for name in stream.burst(1, fun="poison" if is_poison(at) else "test.ping")
        if is_poison(at)
    ]

    # Then
    rig.lives(20)
    assert rig.conserved(stream) == 0
    assert sorted(rig.dead(stream)) == sorted(poison)
    assert all("no_poison" in letter["error"] for letter in listed(rig.engine.spool, Filter(), limit=1000))
    wait_until(lambda: rig.engine.worker()["dead_letters"] == len(poison), "count of the dead letters")
    assert (rig.engine.worker()["state"], rig.engine.worker()["retries"]) == ("ok", 0)

    # When
    accept_poison(target)
    assert requeue(rig.engine.spool, Filter(worker="history")) == len(poison)

    # Then
    rig.history.wait_for(EVENTS, "eventsd_returns", "jid = :jid", jid=stream.jid)
    assert rig.dead(stream) == []
    assert rig.conserved(stream) == 0
