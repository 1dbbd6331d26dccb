"""
A rule whose table is not as it says holds up no other rule; once the table is mended, all is written once.
"""

from __future__ import annotations

import pytest

from tests.faults.conftest import StartRig
from tests.support.kinds import MARIADB, POSTGRESQL, SQLITE
from tests.support.salt import wait_until
from tests.support.targets import Target

RECOVERY_SECONDS = 40.0
EVENTS = {
    "returns": {
        "tag": r"salt/job/\d+/ret/",
        "worker": "history",
        "into": "returns",
        "subs": {
            "wrong": {"table": "wrong", "columns": {"jid": "jid", "minion": "minion_id"}},
            "missing": {
                "statement": "INSERT INTO missing (minion) VALUES (:minion)",
                "fields": {"minion": "minion_id"},
            },
            "right": {
                "table": "fitting",
                "columns": {"jid": "jid", "minion": "minion_id"},
                "upsert": ["jid", "minion"],
            },
        },
    }
}


@pytest.mark.parametrize("target", [SQLITE, POSTGRESQL, MARIADB], indirect=True)
def test_a_wrong_rule_holds_up_no_other(target: Target, start_rig: StartRig) -> None:
    # Given
    target.execute(
        "CREATE TABLE wrong (jid varchar(64))",
        "CREATE TABLE fitting (jid varchar(64), minion varchar(64), PRIMARY KEY (jid, minion))",
    )
    rig = start_rig(target, events=EVENTS)
    stream = rig.stream()

    # When
    fired = len(stream.burst(500))

    # Then: all others go on, and the two are named
    rig.history.wait_for(fired, "eventsd_returns", "jid = :jid", jid=stream.jid)
    rig.lives(20)
    assert rig.conserved(stream) == 0
    rig.history.wait_for(fired, "fitting", "jid = :jid", jid=stream.jid)
    rules = wait_until(
        lambda: (found := rig.engine.worker()["rules"]) and found["returns.subs.missing"]["state"] == "held" and found,
        "held rules",
    )
    assert {name: one["state"] for name, one in rules.items()} == {
        "all others": "ok",
        "returns.subs.right": "ok",
        "returns.subs.wrong": "held",
        "returns.subs.missing": "held",
    }
    assert (
        "eventsd: events.returns.subs.wrong.columns.minion: no such column" in rules["returns.subs.wrong"]["last_error"]
    )
    assert "eventsd: events.returns.subs.missing.statement" in rules["returns.subs.missing"]["last_error"]
    assert rig.engine.worker()["state"] == "held"
    assert rig.engine.worker()["queued_events"] >= 2 * fired
    assert rig.engine.worker()["dead_letters"] == 0

    # When
    rig.engine.kill()
    rig.engine.start()
    target.execute("ALTER TABLE wrong ADD COLUMN minion varchar(64)", "CREATE TABLE missing (minion varchar(64))")

    # Then
    for table in ("wrong", "missing"):
        rig.history.wait_for(fired + 1, table, timeout_seconds=RECOVERY_SECONDS)
    wait_until(lambda: rig.engine.worker()["queued_events"] == 0, "empty queues")
    wait_until(lambda: rig.engine.worker()["state"] == "ok", "worker that is well")
