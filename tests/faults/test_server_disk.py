"""The disk of the database server is full: events wait in the spool, and are written when there is room again."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.conftest import _installed
from tests.faults.conftest import StartRig
from tests.support.binaries import hand_over
from tests.support.disks import fill, mounted
from tests.support.kinds import MARIADB, POSTGRESQL, long
from tests.support.salt import wait_until
from tests.support.servers import MariaDB, PostgreSQL
from tests.support.targets import Target

_MIB = 2**20
#: An empty MariaDB has about 100 MiB with logs as small as it takes.
_SERVER_BYTES = 160 * _MIB


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that the servers' user reaches, too."""
    with tempfile.TemporaryDirectory(prefix="eventsd-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def postgresql_on(folder: Path, request: pytest.FixtureRequest) -> Iterator[Target]:
    """Only the table's files are there: without room for its log, a PostgreSQL server ends."""
    server: PostgreSQL = request.getfixturevalue("postgresql")
    target = Target(server.new_database(), server)
    target.make_tables()
    hand_over(folder)
    server.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
    target.execute("ALTER TABLE eventsd_returns SET TABLESPACE small")
    yield target
    target.execute("ALTER TABLE eventsd_returns SET TABLESPACE pg_default")
    server.execute("DROP TABLESPACE small")


@contextmanager
def mariadb_on(folder: Path, request: pytest.FixtureRequest) -> Iterator[Target]:
    """A server of its own, with all its files there."""
    server = _installed(MariaDB, request.config, innodb_log_file_size="8M", innodb_buffer_pool_size="32M")
    server.place = folder
    hand_over(folder)
    with server:
        target = Target(server.new_database(), server)
        target.make_tables()
        yield target


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        pytest.param(postgresql_on, 8 * _MIB, id="postgresql", marks=POSTGRESQL.marks),
        pytest.param(mariadb_on, _SERVER_BYTES, id="mariadb", marks=long(MARIADB).marks),
    ],
)
def test_a_full_disk_buries_nothing(
    kind: Callable[..., AbstractContextManager[Target]],
    size: int,
    start_rig: StartRig,
    request: pytest.FixtureRequest,
    public_folder: Path,
) -> None:
    with mounted(public_folder / "disk", size) as disk, kind(disk, request) as target:
        # Given
        rig = start_rig(target)
        rig.lives(20)
        stream = rig.stream(per_second=300, **{"return": "x" * 5000})
        filler = disk / "filler"
        fill(filler, leave=2 * _MIB)

        # When
        with stream.firing():
            wait_until(lambda: rig.engine.worker()["state"] != "ok", "worker that notices", 60)
            error = rig.engine.worker()["last_error"]
            time.sleep(2)
            during = rig.engine.worker()
        filler.unlink()
        assert target.server
        if not target.server.running:
            # Some servers do not outlive a full disk; somebody starts them again.
            target.server.restart()

        # Then
        rig.lives(45)
        assert rig.conserved(stream) == 0
        assert (during["state"], during["dead_letters"]) == ("retrying", 0), error
        assert during["queued_events"] > 0
        assert rig.engine.worker()["dead_letters"] == 0
