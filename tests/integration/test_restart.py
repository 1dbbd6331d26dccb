"""
What the spool is for: the engine dies, or the master stops, and what was read is still there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from salt_eventsd.spool.keep import Spool
from tests.integration.conftest import StartMaster
from tests.support.nodes import Master, sqlite_history
from tests.support.salt import wait_until

#: No batch is written before it is so old, so that a killed engine leaves all it has read to its spool.
PATIENT_SECONDS = 6.0
#: What may be under way on a busy machine when the engine dies: a group commit of 0.1 s, and the bus before it.
UNDER_WAY_SECONDS = 1.0


class Fired:
    """Returns fired one after the other until told to stop, each with when it was fired."""

    def __init__(self, master: Master, jid: str, pause_seconds: float) -> None:
        self.moments: dict[str, float] = {}
        self._master = master
        self._jid = jid
        self._pause = pause_seconds
        self._stop = threading.Event()

    @contextmanager
    def firing(self) -> Iterator[Fired]:
        """Fire in a thread of its own while the block runs."""
        thread = threading.Thread(target=self._fire)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _fire(self) -> None:
        # The bus may end under it: a stopped master takes no more.
        with suppress(OSError), self._master.bus() as bus:
            for number in range(1_000_000):
                if self._stop.is_set():
                    return
                name = f"m{number}"
                bus.fire_returns(self._jid, [name])
                self.moments[name] = time.monotonic()
                if self._pause:
                    time.sleep(self._pause)


def test_a_killed_engine_is_started_again_and_finds_its_spool(start_master: StartMaster) -> None:
    patient = sqlite_history(batch={"seconds": PATIENT_SECONDS, "events": 100_000})
    with start_master("killed", eventsd={"workers": patient, "state_timer": 0.5}) as master:
        # Given
        engine = master.engine
        fired = Fired(master, "1001", pause_seconds=0.001)

        # When
        with fired.firing():
            time.sleep(3)
            killed = time.monotonic()
            engine.kill()
            written = master.history.count("eventsd_returns")
            master.wait_until_listening(other_than=engine.pid)
            with master.bus() as bus:
                bus.fire_returns("1002", ["the-last"])

        # Then
        assert written == 0
        master.history.wait_for(1, "eventsd_returns", "jid = '1002'", timeout_seconds=PATIENT_SECONDS + 10)
        kept = [row["minion_id"] for row in master.history.rows("SELECT minion_id FROM eventsd_returns")]
        before = {name for name, moment in fired.moments.items() if moment < killed - UNDER_WAY_SECONDS}
        assert len(before) > 100
        assert before - set(kept) == set()
        assert len(kept) == len(set(kept))
        assert master.report()["bus"]["lost"] == 0


def test_an_engine_killed_while_it_writes_doubles_nothing(start_master: StartMaster) -> None:
    hasty = sqlite_history(batch={"seconds": 0.05, "events": 50})
    events = {"all": {"tag": "salt/job/", "into": "events"}}
    with start_master("interrupted", eventsd={"workers": hasty, "events": events, "state_timer": 0.5}) as master:
        # Given
        engine = master.engine
        fired = Fired(master, "1001", pause_seconds=0.001)

        # When
        with fired.firing():
            wait_until(lambda: master.history.count("eventsd_events"), "row", 30.0)
            killed = time.monotonic()
            engine.kill()
            master.wait_until_listening(other_than=engine.pid)
            with master.bus() as bus:
                bus.fire_returns("1002", ["the-last"])

        # Then
        master.history.wait_for(1, "eventsd_events", "tag LIKE '%the-last'")
        kept = [row["tag"].rpartition("/")[2] for row in master.history.rows("SELECT tag FROM eventsd_events")]
        before = {name for name, moment in fired.moments.items() if moment < killed - UNDER_WAY_SECONDS}
        assert before - set(kept) == set()
        assert len(kept) == len(set(kept))


def test_a_stopped_master_takes_its_engine_along_and_nothing_read_is_lost(start_master: StartMaster) -> None:
    patient = sqlite_history(batch={"seconds": 600, "events": 1_000_000})
    with start_master("stopped", eventsd={"workers": patient}) as master:
        # Given
        engine = master.engine
        fired = Fired(master, "1001", pause_seconds=0)

        # When
        with fired.firing():
            time.sleep(1)
            stopped = time.monotonic()
            psutil.Process(master.daemon.pid).terminate()
            psutil.wait_procs([engine], timeout=10)
            seconds = time.monotonic() - stopped

        # Then
        assert not engine.is_running()
        assert seconds <= 4
        report = master.report()
        bus = report["bus"]
        assert report["ended"]
        assert bus["lost"] == 0
        assert bus["matched"] > 100
        assert bus["matched"] + bus["ignored"] == bus["received"]
        spool = Spool(Path(report["spool"]["dir"]))
        assert spool.totals()["history"].events == bus["matched"]
        spool.close()
