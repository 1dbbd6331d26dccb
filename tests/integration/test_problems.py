"""
What an operator gets wrong, or what is away, harms neither the master nor the events.
"""

from __future__ import annotations

import time

from tests.integration.conftest import StartMaster
from tests.support.nodes import minion_config, sqlite_history
from tests.support.salt import wait_until

WRONG = {
    "comit_seconds": 1,
    "events": {
        "jobs": {"tag": r"salt/job/(\d+", "worker": "history", "into": "jobs"},
        "returns": {"tag": r"salt/job/\d+/ret/", "worker": "histroy", "into": "returns"},
    },
    "workers": sqlite_history(),
}
#: Longer than the 10 s after which Salt starts a dead engine again.
LOOP_SECONDS = 15


def test_a_wrong_config_leaves_the_master_alone_and_the_engine_idle(start_master: StartMaster) -> None:
    with start_master("wrong", listening=False, eventsd=WRONG) as master:
        # Given
        since = time.monotonic()
        pid = wait_until(master.report, "report of an idle engine")["pid"]
        minion = master.daemon.salt_minion_daemon("worker-of-wrong", overrides=minion_config())

        # When
        with minion.started():
            ping = master.salt(minion, "test.ping")
        status = master.status()
        check = master.run("eventsd.check")

        # Then
        assert ping.data is True
        assert (status.returncode, check.returncode) == (2, 2)
        assert status.data["state"] == "idle, the config is wrong"
        for key in ("eventsd: comit_seconds: ", "eventsd: events.jobs.tag: ", "eventsd: events.returns.worker: "):
            assert any(note.startswith(key) for note in status.data["notes"]), status.data["notes"]
            assert any(problem.startswith(key) for problem in check.data["problems"]), check.data["problems"]
            assert master.log.count(key) == 1
        time.sleep(max(0.0, LOOP_SECONDS - (time.monotonic() - since)))
        assert master.engine.is_running()
        assert master.report()["pid"] == pid
