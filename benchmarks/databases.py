"""
A fresh database for each run: a file for SQLite, otherwise a database on a throwaway server.

The servers wait for the disk at each commit, as they do by default: without that, all figures would look too good. A
missing server is named and left out; with CI=true, it is an error.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from benchmarks.rig import Process, RigError
from tests.support.servers import MariaDB, PostgreSQL, Server, ServerMissing

SQLITE, POSTGRESQL, MARIADB = "sqlite", "postgresql", "mariadb"
KINDS = (SQLITE, POSTGRESQL, MARIADB)

_SERVERS: dict[str, Callable[[], Server]] = {
    POSTGRESQL: lambda: PostgreSQL(fsync="on", full_page_writes="on", synchronous_commit="on", shared_buffers="128MB"),
    MARIADB: lambda: MariaDB(innodb_flush_log_at_trx_commit="1"),
}


class Databases:
    """
    The available databases. Their servers end with the stack.

    :param folder: a folder for files.
    :param stack: ends the servers.
    :param kinds: the kinds of databases to use.
    :param say: prints a message.
    :raises RigError: a server is not installed, and CI=true.
    """

    def __init__(self, folder: Path, stack: ExitStack, kinds: Sequence[str], say: Callable[[str], None]) -> None:
        self.missing: list[str] = []
        self._folder = folder
        self._numbers = itertools.count(1)
        self._servers: dict[str, Server] = {}
        for kind in kinds:
            if kind != SQLITE:
                self._start(kind, stack, say)
        self.kinds = [kind for kind in kinds if kind == SQLITE or kind in self._servers]

    def fresh(self, kind: str) -> str:
        """
        Return the URL of an empty database.

        :param kind: one of ``kinds``.
        """
        if kind == SQLITE:
            return f"sqlite:///{self._folder}/bench_{next(self._numbers)}.db"
        return self._servers[kind].new_database()

    def server(self, kind: str) -> Server:
        """
        Return the server of a kind, to stop it and the like.

        :param kind: one of ``kinds``, but not SQLite.
        """
        return self._servers[kind]

    def process(self, kind: str) -> Process | None:
        """
        Return the first process of a server; None for SQLite, which has none.

        :param kind: one of ``kinds``.
        """
        return None if kind == SQLITE else Process(self._servers[kind].pid)

    def versions(self) -> dict[str, str]:
        """Return the version of each database."""
        found: dict[str, str] = {}
        for kind in self.kinds:
            engine = sa.create_engine("sqlite://" if kind == SQLITE else self.fresh(kind))
            with engine.connect() as connection:
                found[kind] = ".".join(map(str, connection.dialect.server_version_info or ()))
            engine.dispose()
        return found

    def _start(self, kind: str, stack: ExitStack, say: Callable[[str], None]) -> None:
        try:
            server = _SERVERS[kind]()
        except ServerMissing as exc:
            if os.environ.get("CI") == "true":
                raise RigError(f"{exc} (CI=true, so nothing is left out)") from None
            self.missing.append(str(exc))
            say(f"!!! NOT MEASURED: {exc}")
            return
        say(f"starting {server.name}")
        self._servers[kind] = stack.enter_context(server)


def reader(url: str) -> sa.Engine:
    """Return an SQLAlchemy engine that only reads; it makes no file for SQLite."""
    if url.startswith("sqlite:///"):
        url = f"sqlite:///file:{url.removeprefix('sqlite:///')}?mode=ro&uri=true"
    return sa.create_engine(url, isolation_level="AUTOCOMMIT")
