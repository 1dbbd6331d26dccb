"""
Throwaway servers that speak no SQL, started like those in :mod:`tests.support.servers`.
"""

from __future__ import annotations

import time

import redis

from tests.support.binaries import ServerMissing, find, hand_over
from tests.support.server import PASSWORD, USER, Server

_START_SECONDS = 30.0


class Broker(Server):
    """A server that says in its own way whether it is up."""

    def probe(self) -> None:
        """
        Ask the server something.

        :raises Exception: it does not answer.
        """
        raise NotImplementedError

    def _make(self) -> None:
        """Nothing is needed before it starts."""

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
    """A Redis server; what it holds outlives a stop."""

    name = "Redis"
    drivername = "redis"

    def client(self, db: int = 0) -> redis.Redis:
        """Return a client of the administrator's."""
        return redis.Redis("127.0.0.1", self.port, db, username=USER, password=PASSWORD, decode_responses=True)

    def probe(self) -> None:
        """Ping."""
        with self.client() as client:
            client.ping()

    def _find(self) -> tuple[str, str]:
        if not (server := find("redis-server", "valkey-server")):
            raise ServerMissing(self.name, "redis-server", "the package redis-server")
        return server, ""

    def _make(self) -> None:
        configuration = self.folder / "redis.conf"
        lines = [f'dir "{self.folder}"', "bind 127.0.0.1", f"port {self.port}", "appendonly yes", "appendfsync no"]
        lines += ["user default off", f"user {USER} on >{PASSWORD} ~* &* +@all"]
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        hand_over(configuration)

    def _command(self) -> list[str]:
        return [self._programs[0], str(self.folder / "redis.conf")]
