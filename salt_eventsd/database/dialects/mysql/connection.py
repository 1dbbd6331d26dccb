"""
Connections of PyMySQL's that hand rows to ``LOAD DATA LOCAL``, and never a file; and values to prepared statements.

In MySQL's protocol the server names the file that it wants, and it may do so in answer to any statement. A client that
opens what is named hands any file of its machine to a server that is somebody else's. So PyMySQL's own way, which does
that, stays switched off. What is asked for is sent only while it is offered here, under a name that was made up for
this one statement, and comes from memory. Nothing here opens a file.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import sqlalchemy as sa
from pymysql.connections import Connection
from pymysql.constants import CLIENT, COMMAND, CR
from pymysql.err import OperationalError
from pymysql.protocol import MysqlPacket
from sqlalchemy.engine import Engine

from salt_eventsd.database.dialects.mysql.prepared import TEXT, Given, execution, prepared

log = logging.getLogger(__name__)

#: What is used of PyMySQL's insides.
_USED = {
    Connection: ("_execute_command", "_read_query_result", "_read_packet", "_force_close", "write_packet"),
    MysqlPacket: ("is_load_local_packet", "get_all_data"),
}
#: So much of a name that nobody has offered stands in the error, in bytes.
_SHOWN_BYTES = 200


def knows_driver() -> bool:
    """Return whether the insides of this PyMySQL are those that are used here; else nothing is ever sent."""
    return all(hasattr(owner, name) for owner, names in _USED.items() for name in names)


def connect_through(engine: Engine, loads: bool) -> None:
    """
    Have an engine connect through :class:`LoadingConnection`.

    :param engine: of a database, with the driver PyMySQL.
    :param loads: tell servers that rows may be sent, if this PyMySQL is known.
    """

    @sa.event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, args: Any, named: dict[str, Any]) -> Any:
        # The driver takes a password for Latin 1, and the server for UTF-8.
        if isinstance(named.get("password"), str):
            named["password"] = named["password"].encode()
        if loads and knows_driver():
            named["client_flag"] = named.get("client_flag", 0) | CLIENT.LOCAL_FILES
        return LoadingConnection(*args, **named)


class LoadingConnection(Connection):
    """
    A connection that may send rows. The arguments are PyMySQL's; ``local_infile``, which opens files, has no effect.

    :ivar can_send: whether the server was told that rows may be sent.
    :cvar packet_bytes: no packet of rows is longer.
    """

    packet_bytes: ClassVar[int] = 2**16
    _usual_tls: ClassVar[Any] = None

    def __init__(self, *args: Any, **named: Any) -> None:
        self.can_send = bool(named.get("client_flag", 0) & CLIENT.LOCAL_FILES)
        self._offered: tuple[bytes, Iterable[bytes]] | None = None
        self._given: tuple[Given, bytes] | None = None
        # The numbers of the statements that were prepared.
        self._statements: dict[str | bytes, int] = {}
        self._awaits_first = False
        # Whether nothing was asked since the last transaction ended.
        self._is_clear = False
        super().__init__(*args, **{**named, "local_infile": False})

    def _create_ssl_ctx(self, given: Any) -> Any:
        # Without options no server has to show a certificate. PyMySQL still reads those of the system for each
        # connection, which takes 25 ms.
        inside: Any = super()
        if given:
            return inside._create_ssl_ctx(given)
        if LoadingConnection._usual_tls is None:
            LoadingConnection._usual_tls = inside._create_ssl_ctx(given)
        return LoadingConnection._usual_tls

    def query(self, *args: Any, **named: Any) -> Any:
        """Execute a statement, which may begin a transaction."""
        self._is_clear = False
        return super().query(*args, **named)

    def commit(self) -> None:
        """Commit."""
        super().commit()
        self._is_clear = True

    def rollback(self) -> None:
        """Roll back what there is; SQLAlchemy has that done to each connection that it is given back."""
        if not self._is_clear:
            super().rollback()
            self._is_clear = True

    @contextmanager
    def offering(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """
        Offer bytes to one statement within a ``with`` block, which gets the name of the file to load.

        :param pieces: what is sent, made while it is sent; if that fails, the statement raises the same.
        """
        name = secrets.token_hex(16)
        self._offered = name.encode(), pieces
        try:
            yield name
        finally:
            self._offered = None

    @contextmanager
    def giving(self, values: Given, kind: bytes = TEXT) -> Iterator[None]:
        """
        Have one statement within a ``with`` block prepared, if it is not, and executed with values.

        :param values: one for each ``?`` in it.
        :param kind: of all of them.
        """
        self._given = values, kind
        try:
            yield
        finally:
            self._given = None

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        inside: Any = super()
        given, self._given = self._given, None
        if given is not None:
            command, sql = COMMAND.COM_STMT_EXECUTE, execution(self._prepare(sql), *given)
        self._awaits_first = True
        inside._execute_command(command, sql)

    def _prepare(self, sql: str | bytes) -> int:
        if sql not in self._statements:
            self._execute_command(COMMAND.COM_STMT_PREPARE, sql)
            number, following = prepared(self._read_packet().get_all_data())
            for _ in range(following):
                self._read_packet()
            self._statements[sql] = number
        return self._statements[sql]

    def _read_query_result(self, *args: Any, **named: Any) -> Any:
        # Also that of a statement behind the first.
        self._awaits_first = True
        inside: Any = super()
        return inside._read_query_result(*args, **named)

    def _read_packet(self, *args: Any, **named: Any) -> Any:
        # Only the first packet of an answer can be a request: a row may begin with the same byte.
        is_first, self._awaits_first = self._awaits_first, False
        inside: Any = super()
        packet = inside._read_packet(*args, **named)
        if not is_first or not packet.is_load_local_packet():
            return packet
        self._answer(bytes(packet.get_all_data()[1:]))
        return inside._read_packet(*args, **named)

    def _answer(self, asked: bytes) -> None:
        inside: Any = super()
        offered, self._offered = self._offered, None
        if offered is None or asked != offered[0]:
            self.write_packet(b"")
            inside._force_close()
            said = (
                f"the server has asked for the file {asked[:_SHOWN_BYTES]!r}, which nobody has offered; nothing was"
                " sent, and the connection was closed. Is this your database server?"
            )
            # Not every step hands on the error of the step before it.
            log.error("eventsd: %s", said)
            raise OperationalError(CR.CR_SERVER_LOST, said)
        failed: Exception | None = None
        pieces = iter(offered[1])
        while True:
            try:
                piece = next(pieces, b"")
            except Exception as exc:
                failed = exc
                break
            if not piece:
                break
            for start in range(0, len(piece), self.packet_bytes):
                self.write_packet(piece[start : start + self.packet_bytes])
        self.write_packet(b"")
        if failed is not None:
            # The server takes the rows before it, and says so.
            inside._read_packet()
            raise failed
