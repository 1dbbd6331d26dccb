"""
Several NATS servers on loopback that are one JetStream cluster. A test can stop, kill, freeze and wipe each of them.

.. code-block:: python

    with NatsCluster() as cluster:
        cluster.leader_of("EVENTSD").kill()

A cluster keeps working while more than half of its nodes do; JetStream elects a new leader within some ten seconds.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import TypeVar

import nats
from nats.js import JetStreamContext
from typing_extensions import Self

from tests.support.binaries import hand_over
from tests.support.brokers import READER, Nats, _silent
from tests.support.server import PASSWORD, USER, free_port

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: A node that was away replays what it has missed; on a busy machine that and an election take their time.
_QUORUM_SECONDS = 150.0
#: Nodes of 2.9.10 that came back together may elect nobody for ever. Whoever runs them starts them again then, which
#: takes no event with it; see "No leader" in docs/central.rst.
_LEADERLESS_SECONDS = 45.0
_ASK_SECONDS = 5.0
_POLL_SECONDS = 0.1


class Node(Nats):
    """
    One server of a cluster.

    :param number: its number, from 1.
    :param routes: the ports by which the nodes know one another, this node's among them; one alone is no cluster.
    :param open_to_all: take clients without user and password.
    """

    def __init__(self, number: int, routes: list[int], open_to_all: bool = False) -> None:
        super().__init__()
        self.node = f"n{number}"
        self._route, self._routes, self._open_to_all = routes[number - 1], routes, open_to_all

    @property
    def address(self) -> str:
        """Its URL without a login."""
        return f"nats://127.0.0.1:{self.port}"

    def probe(self) -> None:
        """Ask whether it takes clients; streams need more nodes than this one."""

        async def connect() -> None:
            client = await nats.connect(self.url(), allow_reconnect=False, error_cb=_silent, connect_timeout=2)
            await client.close()

        asyncio.run(connect())

    def wipe(self) -> None:
        """Stop it, and remove all that it has stored, as a new disk would."""
        self.kill()
        shutil.rmtree(self.folder / "streams", ignore_errors=True)

    def _make(self) -> None:
        users = f"""
            authorization: {{ users: [
                {{ user: {USER}, password: "{PASSWORD}" }}
                {{ user: {READER}, password: "{PASSWORD}", permissions: {{ publish: {{ deny: "eventsd.>" }} }} }}
            ] }}"""
        others = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self._routes if port != self._route)
        cluster = f'cluster: {{ name: eventsd, listen: "127.0.0.1:{self._route}", routes: [{others}] }}'
        configuration = self.folder / "nats.conf"
        configuration.write_text(
            f"""
            server_name: {self.node}
            listen: "127.0.0.1:{self.port}"
            jetstream: {{ store_dir: "{self.folder / "streams"}", max_memory_store: 64MB, max_file_store: 2GB }}
            {cluster if others else ""}
            {"" if self._open_to_all else users}
            """,
            encoding="utf-8",
        )
        hand_over(configuration)


class NatsCluster:
    """
    A cluster; it starts with the ``with`` block, and ends with it.

    :param size: how many nodes.
    :param open_to_all: take clients without user and password.
    :raises ServerMissing: no NATS server is installed.
    """

    def __init__(self, size: int = 3, open_to_all: bool = False) -> None:
        routes: list[int] = []
        while len(routes) < size:
            port = free_port()
            if port not in routes:
                routes.append(port)
        self.nodes = [Node(number, routes, open_to_all) for number in range(1, size + 1)]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            self._stack = stack.pop_all()
        try:
            self.wait()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def addresses(self) -> list[str]:
        """The URLs of all nodes, without a login."""
        return [node.address for node in self.nodes]

    def ask(self, work: Callable[[JetStreamContext], Awaitable[Answer]]) -> Answer:
        """
        Call a function as the administrator, over any node that answers.

        :param work: the function; it gets the JetStream context. It is called again while there is no leader.
        """
        begin = time.monotonic()
        is_begun_again = False
        while True:
            for node in self.nodes:
                if node.running:
                    try:
                        return asyncio.run(asyncio.wait_for(_asked(node.url(), work), 2 * _ASK_SECONDS))
                    except (nats.errors.Error, asyncio.TimeoutError, OSError) as exc:
                        problem: Exception = exc
                        if isinstance(exc, nats.js.errors.NotFoundError):
                            raise
            took = time.monotonic() - begin
            if took > _QUORUM_SECONDS:
                raise AssertionError(f"no node answers: {problem!r}")
            if took > _LEADERLESS_SECONDS and not is_begun_again:
                is_begun_again = True
                log.warning("the nodes have no leader after %.0f s, and are started again: %r", took, problem)
                for node in self.nodes:
                    if node.running:
                        node.kill()
                        node.start()
            time.sleep(_POLL_SECONDS)

    def wait(self) -> None:
        """Wait until the cluster can make streams."""
        self.ask(lambda js: js.account_info())

    def leader_of(self, stream: str) -> Node:
        """
        Return the node that takes what is published to a stream, once there is one that runs.

        :param stream: its name.
        """
        end = time.monotonic() + _QUORUM_SECONDS
        while True:
            cluster = self.ask(lambda js: js.stream_info(stream)).cluster
            for node in self.nodes:
                if cluster and cluster.leader == node.node and node.running:
                    return node
            assert time.monotonic() < end, f"{stream} has no leader"
            time.sleep(_POLL_SECONDS)

    def wait_current(self, stream: str) -> None:
        """
        Wait until each node that runs has all of a stream.

        :param stream: its name.
        """
        end = time.monotonic() + _QUORUM_SECONDS
        while time.monotonic() < end:
            cluster = self.ask(lambda js: js.stream_info(stream)).cluster
            running = {node.node for node in self.nodes if node.running}
            current = {one.name for one in (cluster and cluster.replicas) or () if one.current and not one.offline}
            if cluster and running <= current | {cluster.leader}:
                return
            time.sleep(_POLL_SECONDS)
        raise AssertionError(f"not every node has all of {stream}")

    def wipe_stream(self, stream: str) -> None:
        """
        Delete a stream with all that is in it, as an operator's mistake or a lost disk of all nodes would.

        :param stream: its name.
        """
        self.ask(lambda js: js.delete_stream(stream))


async def _asked(url: str, work: Callable[[JetStreamContext], Awaitable[Answer]]) -> Answer:
    client = await nats.connect(url, allow_reconnect=False, error_cb=_silent, connect_timeout=2)
    try:
        return await work(client.jetstream(timeout=_ASK_SECONDS))
    finally:
        with suppress(Exception):
            await asyncio.wait_for(client.close(), 2)
