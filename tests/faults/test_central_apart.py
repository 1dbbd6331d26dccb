"""
Masters, writers and nodes that do not agree: on the time, on the version, on what a consumer has handed out. Nothing is
lost or doubled, and all goes on.
"""

from __future__ import annotations

import pytest

from salt_eventsd.backends.broker import parcel
from tests.faults.conftest import STREAM, StartLine
from tests.support.kinds import POSTGRESQL
from tests.support.nats_cluster import NatsCluster
from tests.support.salt import wait_until

_HOURS = 5 * 3600
#: A process whose clock is off. What it imports later asks the same clock.
_SET_CLOCK = """
import datetime, time
_right = time.time
time.time = lambda: _right() + {seconds}
class _Moment(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = _Moment
"""
#: What is left to newer writers comes again soon.
_OLDER = "import salt_eventsd.writer.carry.hand as hand; hand.TOO_NEW_SECONDS = 2"
_NEWER = "import salt_eventsd.backends.broker.parcel as parcel; parcel.VERSION = 2"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_clocks_that_are_hours_apart_cost_nothing_and_raise_no_alarm(start_line: StartLine) -> None:
    # Given: a writer whose clock is right, one that is hours ahead, and one that is hours behind
    line = start_line(preludes=["", *(_SET_CLOCK.format(seconds=off) for off in (_HOURS, -_HOURS))])
    wait_until(lambda: all(one.report() for one in line.writers), "reports", 60)
    reported = [one.report()["written"] - line.writers[0].report()["written"] for one in line.writers]
    assert [round(seconds / 3600) for seconds in reported] == [0, 5, -5]

    # When: each of them gets parcels that another one had
    with line.firing():
        for writer in line.writers:
            writer.terminate()
            line.lives()
            writer.start()

    # Then
    line.lives()
    line.conserved()
    wait_until(lambda: not any(one.report()["problems"] for one in line.writers), "writers that are well", 60)


@pytest.mark.timeout(240)
@pytest.mark.long
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_what_newer_masters_send_waits_for_a_newer_writer(
    start_line: StartLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: the third writer is of the version that masters will have, and is not there yet
    line = start_line(preludes=[_OLDER, _OLDER, _NEWER])
    line.writers[2].terminate()

    # When
    monkeypatch.setattr(parcel, "VERSION", 2)
    for master in line.masters:
        master.keep(50)
        wait_until(lambda master=master: not master.waiting, "events that are published", 60)

    # Then: the others leave it alone, and say so, once
    what = "a parcel of version 2; this writer knows those up to 1; such parcels are left to newer writers"
    for older in line.writers[:2]:
        wait_until(lambda older=older: what in str(older.report()["problems"]), "a writer that says it", 60)
        assert older.log.read_text(encoding="utf-8").count(what) == 1
    assert line.lost_and_doubled(0) == (100, 0)

    # When
    line.writers[2].start()
    line.writers[1].terminate()

    # Then
    line.lives()
    line.conserved()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_consumers_that_are_made_anew_hand_out_what_is_there(start_line: StartLine, cluster: NatsCluster) -> None:
    # Given
    line = start_line()

    async def remove(js: object) -> int:
        found = await js.consumers_info(STREAM)
        for one in found:
            await js.delete_consumer(STREAM, one.name)
        return len(found)

    # When: two of three nodes are killed and come back, and consumers go while writers pull
    with line.firing():
        for node in cluster.nodes[1:]:
            node.kill()
        wait_until(lambda: all(one.waiting > 200 for one in line.masters), "spools that grow", 60)
        for node in cluster.nodes[1:]:
            node.start()
        cluster.wait()
        for _ in range(3):
            # A cluster that has just come back does not list all it has.
            wait_until(lambda: cluster.ask(remove) > 0, "consumers", 60)
            line.lives()

    # Then
    line.lives()
    line.conserved()
