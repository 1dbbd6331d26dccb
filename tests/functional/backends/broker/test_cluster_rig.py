"""What the tests of a cluster stand on: three NATS servers whose streams outlive any one of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig

from tests.support.nats_cluster import NatsCluster

_STREAM = "KEPT"


@pytest.fixture(scope="module")
def cluster(installed: Callable[[type[NatsCluster]], NatsCluster]) -> Iterator[NatsCluster]:
    """Three nodes with a stream of three copies."""
    with installed(NatsCluster) as made:
        settings = StreamConfig(name=_STREAM, subjects=["kept.>"], storage=StorageType.FILE, num_replicas=3)
        made.ask(lambda js: js.add_stream(settings))
        yield made


@pytest.mark.timeout(360)
def test_a_stream_outlives_its_leader(cluster: NatsCluster) -> None:
    # Given
    numbers = itertools.count(1)

    def publish() -> None:
        number = next(numbers)

        async def send(js: JetStreamContext) -> None:
            # The id keeps a message from being there twice that was published again since its answer was lost.
            await js.publish(f"kept.{number}", b"x", headers={"Nats-Msg-Id": str(number)})

        cluster.ask(send)

    for _ in range(10):
        publish()

    # When
    leader = cluster.leader_of(_STREAM)
    leader.kill()
    for _ in range(10):
        publish()

    # Then
    assert cluster.leader_of(_STREAM) is not leader
    leader.start()
    cluster.wait_current(_STREAM)
    assert cluster.ask(lambda js: js.stream_info(_STREAM)).state.messages == 20


@pytest.mark.timeout(360)
def test_a_node_that_stands_still_or_has_lost_its_disk_gets_all_again(cluster: NatsCluster) -> None:
    # Given
    leader = cluster.leader_of(_STREAM)
    first, second = (node for node in cluster.nodes if node is not leader)
    before = cluster.ask(lambda js: js.stream_info(_STREAM)).state.messages

    # When
    first.pause()
    cluster.ask(lambda js: js.publish("kept.more", b"x", headers={"Nats-Msg-Id": "more"}))
    first.resume()
    # Whoever takes two of three at a time has to reckon with losses.
    cluster.wait_current(_STREAM)
    second.wipe()
    second.start()

    # Then
    cluster.wait_current(_STREAM)
    assert cluster.ask(lambda js: js.stream_info(_STREAM)).state.messages == before + 1


@pytest.mark.timeout(360)
def test_without_most_of_its_nodes_a_cluster_takes_nothing(cluster: NatsCluster) -> None:
    # Given
    cluster.wait_current(_STREAM)
    last, *others = cluster.nodes
    before = cluster.ask(lambda js: js.stream_info(_STREAM)).state.messages

    # When
    for node in others:
        node.kill()
    with pytest.raises(nats.errors.Error):
        asyncio.run(_publish_to(last.url()))
    for node in others:
        node.start()

    # Then
    cluster.wait_current(_STREAM)
    assert cluster.ask(lambda js: js.stream_info(_STREAM)).state.messages >= before


async def _publish_to(url: str) -> None:
    client = await nats.connect(url, allow_reconnect=False)
    try:
        await client.jetstream(timeout=3).publish("kept.none", b"x")
    finally:
        await client.close()
