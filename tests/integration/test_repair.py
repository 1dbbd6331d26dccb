"""Jobs that run while the engine is dead come out of Salt's own job cache, as the bus would have brought them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest
import salt.client

from tests.integration.conftest import StartMaster
from tests.support.nodes import Master, minion_config, sqlite_history
from tests.support.salt import wait_until

_FAILS = """
good:
  test.succeed_with_changes
bad:
  test.fail_without_changes
"""
#: A function and its arguments.
JOBS: list[tuple[Any, Any]] = [
    ("test.ping", ()),
    ("state.sls", ("fails",)),
    (["test.ping", "test.arg"], [[], ["x"]]),
    ("cmd.run_all", ("echo gone; exit 3",)),
    ("test.arg", ("a", 1, None, {"n": [1, 2]})),
    ("test.no_such_function", ()),
]
#: After a gap the engine waits some ten seconds until it asks.
REPAIRED_SECONDS = 60.0
_COLUMNS = "jid, minion_id, fun, fun_args, retcode, success, test, return, digest"
# Salt's client leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module", params=["local_cache", "eventsd"])
def pair(request: pytest.FixtureRequest, start_master: StartMaster) -> Iterator[tuple[Master, str]]:
    """A master with Salt's own job cache or ours, and its minion."""
    options = {"workers": sqlite_history(batch={"seconds": 0.1}), "state_timer": 0.5}
    with start_master(f"of-{request.param}", eventsd=options, master_job_cache=request.param) as master:
        minion = master.daemon.salt_minion_daemon(f"minion-{request.param}", overrides=minion_config())
        with master.daemon.state_tree.base.temp_file("fails.sls", _FAILS), minion.started():
            yield master, minion.id


def _run_jobs(master: Master, minion_id: str) -> set[str]:
    jids = set()
    with salt.client.LocalClient(mopts=dict(master.daemon.config)) as client:
        for fun, args in JOBS:
            for found in client.cmd_iter(minion_id, fun, args, timeout=30, full_return=True):
                jids.update(answer["jid"] for answer in found.values())
    return jids


def _returned(master: Master, jids: set[str]) -> list[dict[str, Any]]:
    rows = master.history.rows(f"SELECT {_COLUMNS} FROM eventsd_returns ORDER BY jid, minion_id")
    return [row for row in rows if row["jid"] in jids]


def test_a_dead_engine_misses_nothing(pair: tuple[Master, str]) -> None:
    # Given
    master, minion_id = pair
    heard = _run_jobs(master, minion_id)
    wait_until(lambda: len(_returned(master, heard)) == len(JOBS), "the returns of the first jobs", 30)
    dead = master.engine

    # When the engine is killed, and jobs run; Salt needs some seconds to start another one
    dead.kill()
    missed = _run_jobs(master, minion_id)
    master.wait_until_listening(other_than=dead.pid)

    # Then
    def repaired() -> bool:
        gaps = master.report()["bus"]["gaps"]
        return bool(gaps) and gaps[-1]["repaired"] is not None

    wait_until(repaired, "the repair of the gap", REPAIRED_SECONDS)
    wait_until(lambda: len(_returned(master, missed)) == len(JOBS), "the returns of the jobs that were missed", 30)
    gap = master.report()["bus"]["gaps"][-1]
    assert gap["repaired"] >= 2
    assert len(_returned(master, heard)) == len(JOBS)
    for jid in heard | missed:
        assert master.history.count("eventsd_jobs", "jid = :jid", jid=jid) == 1
    status = master.status().data
    assert status["bus"]["gaps"][-1]["repaired"] == gap["repaired"]
    # A page breaks its lines between words.
    page = " ".join(master.terminal("eventsd.status").stdout.split())
    assert f"{gap['repaired']} repaired" in page
    # Nothing can be missing: the rules take jobs and returns alone
    assert (gap["missing"], gap["seen"], gap["beside_jobs"]) == (0, True, 0)
    assert (status["retcode"], status["notes"]) == (0, [])

    # Then whoever asks for a repair is told the same
    asked = master.run("eventsd.repair")
    assert asked.returncode == 0
    assert asked.data["source"] == master.daemon.config["master_job_cache"]
    assert asked.data["repair"][-1]["unknown"] == 0
    assert asked.data["repair"][-1]["repaired_by_engine"] == gap["repaired"]


def test_an_import_finds_all_there(pair: tuple[Master, str]) -> None:
    master, _ = pair
    if master.daemon.config["master_job_cache"] == "eventsd":
        pytest.skip("our own job cache is the history")
    told = master.run("eventsd.import_jobs", dry_run=True).data
    assert (told["added"], told["unreadable"]) == ({"jobs": 0, "returns": 0}, 0)
    assert told["known"]["returns"] >= 2 * len(JOBS)


def test_what_is_imported_is_what_the_bus_has_brought(pair: tuple[Master, str]) -> None:
    # Given a history that the bus has brought, and that was lost
    master, minion_id = pair
    if master.daemon.config["master_job_cache"] == "eventsd":
        pytest.skip("our own job cache is the history")
    jids = _run_jobs(master, minion_id)
    wait_until(lambda: len(_returned(master, jids)) == len(JOBS), "the returns of the jobs", 30)
    by_bus = _returned(master, jids)
    states = _states(master, jids)
    with sqlite3.connect(master.cachedir / "eventsd" / "history.db", timeout=30) as history:
        for table in ("jobs", "returns", "states"):
            history.execute(f"DELETE FROM eventsd_{table}")

    # When what is young may no longer be on its way from the bus
    time.sleep(11)
    found = master.run("eventsd.import_jobs", since="1h")
    again = master.run("eventsd.import_jobs")

    # Then
    assert (found.returncode, again.returncode) == (0, 0)
    assert _returned(master, jids) == by_bus
    assert _states(master, jids) == states
    assert again.data["added"]["returns"] == 0
    job = master.history.rows("SELECT * FROM eventsd_jobs WHERE jid = :jid", jid=min(jids))[0]
    assert (job["kind"], json.loads(job["minions"])) == ("job", [minion_id])


def _states(master: Master, jids: set[str]) -> list[dict[str, Any]]:
    rows = master.history.rows(
        "SELECT jid, run_num, sls, state_id, state, name, result, changed, comment, changes, test, fun"
        " FROM eventsd_states ORDER BY jid, run_num"
    )
    return [row for row in rows if row["jid"] in jids]
