"""An archive that is killed while it deletes: nothing is lost, whether it is in a file or still in the database."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.functional.database.test_archive import archive, content, opts_of
from tests.support.aged import Answer, jid_of, job_events
from tests.support.stores import Database, batch_of

_COMMAND = """
import json, sys
from salt_eventsd.operate.archive import archive
archive(json.loads(sys.argv[1]), before="90d", to=sys.argv[2], purge=True)
"""


def test_what_was_killed_is_whole(tmp_path: Path) -> None:
    # Given many old jobs
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    worker = database.worker()
    for number in range(1, 9):
        events = [one for _ in range(400) for one in job_events(jid_of(100), 100, Answer("web1", 100, states=2))]
        worker.write(batch_of(events, first=number))
    database.close()
    before = content(database)
    first, second = tmp_path / "first.zst", tmp_path / "second.zst"

    # When an archive is killed once it deletes
    command = [sys.executable, "-c", _COMMAND, json.dumps(opts_of(database)), str(first)]
    process = subprocess.Popen(command)
    until = time.monotonic() + 120
    while len(database.rows("returns")) == len(before["returns"]) and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()

    # Then some rows are left; the lock of the dead expires, and the rest goes into another file
    left = len(database.rows("returns"))
    assert 0 < left < len(before["returns"])
    database.execute("UPDATE eventsd_locks SET until = 1")
    assert archive(database, before="90d", to=str(second), purge=True)["retcode"] == 0
    assert database.rows("returns") == []
    for path in (second, first):
        assert archive(database, restore=str(path))["retcode"] == 0
    assert content(database) == before
