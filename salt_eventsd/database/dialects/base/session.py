"""
How a database is reached: the URL, the drivers, what each connection is told first, and how one is cut off.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

#: The option of a connection whose transactions change nothing, over an engine that may change something.
LOOKS = "eventsd_looks"


class Session:
    """
    Connects to a database server.

    :cvar drivers: what may stand as ``driver`` for short -> SQLAlchemy's name of dialect and driver.
    :cvar packages: module of a driver -> the package to install for it, where its name is another.
    :cvar is_file: the database is a file, and has no host and no user.
    """

    drivers: ClassVar[Mapping[str, str]] = {}
    packages: ClassVar[Mapping[str, str]] = {}
    is_file: ClassVar[bool] = False

    def wrong_with(self, url: URL) -> str:
        """
        Return why a URL cannot be used, "" if it can.

        :param url: of the database, complete.
        """
        return ""

    def to_look(self, engine: Engine) -> Engine:
        """
        Return an engine to look at a database with, where connecting to it may change something.

        :param engine: the one that is written with.
        """
        return engine

    def engine_args(self, driver: str) -> Mapping[str, Any]:
        """
        Return further arguments of ``create_engine``, by name.

        :param driver: its name in a URL.
        """
        return {}

    def connect_args(self, driver: str, connect_seconds: float, timeout: float) -> dict[str, Any]:
        """
        Return the driver's own arguments.

        :param driver: its name in a URL.
        :param connect_seconds: how long a connection may take to be made.
        :param timeout: how long a statement may take, in seconds.
        """
        return {}

    def prepare(self, engine: Engine, timeout: float) -> None:
        """
        Have each connection begin with the settings that the store relies on.

        :param engine: of the database.
        :param timeout: how long a statement may take, in seconds.
        """

    def to_read(self, url: URL) -> URL:
        """
        Return the URL to read a database by.

        :param url: of the database, complete.
        """
        return url

    def prepare_to_read(self, engine: Engine, timeout: float) -> None:
        """
        Do what :meth:`prepare` does, for an engine that changes nothing.

        :param engine: of the database.
        :param timeout: how long a statement may take, in seconds.
        """
        self.prepare(engine, timeout)

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    def be_patient(self, connection: Connection) -> None:
        """
        Let statements take as long as they need, until the connection is closed.

        :param connection: to the database.
        """

    def cut(self, connection: Any) -> None:
        """
        Make whoever waits for a connection fail.

        :param connection: the driver's; another thread is waiting for it.
        """
        # What a driver cannot say of its socket, its own limits have to do.
        with suppress(Exception):
            end = connection if hasattr(connection, "fileno") else _socket_of(connection)
            with socket.socket(fileno=os.dup(end.fileno())) as copy:
                copy.shutdown(socket.SHUT_RDWR)


def begin_with(engine: Engine, say: Callable[[Any], None]) -> None:
    """
    Have each connection begin with some statements, before SQLAlchemy asks anything over it.

    :param engine: of the database.
    :param say: called with a cursor of the driver's.
    """

    @sa.event.listens_for(engine, "connect", insert=True)
    def _session(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        say(cursor)
        cursor.close()
        connection.commit()


def _socket_of(connection: Any) -> Any:
    """The socket, by the names that drivers written in Python have for it."""
    found = (getattr(connection, name, None) for name in ("_sock", "_usock", "_socket"))
    end = next(one for one in found if one is not None)
    return getattr(end, "sock", end)
