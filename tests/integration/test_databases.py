"""
One line of config puts the history into PostgreSQL or MariaDB, and it may be away for a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.conftest import StartMaster
from tests.support.nodes import Master, minion_config
from tests.support.salt import History, wait_until
from tests.support.servers import PostgreSQL, Server

#: Retries back off while a database is away.
RETRY_SECONDS = 60.0


@dataclass
class Elsewhere:
    """A master whose history is on a server, and the server."""

    master: Master
    server: Server
    history: History


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("postgresql", marks=pytest.mark.database("postgresql")),
        pytest.param("mariadb", marks=pytest.mark.database("mariadb")),
    ],
)
def elsewhere(request: pytest.FixtureRequest, start_master: StartMaster) -> Iterator[Elsewhere]:
    """A master with the history on a server of each kind."""
    server: Server = request.getfixturevalue(request.param)
    url = server.new_database()
    with start_master(f"on-{request.param}", eventsd={"workers": {"history": {"url": url}}}) as master:
        yield Elsewhere(master, server, History(url))


def test_one_line_of_config_moves_the_history(elsewhere: Elsewhere) -> None:
    # Given
    master, history = elsewhere.master, elsewhere.history
    minion: Any = master.daemon.salt_minion_daemon(f"worker-{master.daemon.id}", overrides=minion_config())

    # When
    with minion.started():
        ping = master.salt(minion, "test.ping")
        state = master.salt(minion, "state.single", "test.fail_without_changes", "name=broken")
    status = master.status()

    # Then
    assert ping.data is True
    assert state.returncode != 0
    history.wait_for(1, "eventsd_jobs", "fun = 'test.ping' AND kind = 'job'")
    history.wait_for(1, "eventsd_returns", "fun = 'test.ping' AND minion_id = :id AND success", id=minion.id)
    history.wait_for(1, "eventsd_states", "minion_id = :id AND name = 'broken' AND NOT result", id=minion.id)
    history.wait_for(1, "eventsd_minions", "minion_id = :id", id=minion.id)
    history.wait_for(1, "eventsd_jobs", "fun = 'runner.eventsd.status' AND kind = 'runner'")
    assert status.returncode == 0
    assert not (master.cachedir / "eventsd" / "history.db").exists()


def test_a_server_that_is_stopped_delays_events_and_loses_none(elsewhere: Elsewhere) -> None:
    # Given
    master, history = elsewhere.master, elsewhere.history
    minion_ids = [f"m{number}" for number in range(500)]

    # When
    elsewhere.server.stop()
    try:
        with master.bus() as bus:
            bus.fire_returns("5001", minion_ids)
        wait_until(lambda: master.report()["workers"]["history"]["state"] == "retrying", "retry of the worker")
        status, check = master.status(), master.run("eventsd.check")
    finally:
        elsewhere.server.start()

    # Then
    assert (status.returncode, check.returncode) == (1, 1)
    assert status.data["workers"]["history"]["queued_events"] >= len(minion_ids)
    assert any(problem.startswith("eventsd: workers.history: ") for problem in check.data["problems"])
    history.wait_for(len(minion_ids), "eventsd_returns", "jid = '5001'", timeout_seconds=RETRY_SECONDS)
    wait_until(lambda: master.status().returncode == 0, "status that is well again")


@pytest.mark.database("postgresql")
def test_a_server_that_comes_up_after_the_master_gets_everything(
    start_master: StartMaster, postgresql: PostgreSQL
) -> None:
    # Given
    url = postgresql.new_database()
    postgresql.stop()

    # When
    try:
        with start_master("early", eventsd={"workers": {"history": {"url": url}}}) as master:
            with master.bus() as bus:
                bus.fire_returns("5002", ["first", "second"])
            wait_until(lambda: master.report()["workers"]["history"]["state"] == "retrying", "retry of the worker")
            status = master.status()
            postgresql.start()

            # Then
            assert status.returncode == 1
            assert "throwaway" not in status.stdout
            History(url).wait_for(2, "eventsd_returns", "jid = '5002'", timeout_seconds=RETRY_SECONDS)
    finally:
        if not postgresql.running:
            postgresql.start()
