"""
A throwaway server that speaks MongoDB's protocol.

The server is SecantusDB from a wheel, a re-implementation for tests and single nodes. It has MongoDB's own storage
engine, its error codes and messages, users and roles. MongoDB itself is on no package index.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pymongo

from tests.support.binaries import ServerMissing
from tests.support.brokers import Broker
from tests.support.server import PASSWORD, USER

#: A user who may only read.
READER = "reader"


class MongoDB(Broker):
    """A server that asks for a password, and keeps its data over a stop."""

    name = "MongoDB"
    drivername = "mongodb"
    # A virtual environment may be in a folder that other users may not read.
    runs_as_owner = True
    _has_users = False

    def client(self) -> Any:
        """Return a client of the administrator."""
        who = {"username": USER, "password": PASSWORD} if self._has_users else {}
        return pymongo.MongoClient("127.0.0.1", self.port, serverSelectionTimeoutMS=2000, tz_aware=True, **who)

    def probe(self) -> None:
        """Ping."""
        with self.client() as client:
            client.admin.command("ping")

    def _find(self) -> tuple[str, str]:
        if importlib.util.find_spec("secantus") is None:
            raise ServerMissing(self.name, "secantus", "the wheel SecantusDB, of PyPI")
        return sys.executable, ""

    def _make(self) -> None:
        self.start()
        with self.client() as client:
            client.admin.command("createUser", USER, pwd=PASSWORD, roles=["root"])
            client.admin.command("createUser", READER, pwd=PASSWORD, roles=["readAnyDatabase"])
        self.stop()
        self._has_users = True

    def _command(self) -> list[str]:
        command = [self._programs[0], "-m", "secantus", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--storage-path", str(self.folder / "data"), "--standalone", "--cache-size", "128M"]
        return [*command, "--auth"] if self._has_users else command
