"""
A master with ``engines: [eventsd]`` and no options at all keeps its job history in SQLite.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.nodes import Master, Node

BROKEN_SLS = """
works:
  test.succeed_with_changes
fails:
  test.fail_without_changes
"""


def _returns(master: Master, minion: Node, fun: str) -> list[dict[str, Any]]:
    """What the minion has returned of a function; other tests have returns of others on the same bus."""
    of_it = "SELECT * FROM eventsd_returns WHERE fun = :fun AND minion_id = :id"
    return master.history.rows(of_it, fun=fun, id=minion.daemon.id)


def test_a_job_and_its_return_are_kept(master: Master, minion: Node) -> None:
    # When
    answer = master.salt(minion.daemon, "test.arg", "first", second=2)

    # Then
    assert answer.returncode == 0
    master.history.wait_for(1, "eventsd_returns", "fun = 'test.arg' AND minion_id = :id", id=minion.daemon.id)
    (returned,) = _returns(master, minion, "test.arg")
    master.history.wait_for(1, "eventsd_jobs", "jid = :jid", jid=returned["jid"])
    (job,) = master.history.rows("SELECT * FROM eventsd_jobs WHERE jid = :jid", jid=returned["jid"])
    assert (job["kind"], job["fun"], job["tgt"], job["minion_count"]) == ("job", "test.arg", minion.daemon.id, 1)
    assert json.loads(job["minions"]) == [minion.daemon.id]
    assert json.loads(returned["return"])["args"] == ["first"]
    assert (returned["success"], returned["retcode"]) == (1, 0)


@pytest.mark.smoke
def test_a_ping_is_a_job_a_return_and_a_minion(master: Master, minion: Node) -> None:
    # When
    answer = master.salt(minion.daemon, "test.ping")

    # Then
    assert answer.data is True
    master.history.wait_for(1, "eventsd_jobs", "fun = 'test.ping'")
    master.history.wait_for(1, "eventsd_returns", "fun = 'test.ping' AND minion_id = :id", id=minion.daemon.id)
    master.history.wait_for(1, "eventsd_minions", "minion_id = :id", id=minion.daemon.id)


def test_a_command_that_fails_is_kept_as_failed(master: Master, minion: Node) -> None:
    # When
    master.salt(minion.daemon, "cmd.run", "echo broken; exit 3")

    # Then
    master.history.wait_for(1, "eventsd_returns", "fun = 'cmd.run' AND minion_id = :id", id=minion.daemon.id)
    (returned,) = _returns(master, minion, "cmd.run")
    assert (json.loads(returned["return"]), returned["retcode"], returned["success"]) == ("broken", 3, 0)


@pytest.mark.smoke
def test_each_state_of_a_state_run_is_a_row(master: Master, minion: Node) -> None:
    # Given
    with master.daemon.state_tree.base.temp_file("broken.sls", BROKEN_SLS):
        # When
        answer = master.salt(minion.daemon, "state.sls", "broken")

    # Then
    assert answer.returncode != 0
    master.history.wait_for(2, "eventsd_states", "minion_id = :id", id=minion.daemon.id)
    of_it = "SELECT * FROM eventsd_states WHERE minion_id = :id ORDER BY run_num"
    states = master.history.rows(of_it, id=minion.daemon.id)
    assert [(row["sls"], row["state_id"], row["state"], row["result"], row["changed"]) for row in states] == [
        ("broken", "works", "test.succeed_with_changes", 1, 1),
        ("broken", "fails", "test.fail_without_changes", 0, 0),
    ]
    (returned,) = _returns(master, minion, "state.sls")
    assert not returned["success"]


def test_a_runner_is_a_job_with_a_return(master: Master) -> None:
    # When
    master.run("test.arg", "of a runner")

    # Then
    master.history.wait_for(1, "eventsd_jobs", "fun = 'runner.test.arg' AND kind = 'runner'")
    master.history.wait_for(1, "eventsd_returns", "fun = 'runner.test.arg' AND success = 1")


def test_status_is_well_in_plain_output_and_json(master: Master, minion: Node) -> None:
    # Given
    master.salt(minion.daemon, "test.ping")
    master.history.wait_for(1, "eventsd_minions", "minion_id = :id", id=minion.daemon.id)

    # When
    plain = master.run("eventsd.status", "--out=nested")
    status = master.run("eventsd.status", "--out=json")

    # Then
    assert (plain.returncode, status.returncode) == (0, 0)
    assert "running:" in plain.stdout
    assert (status.data["state"], status.data["running"], status.data["notes"]) == ("well", True, [])
    assert status.data["pid"] == master.engine.pid
    assert status.data["bus"]["connected"]
    assert status.data["workers"]["history"]["state"] == "ok"


def test_status_at_a_terminal_is_a_page_and_a_job_that_succeeded(master: Master) -> None:
    # When
    shown = master.terminal("eventsd.status")

    # Then
    assert shown.returncode == 0
    assert shown.stdout.startswith("eventsd is well, running since ")
    answered = "fun = 'runner.eventsd.status' AND success = 1 AND return LIKE '%eventsd is well%'"
    master.history.wait_for(1, "eventsd_returns", answered)


def test_check_finds_the_defaults_right(master: Master) -> None:
    # When
    found = master.run("eventsd.check")

    # Then
    assert (found.returncode, found.data["config"], found.data["problems"]) == (0, "right", [])


def test_an_engine_in_a_minion_keeps_what_is_fired_on_the_minions_own_bus(master: Master, minion: Node) -> None:
    # When
    master.salt(minion.daemon, "event.fire", '{"smoke": true}', "company/alarm/kitchen")

    # Then
    minion.history.wait_for(1, "eventsd_events", "tag = 'company/alarm/kitchen'")
    (event,) = minion.history.rows("SELECT data, master_id FROM eventsd_events")
    assert json.loads(event["data"])["smoke"] is True
    assert event["master_id"] == minion.daemon.id
