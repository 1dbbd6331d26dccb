"""
Rules on a real bus: what they take, where it goes, and when it is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import StartMaster
from tests.support.nodes import Master, sqlite_history

BATCH_SECONDS = 3.0
RULES: dict[str, Any] = {
    "workers": sqlite_history(batch={"seconds": BATCH_SECONDS}),
    "events": {
        "returns": {
            "tag": r"salt/job/\d+/ret/",
            "worker": "history",
            "into": "returns",
            "ignore": ["saltutil.*"],
            "subs": {
                "raid": {"fun": r"wputil\.check_raid", "worker": "history", "into": "events"},
                "web": {"tag": r"salt/job/\d+/ret/web-", "into": "events"},
            },
        },
        "beacons": {"tag": "company/beacon/", "worker": "history", "into": "events"},
        "alarms": {"tag": "company/alarm/", "worker": ["history"], "into": "events", "prio": 1},
    },
}


@pytest.fixture(scope="module")
def ruled(start_master: StartMaster) -> Iterator[Master]:
    """A master with rules of its own."""
    with start_master("ruled", eventsd=RULES) as running:
        yield running


def test_a_rule_takes_its_own_tags_and_no_others(ruled: Master) -> None:
    # When
    with ruled.bus() as bus:
        bus.fire("elsewhere/company/beacon/load", {"value": 1})
        bus.fire("company/beacon/load", {"value": 2})
        bus.fire("company/door", {"value": 3})
        bus.fire("company/beacon/disk", {"value": 4})

    # Then
    ruled.history.wait_for(2, "eventsd_events", "tag LIKE '%company/%' AND tag NOT LIKE '%alarm%'")
    tags = ruled.history.rows("SELECT tag FROM eventsd_events WHERE tag LIKE 'company/beacon/%' ORDER BY id")
    assert [row["tag"] for row in tags] == ["company/beacon/load", "company/beacon/disk"]


@pytest.mark.parametrize(
    ("jid", "minion_id", "fun", "into_events"),
    [
        pytest.param("101", "db-1", "wputil.check_raid", 1, id="by function"),
        pytest.param("102", "web-1", "test.ping", 1, id="by inner tag"),
        pytest.param("103", "web-1", "wputil.check_raid", 1, id="by both, for one table"),
        pytest.param("104", "db-1", "test.ping", 0, id="by neither"),
    ],
)
def test_a_sub_event_goes_to_parent_and_sub(
    ruled: Master, jid: str, minion_id: str, fun: str, into_events: int
) -> None:
    # When
    with ruled.bus() as bus:
        bus.fire_returns(jid, [minion_id], fun=fun)

    # Then
    ruled.history.wait_for(1, "eventsd_returns", "jid = :jid AND fun = :fun", jid=jid, fun=fun)
    assert ruled.history.count("eventsd_events", "tag = :tag", tag=f"salt/job/{jid}/ret/{minion_id}") == into_events


def test_ignored_functions_are_never_kept(ruled: Master) -> None:
    # When
    with ruled.bus() as bus:
        bus.fire_returns("201", ["db-1", "web-1"], fun="saltutil.find_job")
        bus.fire_returns("202", ["db-1"])

    # Then
    ruled.history.wait_for(1, "eventsd_returns", "jid = '202'")
    assert ruled.history.count("eventsd_returns", "jid = '201'") == 0
    assert ruled.history.count("eventsd_events", "tag LIKE 'salt/job/201/%'") == 0


def test_prio_is_written_while_others_wait_for_their_batch(ruled: Master) -> None:
    # When
    with ruled.bus() as bus:
        bus.fire("company/beacon/patient", {})
        bus.fire("company/alarm/fire", {})

    # Then
    ruled.history.wait_for(1, "eventsd_events", "tag = 'company/alarm/fire'", timeout_seconds=BATCH_SECONDS)
    assert ruled.history.count("eventsd_events", "tag = 'company/beacon/patient'") == 0
    ruled.history.wait_for(1, "eventsd_events", "tag = 'company/beacon/patient'")


@pytest.mark.smoke
def test_a_lone_event_on_an_idle_bus_is_written_by_age(ruled: Master) -> None:
    # Given
    fired = time.monotonic()

    # When
    with ruled.bus() as bus:
        bus.fire_returns("301", ["lonely"])

    # Then
    ruled.history.wait_for(1, "eventsd_returns", "jid = '301'", timeout_seconds=BATCH_SECONDS + 5)
    assert time.monotonic() - fired >= BATCH_SECONDS * 0.9
