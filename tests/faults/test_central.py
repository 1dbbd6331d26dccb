"""
Two masters, a cluster of three brokers, three writers and PostgreSQL: what breaks is made up for, and nothing is lost
or doubled. The unique key does not help here: a trigger notes each insert.

``EVENTSD_KILLS=200`` kills as many writers, ``EVENTSD_NODE_KILLS=40`` as many nodes.
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest

from tests.faults.conftest import STREAM, StartLine
from tests.support.central import Line
from tests.support.kinds import POSTGRESQL
from tests.support.nats_cluster import NatsCluster
from tests.support.salt import wait_until
from tests.support.targets import Target

KILLS = int(os.environ.get("EVENTSD_KILLS", "6"))
NODE_KILLS = int(os.environ.get("EVENTSD_NODE_KILLS", "6"))
#: A writer needs two seconds to start; then it is killed in the middle of batches, or before the first.
LIFE_SECONDS = (0.5, 5.0)
TEN_MINUTES = 600


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_nodes_that_are_killed_or_stand_still_cost_nothing(start_line: StartLine, cluster: NatsCluster) -> None:
    # Given
    line = start_line()

    # When
    with line.firing():
        leader = cluster.leader_of(STREAM)
        leader.kill()
        line.lives()
        leader.start()
        cluster.wait_current(STREAM)
        other = cluster.leader_of(STREAM)
        parted = [other, next(node for node in cluster.nodes if node is not other)]
        for node in parted:
            node.pause()
        wait_until(lambda: all(one.waiting > 400 for one in line.masters), "spools that grow", 60)
        for node in parted:
            node.resume()
        line.lives()
        cluster.wait_current(STREAM)
        for node in cluster.nodes[1:]:
            node.kill()
        wait_until(lambda: all(one.waiting > 400 for one in line.masters), "spools that grow", 60)
        for node in cluster.nodes[1:]:
            node.start()
        cluster.wait()

    # Then
    line.lives()
    line.conserved()


@pytest.mark.timeout(120 + 12 * KILLS)
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_writers_that_are_killed_at_any_point_double_nothing(start_line: StartLine) -> None:
    # Given
    line = start_line()
    draw = random.Random(KILLS)

    # When
    with line.firing():
        for number in range(KILLS):
            time.sleep(draw.uniform(*LIFE_SECONDS) / len(line.writers))
            line.writers[number % len(line.writers)].kill()
            line.writers[number % len(line.writers)].start()

    # Then
    line.lives()
    line.conserved()


@pytest.mark.timeout(120 + 60 * NODE_KILLS)
@pytest.mark.long
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_nodes_that_are_killed_again_and_again_cost_nothing(start_line: StartLine, cluster: NatsCluster) -> None:
    # Given
    line = start_line()
    draw = random.Random(NODE_KILLS)

    # When
    with line.firing():
        for number in range(NODE_KILLS):
            node = cluster.leader_of(STREAM) if number % 2 else draw.choice(cluster.nodes)
            node.kill()
            time.sleep(draw.uniform(0.0, 6.0))
            node.start()
            cluster.wait_current(STREAM)

    # Then
    line.lives()
    line.conserved()


@pytest.mark.timeout(240)
@pytest.mark.long
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_without_the_database_the_stream_holds_all(start_line: StartLine, target: Target) -> None:
    # Given
    assert target.server
    line = start_line()

    # When: as many events come as ten minutes bring, at 100 a second on each master
    target.server.stop()
    for _ in range(TEN_MINUTES):
        for master in line.masters:
            master.keep(100)
    for master in line.masters:
        wait_until(lambda master=master: not master.waiting, "masters that wait for no database", 120)
    target.server.start()

    # Then
    line.lives()
    line.conserved()
    assert [one.report()["workers"]["history"]["counts"]["buried"] for one in line.writers] == [0, 0, 0]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
@pytest.mark.parametrize("confirm", ["database", pytest.param("broker", marks=pytest.mark.long)])
def test_a_stream_that_is_wiped(
    start_line: StartLine, cluster: NatsCluster, confirm: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Given: parcels that no writer has.
    line = start_line(confirm=confirm)
    wait_until(lambda: not _messages(cluster), "empty stream", 60)
    for writer in line.writers:
        writer.send(signal.SIGSTOP)
    for master in line.masters:
        master.keep(500)
    wait_until(lambda: _messages(cluster) >= len(line.masters), "parcels in the stream", 60)

    # When
    cluster.wipe_stream(STREAM)
    for master in line.masters:
        master.keep(10)
    for writer in line.writers:
        writer.send(signal.SIGCONT)

    # Then
    if confirm == "database":
        line.lives()
        line.conserved()
        return
    line.lives()
    lost, doubled = line.lost_and_doubled(5)
    assert 0 < lost <= 1000
    assert doubled == 0
    assert "went with it" in caplog.text


@pytest.mark.timeout(240)
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_a_parcel_that_comes_again_under_another_id_is_written_once(
    start_line: StartLine, cluster: NatsCluster
) -> None:
    # Given
    line = start_line(masters=1, writers=2)
    seen = _sent_again(cluster, line)

    # Then
    line.lives()
    assert seen > 0
    line.conserved()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_without_receipts_it_would_be_written_twice(
    start_line: StartLine, cluster: NatsCluster, target: Target
) -> None:
    # Given
    target.execute(
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER forgetful BEFORE INSERT ON eventsd_receipts FOR EACH ROW EXECUTE FUNCTION forget()",
    )
    line = start_line(masters=1, writers=2)

    # When
    _sent_again(cluster, line)

    # Then
    line.lives()
    wait_until(lambda: line.lost_and_doubled(0)[1] >= 500, "doubles", 60)


def _messages(cluster: NatsCluster) -> int:
    return int(cluster.ask(lambda js: js.stream_info(STREAM)).state.messages)


def _sent_again(cluster: NatsCluster, line: Line) -> int:
    """Stop the writers, keep some events, and publish each of their parcels twice more under ids of their own."""
    wait_until(lambda: not _messages(cluster), "empty stream", 60)
    for writer in line.writers:
        writer.send(signal.SIGSTOP)
    for master in line.masters:
        master.keep(500)
    wait_until(lambda: _messages(cluster) >= len(line.masters), "parcels in the stream", 60)

    async def again(js: Any) -> int:
        state = (await js.stream_info(STREAM)).state
        found = [await js.get_msg(STREAM, number) for number in range(state.first_seq, state.last_seq + 1)]
        for number in range(2):
            for one in found:
                headers = {**(one.headers or {}), "Nats-Msg-Id": f"again-{number}-{one.seq}"}
                await js.publish(one.subject, one.data, headers=headers)
        return len(found)

    count = cluster.ask(again)
    for writer in line.writers:
        writer.send(signal.SIGCONT)
    return int(count)
