"""
Outcomes as a real Salt tells them: several functions at once, salt-call, schedules, batches, dry runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.nodes import Master, Node

_SLS = """
first:
  test.succeed_with_changes
"""


@pytest.fixture(scope="module")
def sls(master: Master) -> Any:
    """An sls that changes something, called changes."""
    with master.daemon.state_tree.base.temp_file("changes.sls", _SLS):
        yield "changes"


def rows(master: Master, query: str, **values: Any) -> list[Any]:
    return master.history.rows(query, **values)


def test_several_functions_in_one_job(master: Master, minion: Node, sls: str) -> None:
    # When
    master.salt(minion.daemon, "cmd.run,state.apply,test.ping", "echo x; exit 3,changes,")

    # Then
    fun = "cmd.run,state.apply,test.ping"
    master.history.wait_for(1, "eventsd_returns", "fun = :fun", fun=fun)
    [row] = rows(master, "SELECT * FROM eventsd_returns WHERE fun = :fun", fun=fun)
    assert (row["retcode"], row["success"], row["test"]) == (3, 0, 0)
    [state] = rows(master, "SELECT * FROM eventsd_states WHERE jid = :jid", jid=row["jid"])
    assert (state["fun"], state["state_id"], state["changed"], state["run_num"]) == ("state.apply", "first", 1, 0)


@pytest.mark.parametrize(
    ("fun", "args"),
    [
        pytest.param("state.test", ["changes"], id="state.test"),
        pytest.param("state.sls_id", ["first", "changes", "test=0"], id="0, which Salt takes for true"),
    ],
)
def test_dry_runs(master: Master, minion: Node, sls: str, fun: str, args: list[str]) -> None:
    # When
    answer = master.salt(minion.daemon, fun, *args)

    # Then
    assert [result["result"] for result in answer.data.values()] == [None]
    where = "fun = :fun AND test"
    master.history.wait_for(1, "eventsd_returns", where, fun=fun)
    [row] = rows(master, f"SELECT * FROM eventsd_returns WHERE {where}", fun=fun)
    [state] = rows(master, "SELECT * FROM eventsd_states WHERE jid = :jid", jid=row["jid"])
    assert (row["success"], state["test"], state["changed"], state["result"]) == (1, 1, 0, None)


def test_what_salt_call_does_is_a_job(master: Master, minion: Node) -> None:
    # When
    minion.daemon.salt_call_cli(timeout=60).run("cmd.run_stdout", "exit 2")

    # Then
    master.history.wait_for(1, "eventsd_jobs", "fun = 'cmd.run_stdout'")
    [row] = rows(master, "SELECT * FROM eventsd_returns WHERE fun = 'cmd.run_stdout'")
    [job] = rows(master, "SELECT * FROM eventsd_jobs WHERE fun = 'cmd.run_stdout'")
    assert (row["retcode"], row["success"]) == (2, 0)
    assert (job["jid"], job["kind"], job["tgt"]) == (row["jid"], "call", minion.daemon.id)
    assert (json.loads(job["minions"]), json.loads(job["arg"])) == ([minion.daemon.id], ["exit 2"])


def test_what_a_schedule_does_is_a_job(master: Master, minion: Node, tmp_path: Path) -> None:
    # When
    master.salt(minion.daemon, "schedule.add", "often", function="test.kwarg", job_kwargs={"a": 1}, seconds=2)

    # Then
    master.history.wait_for(1, "eventsd_jobs", "kind = 'schedule'", timeout_seconds=40)
    master.salt(minion.daemon, "schedule.delete", "often")
    job = rows(master, "SELECT * FROM eventsd_jobs WHERE kind = 'schedule'")[0]
    assert (job["fun"], job["minion_count"], json.loads(job["load"])["schedule"]) == ("test.kwarg", 1, "often")
    assert len(rows(master, "SELECT 1 FROM eventsd_returns WHERE jid = :jid", jid=job["jid"])) == 1


def test_ordinary_jobs_are_none_of_those(master: Master, minion: Node) -> None:
    # When
    master.salt(minion.daemon, "test.echo", "ordinary")

    # Then
    master.history.wait_for(1, "eventsd_jobs", "fun = 'test.echo'")
    assert [job["kind"] for job in rows(master, "SELECT kind FROM eventsd_jobs WHERE fun = 'test.echo'")] == ["job"]
    begun = rows(master, "SELECT fun FROM eventsd_jobs WHERE kind IN ('call', 'schedule')")
    assert {job["fun"] for job in begun} <= {"cmd.run_stdout", "test.kwarg"}


def test_a_batch_is_one_job(master: Master, minion: Node) -> None:
    # Given
    other = master.daemon.salt_minion_daemon("worker-2", overrides={"random_reauth_delay": 1})
    with other.started():
        # When
        master.daemon.salt_cli(timeout=60).run("-b", "1", "test.fib", "3", minion_tgt="worker-*")

        # Then
        master.history.wait_for(2, "eventsd_returns", "fun = 'test.fib'")
    [job] = rows(master, "SELECT * FROM eventsd_jobs WHERE fun = 'test.fib'")
    assert (json.loads(job["minions"]), job["minion_count"]) == ([minion.daemon.id, "worker-2"], 2)
    assert (json.loads(job["tgt"]), job["tgt_type"]) == ([minion.daemon.id, "worker-2"], "list")
