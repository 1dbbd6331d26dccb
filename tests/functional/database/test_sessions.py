"""What a server, a database or a role have set for their users: the engine's sessions say all they need themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import sqlalchemy as sa

from salt_eventsd.database import schema
from tests.support.events import fired, job, numbered, returned, state_result
from tests.support.own import by_statement, raid, to_table
from tests.support.servers import PASSWORD, USER, MariaDB, PostgreSQL
from tests.support.stores import Buried, Database, batch_of

_ODD = "Łódź → 東京 'a' \\ \"b\" 😀 %"
_ALL_MODES = (
    "ANSI,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,NO_BACKSLASH_ESCAPES,NO_AUTO_VALUE_ON_ZERO,NO_UNSIGNED_SUBTRACTION"
)


def _write_all(database: Database) -> None:
    """Write what goes into every table, ours and one of the user's, and see that all of it is there."""
    database.execute("CREATE TABLE raid_state (servername VARCHAR(60) PRIMARY KEY, raid_state VARCHAR(60))")
    rule = to_table(columns={"servername": "minion_id", "raid_state": "data.return"}, upsert=["servername"])
    worker, buried = database.worker(rule), Buried()
    states = {"a_|-a_|-a_|-run": state_result(_ODD, 0)}
    events = [job("1", fun=_ODD), returned(states, jid="2", minion_id=_ODD), returned(_ODD, jid="3"), raid("w1", _ODD)]
    worker.write(batch_of(events, buried=buried))
    worker.write(batch_of([raid("w1", 2), returned(jid="4")], first=2, buried=buried))
    assert buried.refusals == []
    assert sorted(database.column("returns", "jid")) == ["2", "3", "4"]
    assert database.column("jobs", "fun") == [_ODD]
    assert _ODD in database.column("minions", "minion_id")
    assert database.column("states", "jid") == ["2"]
    assert database.query("SELECT * FROM raid_state") == [("w1", "2")]


@pytest.fixture
def globals_of(mariadb: MariaDB) -> Iterator[dict[str, str]]:
    """Variables of the server that a test sets, and that are as they were when it ends."""
    wanted: dict[str, str] = {}
    with sa.create_engine(mariadb.url(), poolclass=sa.NullPool).connect() as connection:
        before = dict(connection.exec_driver_sql("SHOW GLOBAL VARIABLES").all())
        yield wanted
        connection.rollback()
        connection.exec_driver_sql("SET SESSION sql_mode = ''")
        for name in wanted:
            value = before[name]
            shown = value if value.replace(".", "").isdigit() else "'" + value.replace("'", "''") + "'"
            connection.exec_driver_sql(f"SET GLOBAL {name} = {shown}")


@pytest.mark.database("mariadb")
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"sql_mode": "'ANSI'"}, id="ansi"),
        pytest.param({"sql_mode": f"'{_ALL_MODES}'"}, id="modes"),
        pytest.param({"sql_mode": "'ORACLE'"}, id="oracle"),
        pytest.param({"sql_mode": "''"}, id="no-mode"),
        pytest.param({"sql_mode": "'TRADITIONAL,NO_ZERO_DATE,PAD_CHAR_TO_FULL_LENGTH'"}, id="traditional"),
        pytest.param({"innodb_default_row_format": "'compact'"}, id="compact"),
        pytest.param({"innodb_default_row_format": "'redundant'", "innodb_strict_mode": "0"}, id="redundant"),
        pytest.param({"default_storage_engine": "'MyISAM'"}, id="myisam"),
        pytest.param({"default_storage_engine": "'Aria'"}, id="aria"),
        pytest.param({"character_set_server": "'latin1'", "collation_server": "'latin1_german1_ci'"}, id="latin1"),
        pytest.param({"autocommit": "0", "completion_type": "2"}, id="transactions"),
        pytest.param({"tx_isolation": "'SERIALIZABLE'"}, id="serializable"),
        pytest.param({"tx_isolation": "'READ-UNCOMMITTED'"}, id="uncommitted"),
        pytest.param({"wait_timeout": "1", "max_statement_time": "0.001"}, id="little-time"),
        pytest.param({"init_connect": "'SET sql_mode = ANSI, autocommit = 1, names latin1'"}, id="init"),
        pytest.param({"sql_select_limit": "1", "sql_safe_updates": "1"}, id="dummies"),
        pytest.param({"sql_quote_show_create": "0", "time_zone": "'+05:30'"}, id="shown"),
    ],
)
def test_settings_of_a_mariadb(mariadb: MariaDB, globals_of: dict[str, str], settings: Mapping[str, str]) -> None:
    # Given: a user to whom init_connect applies
    globals_of.update(settings)
    url = sa.make_url(mariadb.new_database())
    user = f"plain_{url.database}"
    mariadb.execute(
        f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}'",
        f"GRANT ALL ON {url.database}.* TO {user}",
        *(f"SET GLOBAL {name} = {value}" for name, value in settings.items()),
    )
    database = Database(url.set(username=user).render_as_string(hide_password=False))
    database.engine = sa.create_engine(
        url,
        poolclass=sa.NullPool,
        connect_args={
            "charset": "utf8mb4",
            "init_command": "SET sql_mode = '', sql_select_limit = 1000000, default_storage_engine = InnoDB,"
            " max_statement_time = 0, innodb_strict_mode = 0, completion_type = 0",
        },
    )

    # When / Then
    try:
        if "latin1" in str(settings):
            database.execute(f"ALTER DATABASE {url.database} CHARACTER SET utf8mb4")
        _write_all(database)
        tables = [*schema.metadata.tables, schema.VERSION_TABLE]
        engines = dict(
            database.query(
                f"SELECT table_name, engine FROM information_schema.tables WHERE table_schema = '{url.database}'"
            )
        )
        assert {engines[name] for name in tables} == {"InnoDB"}
    finally:
        database.close()


@pytest.mark.database("mariadb")
def test_tables_that_were_begun_in_another_row_format_are_finished(
    mariadb: MariaDB, globals_of: dict[str, str]
) -> None:
    # Given: what an earlier release left behind when an index was too long
    database = Database(mariadb.new_database())
    database.make_tables()
    database.execute(
        "DROP TABLE eventsd_receipts, eventsd_returns, eventsd_states, eventsd_stats, eventsd_schema_version",
        "ALTER TABLE eventsd_jobs DROP INDEX eventsd_jobs_by_fun, DROP INDEX eventsd_jobs_by_stamp,"
        " DROP INDEX eventsd_jobs_by_user,"
        " DROP PRIMARY KEY, ADD PRIMARY KEY (jid), DROP COLUMN apart, DROP COLUMN syndics, ROW_FORMAT=COMPACT",
    )

    # When
    worker = database.worker()
    worker.write(batch_of([job("1"), returned(jid="1")]))

    # Then
    assert database.column("jobs", "jid") == database.column("returns", "jid") == ["1"]
    database.close()


@pytest.mark.database("postgresql")
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"client_encoding": "'LATIN1'"}, id="encoding"),
        pytest.param({"default_transaction_isolation": "'serializable'"}, id="serializable"),
        pytest.param({"default_transaction_deferrable": "on"}, id="deferrable"),
        pytest.param({"statement_timeout": "'5ms'"}, id="statement-timeout"),
        pytest.param({"idle_in_transaction_session_timeout": "'5ms'"}, id="idle-timeout"),
        pytest.param({"search_path": "''"}, id="no-path"),
        pytest.param({"search_path": "pg_catalog, public"}, id="odd-path"),
        pytest.param({"DateStyle": "'German, DMY'", "IntervalStyle": "'sql_standard'"}, id="dates"),
        pytest.param({"standard_conforming_strings": "off", "backslash_quote": "off"}, id="strings"),
        pytest.param({"bytea_output": "'escape'", "TimeZone": "'Asia/Kolkata'"}, id="bytes"),
        pytest.param({"row_security": "off", "session_replication_role": "'replica'"}, id="rows"),
        pytest.param({"synchronous_commit": "off", "lock_timeout": "'10s'"}, id="others"),
    ],
)
def test_settings_of_a_postgresql(postgresql: PostgreSQL, settings: Mapping[str, str]) -> None:
    # Given
    url = postgresql.new_database()
    name = sa.make_url(url).database
    postgresql.execute(*(f"ALTER DATABASE {name} SET {key} = {value}" for key, value in settings.items()))
    database = Database(url)
    plain = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c search_path=public"
    database.engine = sa.create_engine(
        url, poolclass=sa.NullPool, connect_args={"client_encoding": "utf8", "options": plain}
    )

    # When / Then
    _write_all(database)
    database.close()


@pytest.mark.database("postgresql")
def test_what_is_large_is_made_smaller_the_quick_way(postgresql: PostgreSQL) -> None:
    # Given
    database = Database(postgresql.new_database())
    (quick,) = database.query(
        "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    ) or [(False,)]

    # When
    database.worker().write(batch_of([returned("beside " * 10_000, "1")]))

    # Then
    (found,) = database.query('SELECT pg_column_compression("return") FROM eventsd_returns')
    assert found[0] == ("lz4" if quick[0] else "pglz")
    database.close()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param("plain", "münchen", id="latin"),
        pytest.param("plain", "пароль-密码-€", id="others"),
        pytest.param("jürgen", "p@ss:w/ord %41", id="user"),
    ],
)
def test_names_and_passwords_beyond_ascii(kind: str, user: str, password: str, request: pytest.FixtureRequest) -> None:
    # Given
    server = request.getfixturevalue(kind)
    name = sa.make_url(server.new_database()).database
    user = f"{user}_{name}_{len(password)}"
    if kind == "mariadb":
        server.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'")
        server.execute(f"GRANT ALL ON {name}.* TO '{user}'@'%'")
    else:
        server.execute(f"CREATE USER \"{user}\" SUPERUSER PASSWORD '{password}'")
    parts = sa.URL.create(server.drivername, user, password, "127.0.0.1", server.port, name)

    # When
    worker = Database(parts.render_as_string(hide_password=False)).worker()
    worker.write(batch_of(numbered(1)))

    # Then
    database = Database(server.url(name, USER, PASSWORD))
    assert database.column("returns", "jid") == ["0"]
    worker.close()


def test_a_password_may_stand_beside_the_url(mariadb: MariaDB) -> None:
    # Given
    url = sa.make_url(mariadb.new_database())
    mariadb.execute(f"CREATE USER beside_{url.database} IDENTIFIED BY 'münchen'")
    mariadb.execute(f"GRANT ALL ON {url.database}.* TO beside_{url.database}")
    shown = f"mysql+pymysql://beside_{url.database}@127.0.0.1:{mariadb.port}/{url.database}"

    # When / Then
    assert "reachable" in Database(shown).worker(password="münchen").check()


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP", "WIN1252"])
def test_a_postgresql_in_another_encoding(postgresql: PostgreSQL, encoding: str) -> None:
    # Given
    name = f"in_{encoding.lower()}"
    postgresql.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    database = Database(postgresql.url(name))
    database.engine = sa.create_engine(database.url, poolclass=sa.NullPool, connect_args={"client_encoding": "utf8"})
    statement = "INSERT INTO raid_state (servername, raid_state) VALUES (:a, :b)"
    worker = database.worker(by_statement(statement, fields={"a": "minion_id", "b": "data.return"}))
    worker.write(batch_of())
    database.execute("CREATE TABLE raid_state (servername VARCHAR(60) PRIMARY KEY, raid_state TEXT)")
    buried = Buried()
    odd = "Łódź \\ 東京 é 😀 \0"

    # When
    states = {"a_|-a_|-a_|-run": state_result(odd, 0, comment=odd)}
    events = [job("1", fun=odd), returned(states, jid="2", minion_id=odd), returned({odd: [odd]}, jid="3")]
    worker.write(batch_of([*events, fired("a/" + odd, {odd: odd}), raid(odd, odd)], buried=buried))

    # Then: what there is no room for stands there escaped
    assert buried.refusals == []
    assert sorted(database.column("returns", "jid")) == ["2", "3"]
    [fun] = database.column("jobs", "fun")
    assert fun.startswith("Łódź" if encoding == "SQL_ASCII" else "\\u0141" if encoding != "EUC_JP" else "Łódź")
    assert len(database.rows("events")) == len(database.rows("states")) == 1
    assert len(database.query("SELECT * FROM raid_state")) == 1
    worker.close()
    database.close()
