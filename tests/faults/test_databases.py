"""
The database is killed, frozen, locked, read-only or full of connections, its tables are gone: events wait, and are
written once when it is well again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import sqlalchemy as sa

from tests.faults.conftest import StartRig
from tests.support.kinds import MARIADB, POSTGRESQL
from tests.support.proxy import CommitCutter
from tests.support.rig import Rig
from tests.support.salt import wait_until
from tests.support.targets import Target

#: The backoff's cap is 30 s.
RECOVERY_SECONDS = 40.0
FROZEN_SECONDS = 8.0


def restarted(target: Target) -> None:
    assert target.server
    target.server.restart()


def killed(target: Target) -> None:
    assert target.server
    target.server.kill()
    time.sleep(1)
    target.server.start()


def frozen(target: Target) -> None:
    assert target.server
    target.server.pause()
    time.sleep(FROZEN_SECONDS)
    target.server.resume()


@pytest.mark.parametrize("fault", [restarted, killed, frozen])
@pytest.mark.parametrize("target", [POSTGRESQL, MARIADB], indirect=True)
def test_a_server_that_goes_away_under_load_costs_nothing(
    rig: Rig, target: Target, fault: Callable[[Target], None]
) -> None:
    # Given
    stream = rig.stream()

    # When
    with stream.firing():
        time.sleep(1)
        fault(target)
        time.sleep(0.5)

    # Then
    rig.lives(RECOVERY_SECONDS)
    assert rig.conserved(stream) == 0
    assert rig.engine.worker()["dead_letters"] == 0
    assert rig.engine.report()["bus"]["lost"] == 0


@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_a_commit_whose_answer_is_lost_is_not_done_twice(target: Target, start_rig: StartRig) -> None:
    with CommitCutter(sa.make_url(target.url).port) as proxy:
        # Given
        through = sa.make_url(target.url).set(port=proxy.port).render_as_string(hide_password=False)
        worker = target.worker(url=through)
        rig = start_rig(target, workers={"history": worker})
        stream = rig.stream()
        rig.lives(20)

        # When
        with stream.firing():
            for cuts in range(1, 4):
                proxy.cut_next()
                wait_until(lambda cuts=cuts: proxy.cuts == cuts, "lost answer")

        # Then
        rig.lives(RECOVERY_SECONDS)
        assert rig.conserved(stream) == 0
        assert rig.engine.worker()["dead_letters"] == 0


@contextmanager
def table_locked(target: Target) -> Iterator[None]:
    with sa.create_engine(target.url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("LOCK TABLE eventsd_returns IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def table_missing(target: Target) -> Iterator[None]:
    target.execute("ALTER TABLE eventsd_returns RENAME TO eventsd_elsewhere")
    yield
    target.execute("ALTER TABLE eventsd_elsewhere RENAME TO eventsd_returns")


@contextmanager
def read_only(target: Target) -> Iterator[None]:
    assert target.server
    name = sa.make_url(target.url).database
    target.server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    _disconnect(target)
    yield
    target.server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    _disconnect(target)


@contextmanager
def no_permission(target: Target) -> Iterator[None]:
    target.execute("REVOKE INSERT ON eventsd_returns FROM clerk")
    yield
    target.execute("GRANT INSERT ON eventsd_returns TO clerk")


@contextmanager
def out_of_connections(target: Target) -> Iterator[None]:
    assert target.server
    name = sa.make_url(target.url).database
    target.server.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0", "ALTER ROLE clerk CONNECTION LIMIT 0")
    _disconnect(target)
    yield
    target.server.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1", "ALTER ROLE clerk CONNECTION LIMIT -1")


def _disconnect(target: Target) -> None:
    assert target.server
    target.server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'salt-eventsd'"
    )


@pytest.fixture
def clerk(target: Target) -> str:
    """The URL of the target for a user who may only do what the engine must; limits do not apply to superusers."""
    assert target.server
    with suppress(sa.exc.ProgrammingError):
        target.server.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
    target.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO clerk",
    )
    return sa.make_url(target.url).set(username="clerk", password="clerk").render_as_string(hide_password=False)


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        pytest.param(table_locked, "ok", id="table locked"),
        pytest.param(table_missing, "held", id="table missing"),
        pytest.param(no_permission, "held", id="no permission"),
        pytest.param(read_only, "retrying", id="read-only"),
        pytest.param(out_of_connections, "retrying", id="out of connections"),
    ],
)
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_a_fault_that_refuses_everything_buries_nothing(
    target: Target, clerk: str, start_rig: StartRig, fault: Callable[[Target], Iterator[None]], state: str
) -> None:
    # Given
    rig = start_rig(target, workers={"history": target.worker(url=clerk)})
    stream = rig.stream(per_second=200)
    rig.lives(20)

    # When
    with stream.firing():
        time.sleep(0.3)
        with fault(target):
            wait_until(lambda: rig.engine.worker()["state"] == state, f"worker that is {state}")
            time.sleep(4)
            during = rig.engine.worker()

    # Then
    rig.lives(RECOVERY_SECONDS)
    assert rig.conserved(stream) == 0
    assert during["queued_events"] > 0
    assert during["dead_letters"] == 0
    assert rig.engine.worker()["dead_letters"] == 0
    wait_until(lambda: rig.engine.worker()["state"] == "ok", "worker that is well")
    assert rig.engine.log.count(" ERROR ") == (0 if state == "ok" else 1)
