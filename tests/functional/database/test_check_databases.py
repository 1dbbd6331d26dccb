"""``check()`` of workers with a database: what the engine would do there is tried, and nothing of it stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import pytest
import salt.config
import sqlalchemy as sa

from salt_eventsd.config.structs import EventRule
from salt_eventsd.database import migrate, schema
from salt_eventsd.exceptions import ConfigError, Held, Transient
from salt_eventsd.workers.load import load_modules, make
from salt_eventsd.workers.write import Context
from tests.support.events import returned
from tests.support.stores import NODE, Database, settled


def stats_worker(database: Database) -> Any:
    """Make a stats worker."""
    opts = {"id": NODE, "extension_modules": ""}
    context = Context("counters", {"url": database.url}, NODE)
    return make(load_modules({**salt.config.DEFAULT_MASTER_OPTS, **opts}), "stats", context)


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows of our tables."""
    return {name: database.rows(name.removeprefix("eventsd_")) for name in schema.metadata.tables}


def test_an_empty_database_stays_empty(fresh: Database) -> None:
    assert fresh.worker().check() == "reachable, tables not made yet"
    assert stats_worker(fresh).check() == "reachable, tables not made yet"

    if fresh.kind == "sqlite":
        assert not os.path.exists(sa.make_url(fresh.url).database or "")
    else:
        assert sa.inspect(fresh.engine).get_table_names() == []


def test_what_is_in_the_tables_stays_as_it_is(tables: Database) -> None:
    # Given
    worker = tables.worker()
    settled(worker, [returned()])
    before = everything(tables)

    # When
    said = tables.worker().check(), stats_worker(tables).check()

    # Then
    assert said == (f"reachable, tables of version {migrate.HEAD}",) * 2
    assert everything(tables) == before


def test_a_user_that_may_only_read_is_refused(served: Database) -> None:
    # Given
    served.make_tables()
    grants = {
        "postgresql": ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}",),
        "mysql": (f"GRANT SELECT ON {sa.make_url(served.url).database}.* TO {{user}}",),
    }
    reader = Database(served.new_user(*grants[served.kind]))

    # When, Then
    for worker in (reader.worker(), stats_worker(reader)):
        with pytest.raises(Held, match="denied"):
            worker.check()
    reader.close()


def test_a_user_that_may_make_no_tables_is_refused(served: Database) -> None:
    # Given
    grants = {
        "postgresql": (),
        "mysql": (f"GRANT SELECT, INSERT, UPDATE, DELETE ON {sa.make_url(served.url).database}.* TO {{user}}",),
    }
    user = Database(served.new_user(*grants[served.kind]))

    # When, Then
    for worker in (user.worker(), stats_worker(user)):
        with pytest.raises(Held, match="denied"):
            worker.check()
    assert sa.inspect(served.engine).get_table_names() == []
    user.close()


@pytest.mark.parametrize("right", ["ALTER", "INSERT", "INDEX", "SELECT", "UPDATE", "DELETE"])
def test_a_right_that_is_lacking_in_mariadb_before_there_are_tables(mariadb: Any, right: str) -> None:
    served = Database(mariadb.new_database())
    rights = [one for one in ("CREATE", "ALTER", "SELECT", "INSERT", "UPDATE", "DELETE", "INDEX") if one != right]
    user = Database(served.new_user(f"GRANT {', '.join(rights)} ON {sa.make_url(served.url).database}.* TO {{user}}"))

    with pytest.raises(Held, match=f"{right} command denied"):
        user.worker().check()
    user.close()
    served.close()


def test_a_user_with_the_rights_it_needs_and_no_more_is_well(served: Database) -> None:
    # Given
    database = sa.make_url(served.url).database
    before = {
        "postgresql": ("GRANT CREATE, USAGE ON SCHEMA public TO {user}",),
        "mysql": (f"GRANT CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE, DELETE ON {database}.* TO {{user}}",),
    }
    user = Database(served.new_user(*before[served.kind]))
    worker = user.worker()

    # When, Then
    assert worker.check() == "reachable, tables not made yet"
    settled(worker, [returned()])
    assert worker.check() == f"reachable, tables of version {migrate.HEAD}"
    assert served.rows("returns")
    user.close()


def test_a_user_that_may_not_delete_can_write_all_the_same(served: Database) -> None:
    # Given
    served.make_tables()
    database = sa.make_url(served.url).database
    grants = {
        "postgresql": (
            "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {user}",
            "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}",
            "GRANT DELETE ON eventsd_receipts TO {user}",
        ),
        "mysql": (
            f"GRANT SELECT, INSERT, UPDATE ON {database}.* TO {{user}}",
            f"GRANT DELETE ON {database}.eventsd_receipts TO {{user}}",
        ),
    }
    user = Database(served.new_user(*grants[served.kind]))

    # When
    said = user.worker().check()

    # Then
    assert said.startswith(f"reachable, tables of version {migrate.HEAD}, may not delete from ")
    assert "eventsd_returns" in said
    user.close()


def test_a_database_that_is_read_only_is_refused(served: Database) -> None:
    # Given
    served.make_tables()
    database = sa.make_url(served.url).database
    if served.kind == "postgresql":
        user = Database(served.url)
        served.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    else:
        user = Database(served.new_user(f"GRANT ALL ON {database}.* TO {{user}}"))
        served.execute("SET GLOBAL read_only = ON")

    # When, Then
    try:
        with pytest.raises((Held, Transient), match="read-only"):
            user.worker().check()
    finally:
        user.close()
        if served.kind != "postgresql":
            served.execute("SET GLOBAL read_only = OFF")


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    # Given
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    database.make_tables()
    database.close()
    read_only = Database(f"sqlite:///file:{tmp_path / 'history.db'}?mode=ro&uri=true")

    # When, Then
    with pytest.raises((Held, Transient), match="readonly"):
        read_only.worker().check()
    read_only.close()


def test_a_row_on_trial_that_a_trigger_refuses_is_told(mine: Database) -> None:
    worker = mine.worker()
    mine.execute(
        mine.by_kind(
            "CREATE TRIGGER t BEFORE INSERT ON eventsd_jobs BEGIN SELECT RAISE(ABORT, 'only on Mondays'); END",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'only on Mondays'; END $$",
            "CREATE TRIGGER t BEFORE INSERT ON eventsd_jobs FOR EACH ROW "
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'only on Mondays'",
        ),
        *(
            ["CREATE TRIGGER t BEFORE INSERT ON eventsd_jobs FOR EACH ROW EXECUTE FUNCTION f()"]
            if mine.kind == "postgresql"
            else []
        ),
    )

    try:
        with pytest.raises((Held, Transient), match="only on Mondays"):
            worker.check()
    finally:
        mine.execute("DROP TRIGGER t ON eventsd_jobs" if mine.kind == "postgresql" else "DROP TRIGGER t")
        if mine.kind == "postgresql":
            mine.execute("DROP FUNCTION f")


class TestOwn:
    """Tables and statements of the user's own."""

    RULES: ClassVar = {
        "a table": EventRule(tag="x", table="mine", columns={"a": "data.a"}),
        "a table with a key": EventRule(tag="x", table="mine", columns={"a": "data.a", "b": "data.b"}, upsert=("a",)),
        "a statement": EventRule(tag="x", statement="INSERT INTO mine (a) VALUES (:a)", fields={"a": "data.a"}),
    }

    @pytest.mark.parametrize("kind", RULES)
    def test_a_user_that_may_not_write_there_is_told(self, served: Database, kind: str) -> None:
        # Given
        served.make_tables()
        served.execute("CREATE TABLE mine (a INT PRIMARY KEY, b INT)")
        database = sa.make_url(served.url).database
        ours = ", ".join((*schema.metadata.tables, schema.VERSION_TABLE))
        grants = {
            "postgresql": (
                f"GRANT ALL ON {ours} TO {{user}}",
                "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}",
                "GRANT SELECT ON mine TO {user}",
            ),
            "mysql": (
                *(
                    f"GRANT ALL ON {database}.{one} TO {{user}}"
                    for one in (*schema.metadata.tables, schema.VERSION_TABLE)
                ),
                f"GRANT SELECT ON {database}.mine TO {{user}}",
            ),
        }
        user = Database(served.new_user(*grants[served.kind]))

        # When
        with pytest.raises(ConfigError) as raised:
            user.worker({"own": self.RULES[kind]}).check()

        # Then
        [problem] = raised.value.problems
        key = "statement" if kind == "a statement" else "table"
        assert problem.startswith(f"eventsd: events.own.{key}: the database does not take it: ")
        assert "denied" in problem
        user.close()

    @pytest.mark.parametrize("kind", RULES)
    def test_nothing_is_written(self, mine: Database, kind: str) -> None:
        mine.execute("CREATE TABLE mine (a INT PRIMARY KEY, b INT NOT NULL DEFAULT 3)")

        assert mine.worker({"own": self.RULES[kind]}).check().startswith("reachable, tables of version ")

        assert mine.query("SELECT * FROM mine") == []
