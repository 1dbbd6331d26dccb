"""
A minion that has root on its own machine, and a key that the master has accepted, fires what it likes.

Salt's own modules let it: ``event.send`` and ``event.fire_master`` of ``salt-call``, and of a running minion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import StartMaster
from tests.support.nodes import Master, minion_config, sqlite_history
from tests.support.salt import wait_until

JID = "20260102030405678901"
ANOTHER = "web1.example.com"
EVIL = "evil"
#: What Salt itself would have in such events.
JOB = {"jid": JID, "fun": "cmd.run", "tgt": "*", "user": "root", "arg": [], "minions": [ANOTHER], "tgt_type": "glob"}
STATES = {"file_|-a_|-a_|-managed": {"result": True, "changes": {"a": 1}, "comment": "", "__run_num__": 0}}
RETURN = {"jid": JID, "id": ANOTHER, "fun": "state.apply", "return": STATES, "retcode": 0, "success": True}


@pytest.fixture(scope="module")
def trap(start_master: StartMaster) -> Iterator[Master]:
    """A master that also keeps every event there is."""
    events = {
        "jobs": {"tag": r"salt/(job|run|wheel)/[^/]+/new\Z", "worker": "history", "into": "jobs"},
        "returns": {"tag": r"salt/(job|run|wheel)/[^/]+/ret", "worker": "history", "into": "returns"},
        "auth": {"tag": "salt/(auth|key|minion)", "worker": "history", "into": "events"},
        # Without prio, which would be written before what waits for its batch.
        "marks": {"tag": "company/mark", "worker": "history", "into": "events"},
    }
    options = {"workers": sqlite_history(), "events": events, "state_timer": 1}
    with start_master("trap", eventsd=options) as running:
        yield running


@pytest.fixture(scope="module")
def evil(trap: Master) -> Iterator[Any]:
    daemon = trap.daemon.salt_minion_daemon(EVIL, overrides=minion_config())
    with daemon.started():
        yield daemon


def wait_for_mark(trap: Master, evil: Any, name: str) -> None:
    """Wait until all that was fired before has been kept."""
    evil.salt_call_cli(timeout=60).run("event.send", f"company/mark/{name}")
    trap.history.wait_for(1, "eventsd_events", "tag = :tag", tag=f"company/mark/{name}")


def diverted(trap: Master, tag: str) -> list[dict[str, Any]]:
    rows = trap.history.rows("SELECT data FROM eventsd_events WHERE tag = :tag", tag=tag)
    return [json.loads(row["data"]) for row in rows]


def nothing_was_believed(trap: Master) -> bool:
    for table in ("eventsd_jobs", "eventsd_returns", "eventsd_states"):
        if trap.history.count(table, "jid = :jid", jid=JID):
            return False
    return not trap.history.count("eventsd_minions", "minion_id = :id", id=ANOTHER)


@pytest.mark.smoke
def test_events_in_the_place_of_salt_are_kept_with_who_sent_them(trap: Master, evil: Any) -> None:
    # When
    fired: dict[str, dict[str, Any]] = {
        f"salt/job/{JID}/new": JOB,
        f"salt/job/{JID}/ret/{ANOTHER}": RETURN,
        f"salt/run/{JID}/ret": {**RETURN, "fun": "runner.state.orch", "return": {"data": {ANOTHER: STATES}}},
        f"salt/minion/{ANOTHER}/start": {"id": ANOTHER},
    }
    for tag, data in fired.items():
        assert evil.salt_call_cli(timeout=60).run("event.send", tag, data).data is True
    wait_for_mark(trap, evil, "singly")

    # Then
    assert nothing_was_believed(trap)
    for tag, data in fired.items():
        [kept] = diverted(trap, tag)
        assert (kept["id"], kept["eventsd_forged"]) == (EVIL, f"fired by minion '{EVIL}'")
        assert kept["data"]["id" if "id" in data else "jid"] == data["id" if "id" in data else "jid"]
    wait_until(lambda: trap.report()["bus"]["forged"] == len(fired), "count of what is forged")


@pytest.mark.smoke
def test_a_running_minion_is_no_more_believed(trap: Master, evil: Any) -> None:
    # When
    tag = f"salt/job/{JID}/ret/{EVIL}x"
    trap.salt(evil, "event.fire_master", json.dumps(RETURN), tag)
    wait_for_mark(trap, evil, "running")

    # Then
    assert nothing_was_believed(trap)
    assert [kept["id"] for kept in diverted(trap, tag)] == [EVIL]


@pytest.mark.smoke
def test_where_there_are_no_syndics_none_is_believed(trap: Master, evil: Any) -> None:
    # Given: what comes out of it is syndic/x/salt/job/..., and x/salt/job/..., which nobody takes for anything
    fired: dict[str, dict[str, Any]] = {f"salt/job/{JID}/new": JOB, f"salt/job/{JID}/ret/{ANOTHER}": RETURN}
    listed = [{"tag": f"x/{tag}", "data": data} for tag, data in fired.items()]

    # When
    preload = {"events": listed, "pretag": "syndic"}
    evil.salt_call_cli(timeout=60).run("event.fire_master", "{}", "x", f"preload={json.dumps(preload)}")
    wait_for_mark(trap, evil, "listed")

    # Then
    assert nothing_was_believed(trap)
    for tag in fired:
        [kept] = diverted(trap, f"syndic/x/{tag}")
        assert kept["eventsd_forged"] == "from where there is no syndic"


@pytest.mark.smoke
def test_what_is_a_minions_own_is_taken(trap: Master, evil: Any) -> None:
    # When
    evil.salt_call_cli(timeout=60).run("test.echo", "honest")
    trap.salt(evil, "test.ping")

    # Then
    trap.history.wait_for(1, "eventsd_returns", "fun = 'test.echo' AND minion_id = :id", id=EVIL)
    trap.history.wait_for(1, "eventsd_returns", "fun = 'test.ping' AND minion_id = :id", id=EVIL)
    [started] = diverted(trap, f"salt/minion/{EVIL}/start")[:1]
    assert "eventsd_forged" not in started
