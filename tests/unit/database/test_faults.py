"""What a database's error means for the batch: try again, wait for an operator, or find the bad event."""

from __future__ import annotations

import sqlite3
from typing import Any

import psycopg2
import pymysql
import pytest
from sqlalchemy import create_engine, exc, text

from salt_eventsd.database.dialects import BACKENDS, MySQL, PostgreSQL, SQLite, dialect_for
from salt_eventsd.exceptions import Held, Lost, Refused, Transient, WorkerError


class PostgreSQLError(psycopg2.Error):
    """The driver sets its errors' code in C; a class attribute stands in its place."""

    def __init__(self, pgcode: str) -> None:
        super().__init__(f"error {pgcode}")
        self.__dict__["pgcode"] = pgcode

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__("__dict__")["pgcode"] if name == "pgcode" else super().__getattribute__(name)


def wrapped(original: Exception, kind: type[exc.DBAPIError] = exc.OperationalError, lost: bool = False) -> Exception:
    """Return an error of a driver as SQLAlchemy raises it."""
    return kind("INSERT INTO t VALUES (?)", ("secret",), original, connection_invalidated=lost)


@pytest.mark.parametrize(
    ("pgcode", "kind"),
    [
        pytest.param("08006", Transient, id="connection failure"),
        pytest.param("53100", Transient, id="disk full"),
        pytest.param("53300", Transient, id="too many connections"),
        pytest.param("55P03", Transient, id="lock not available"),
        pytest.param("57P01", Transient, id="shutting down"),
        pytest.param("57014", Lost, id="statement cancelled"),
        pytest.param("53200", Lost, id="out of memory"),
        pytest.param("2200H", Refused, id="a sequence at its end"),
        pytest.param("MY001", Refused, id="a trigger's own"),
        pytest.param("55000", Refused, id="a trigger's own that looks like a fault"),
        pytest.param("XX000", Refused, id="an error within the server"),
        pytest.param("40P01", Transient, id="deadlock"),
        pytest.param("40001", Transient, id="serialization failure"),
        pytest.param("25006", Transient, id="read-only: a standby"),
        pytest.param("22001", Refused, id="text too long"),
        pytest.param("22P05", Refused, id="NUL in JSON"),
        pytest.param("22021", Refused, id="bytes that are no UTF-8"),
        pytest.param("23505", Refused, id="unique violation"),
        pytest.param("23502", Refused, id="null in a column that has none"),
        pytest.param("54000", Refused, id="a limit of the program"),
        pytest.param("28P01", Held, id="wrong password"),
        pytest.param("3D000", Held, id="no such database"),
        pytest.param("42P01", Held, id="no such table"),
        pytest.param("42703", Held, id="no such column"),
        pytest.param("42501", Held, id="no permission"),
    ],
)
def test_postgresql(pgcode: str, kind: type[WorkerError]) -> None:
    assert type(PostgreSQL.faults.classify(wrapped(PostgreSQLError(pgcode)))) is kind


@pytest.mark.parametrize(
    ("code", "original", "sqlalchemy", "kind"),
    [
        pytest.param(2003, pymysql.err.OperationalError, exc.OperationalError, Transient, id="cannot connect"),
        pytest.param(2006, pymysql.err.OperationalError, exc.OperationalError, Transient, id="gone away"),
        pytest.param(2013, pymysql.err.OperationalError, exc.OperationalError, Transient, id="lost connection"),
        pytest.param(1205, pymysql.err.OperationalError, exc.OperationalError, Transient, id="lock wait timeout"),
        pytest.param(1213, pymysql.err.OperationalError, exc.OperationalError, Transient, id="deadlock"),
        pytest.param(1467, pymysql.err.OperationalError, exc.OperationalError, Transient, id="no id in a deadlock"),
        pytest.param(1040, pymysql.err.OperationalError, exc.OperationalError, Transient, id="too many connections"),
        pytest.param(1290, pymysql.err.OperationalError, exc.OperationalError, Transient, id="read-only"),
        pytest.param(1406, pymysql.err.DataError, exc.DataError, Refused, id="text too long"),
        pytest.param(1366, pymysql.err.OperationalError, exc.OperationalError, Refused, id="bad text"),
        pytest.param(1264, pymysql.err.DataError, exc.DataError, Refused, id="number out of range"),
        pytest.param(1062, pymysql.err.IntegrityError, exc.IntegrityError, Refused, id="duplicate"),
        pytest.param(
            1048, pymysql.err.IntegrityError, exc.IntegrityError, Refused, id="null in a column that has none"
        ),
        pytest.param(1153, pymysql.err.OperationalError, exc.OperationalError, Refused, id="packet too large"),
        pytest.param(1045, pymysql.err.OperationalError, exc.OperationalError, Held, id="wrong password"),
        pytest.param(1049, pymysql.err.OperationalError, exc.OperationalError, Held, id="no such database"),
        pytest.param(1146, pymysql.err.ProgrammingError, exc.ProgrammingError, Held, id="no such table"),
        pytest.param(1054, pymysql.err.OperationalError, exc.OperationalError, Held, id="no such column"),
        pytest.param(1142, pymysql.err.OperationalError, exc.OperationalError, Held, id="no permission"),
        pytest.param(9999, pymysql.err.DataError, exc.DataError, Refused, id="an unknown code: by its class"),
        pytest.param(9999, pymysql.err.ProgrammingError, exc.ProgrammingError, Refused, id="unknown: a program's"),
        pytest.param(9999, pymysql.err.InternalError, exc.InternalError, Refused, id="unknown: the server's"),
        pytest.param(2999, pymysql.err.OperationalError, exc.OperationalError, Transient, id="unknown: the driver's"),
        pytest.param(1139, pymysql.err.OperationalError, exc.OperationalError, Refused, id="no regular expression"),
        pytest.param(1792, pymysql.err.InternalError, exc.InternalError, Transient, id="read-only transactions"),
        pytest.param(1047, pymysql.err.OperationalError, exc.OperationalError, Transient, id="a cluster's minority"),
        pytest.param(1969, pymysql.err.OperationalError, exc.OperationalError, Lost, id="it took too long"),
    ],
)
def test_mysql(code: int, original: type[Exception], sqlalchemy: type[exc.DBAPIError], kind: type[WorkerError]) -> None:
    found = MySQL.faults.classify(wrapped(original(code, "what it says"), sqlalchemy))

    assert type(found) is kind
    assert str(found) == f"{original.__name__} {code}: what it says"


@pytest.mark.parametrize(
    ("statement", "values", "kind"),
    [
        pytest.param("INSERT INTO nowhere VALUES (1)", {}, Held, id="no such table"),
        pytest.param("INSERT INTO t (nothing) VALUES (1)", {}, Held, id="no such column"),
        pytest.param("INSERT BY ACCIDENT", {}, Held, id="syntax"),
        pytest.param("INSERT INTO t VALUES (NULL)", {}, Refused, id="null in a column that has none"),
        pytest.param(
            "INSERT INTO t VALUES (:a)",
            {"a": object()},
            Refused,
            id="a value the driver cannot send",
        ),
        pytest.param("INSERT INTO t VALUES (:a)", {"a": 2**70}, Refused, id="a number too large to send"),
        pytest.param("INSERT INTO t VALUES (:a)", {}, Refused, id="a value that is missing"),
    ],
)
def test_sqlite(statement: str, values: dict[str, Any], kind: type[WorkerError]) -> None:
    # Given
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER NOT NULL)"))

    # When
    with pytest.raises(Exception) as raised, engine.begin() as connection:
        connection.execute(text(statement), values)

    # Then
    assert type(SQLite.faults.classify(raised.value)) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(wrapped(sqlite3.OperationalError("database is locked")), Transient, id="locked"),
        pytest.param(wrapped(sqlite3.OperationalError("disk I/O error")), Transient, id="the disk"),
        pytest.param(wrapped(sqlite3.OperationalError("interrupted")), Transient, id="it took too long"),
        pytest.param(wrapped(sqlite3.OperationalError("no such function: REGEXP")), Held, id="no function"),
        pytest.param(wrapped(sqlite3.OperationalError("something odd")), Refused, id="odd"),
        pytest.param(wrapped(sqlite3.IntegrityError("the disk of web1"), exc.IntegrityError), Refused, id="a trigger"),
        pytest.param(
            wrapped(sqlite3.DatabaseError("file is not a database"), exc.DatabaseError), Held, id="no database"
        ),
    ],
)
def test_sqlites_texts(error: Exception, kind: type[WorkerError]) -> None:
    assert type(SQLite.faults.classify(error)) is kind


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(wrapped(PostgreSQLError("42P01"), lost=True), Lost, id="the connection was lost over it"),
        pytest.param(wrapped(psycopg2.OperationalError("could not connect")), Transient, id="no code at all"),
        pytest.param(wrapped(psycopg2.InterfaceError("closed"), exc.InterfaceError), Transient, id="connection closed"),
        pytest.param(exc.TimeoutError("the pool is empty"), Transient, id="no connection free"),
        pytest.param(ConnectionResetError("reset"), Transient, id="a socket"),
        pytest.param(ValueError("A string literal cannot contain NUL"), Refused, id="a value"),
        pytest.param(OverflowError("too large"), Refused, id="a number"),
        pytest.param(ModuleNotFoundError("no driver"), Held, id="no driver"),
        pytest.param(exc.NoSuchModuleError("no dialect"), Held, id="no dialect"),
        pytest.param(KeyError("bug"), Held, id="anything else"),
    ],
)
def test_what_has_no_code(backend: str, error: Exception, kind: type[WorkerError]) -> None:
    assert type(dialect_for(backend).faults.classify(error)) is kind


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("error", [Transient("a"), Held("b"), Refused("c")], ids=lambda error: type(error).__name__)
def test_what_is_classified_already_stays_as_it_is(backend: str, error: WorkerError) -> None:
    assert dialect_for(backend).faults.classify(error) is error


@pytest.mark.parametrize(
    ("backend", "original"),
    [
        pytest.param("sqlite", sqlite3.IntegrityError("UNIQUE constraint failed: t.a"), id="sqlite"),
        pytest.param("postgresql", PostgreSQLError("23505"), id="postgresql"),
        pytest.param("mysql", pymysql.err.IntegrityError(1062, "Duplicate entry"), id="mysql"),
        pytest.param("mariadb", pymysql.err.IntegrityError(1062, "Duplicate entry"), id="mariadb"),
    ],
)
def test_a_key_that_is_there_already_is_told_from_others(backend: str, original: Exception) -> None:
    faults = dialect_for(backend).faults

    assert faults.is_double(wrapped(original, exc.IntegrityError))
    assert not faults.can_only_be_a_value(wrapped(original, exc.IntegrityError))
    assert not faults.is_double(wrapped(sqlite3.IntegrityError("NOT NULL constraint failed: t.a"), exc.IntegrityError))


@pytest.mark.parametrize(
    ("backend", "original", "passes"),
    [
        pytest.param("sqlite", sqlite3.OperationalError("database is locked"), True, id="sqlite, locked"),
        pytest.param("sqlite", sqlite3.OperationalError("interrupted"), False, id="sqlite, interrupted"),
        pytest.param("postgresql", PostgreSQLError("40P01"), True, id="postgresql, a deadlock"),
        pytest.param("postgresql", PostgreSQLError("42P01"), False, id="postgresql, no such table"),
        pytest.param("mysql", pymysql.err.OperationalError(1213, "Deadlock"), True, id="mysql, a deadlock"),
        pytest.param("mysql", pymysql.err.OperationalError(2006, "gone"), True, id="mysql, gone away"),
        pytest.param("mysql", pymysql.err.OperationalError(1054, "Unknown column"), False, id="mysql, no such column"),
    ],
)
def test_a_fault_that_passes_is_not_the_statements(backend: str, original: Exception, passes: bool) -> None:
    assert dialect_for(backend).faults.passes(wrapped(original)) is passes


def test_the_statement_and_its_values_are_not_told() -> None:
    original = pymysql.err.DataError(1406, "Data too long for column 'a'")

    found = str(MySQL.faults.classify(wrapped(original, exc.DataError)))

    assert "INSERT" not in found
    assert "secret" not in found
