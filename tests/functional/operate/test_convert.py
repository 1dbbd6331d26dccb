"""An old config is converted and run: the rows are in the tables that 0.9.3 wrote into."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import salt.config
import sqlalchemy as sa
import yaml

from salt_eventsd.config.language.fields import Constant, compile_value
from salt_eventsd.config.language.parameters import for_driver
from salt_eventsd.operate.check import check as eventsd_check
from salt_eventsd.operate.convert import convert, convert_path
from salt_eventsd.operate.convert.backends import SHIPPED
from salt_eventsd.operate.convert.destinations import into_sql
from tests.support.delivery import Fired, check, deliver, login, plan_of, rows
from tests.support.docs import ROOT
from tests.support.events import JID, MINION, STAMP, job_data, return_data
from tests.support.servers import MariaDB

pytestmark = pytest.mark.database("mariadb")

DOCUMENT = ROOT / "docs" / "converting.rst"
#: Tables such as users of 0.9.3 have.
TABLES = (
    """CREATE TABLE cmd_hist (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, jid varchar(20), date datetime,
    user varchar(15), fun varchar(255), arg varchar(255), tgt varchar(100), tgt_type varchar(25))""",
    """CREATE TABLE returns (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, jid varchar(20), rec_date datetime,
    srv_id varchar(100), retcode int, returns longtext, success varchar(10))""",
    "CREATE TABLE raid (srv varchar(100) PRIMARY KEY, state text, note varchar(100), day varchar(20))",
)
OLD = r"""
general:
    event_limit: 100
    dump_timer: 10
    max_workers: 100
events:
    new_job:
        tag: salt/job/[0-9]*/new
        backend: New_Job_Worker
        mysql_tab: cmd_hist
        template: insert into {0} (jid, date, user, fun, arg, tgt, tgt_type)
            values ('{1}', '{2}', '{3}', '{4}', '{5}', "{6}", '{7}');
        dict_name: data
        fields: [jid, _stamp, user, fun, arg, tgt, tgt_type]
    returns:
        tag: salt/job/[0-9]*/ret/\w+
        backend: Minion_Return_Worker
        mysql_tab: returns
        template: insert into {0} (jid, rec_date, srv_id, retcode, returns, success)
            values ('{1}', now(), '{2}', {3}, '{4}', '{5}')
        dict_name: data
        fields: [jid, id, retcode, return, success]
        subs:
            raid:
                fun: raid\.status
                backend: Minion_Sub_Worker
                mysql_tab: raid
                template: insert into {0} (srv, state, note, day) values
                    ('{1}', '{2}', '100%% of {1} :at 12:30', date_format('{3}', '%Y :%m'))
                    on duplicate key update state='{2}'
                dict_name: data
                fields: [id, return, _stamp]
"""


def job(**more: Any) -> Fired:
    """A job's start."""
    return f"salt/job/{JID}/new", job_data(**more)


def returned(value: Any, minion: str = MINION, fun: str = "test.ping", **more: Any) -> Fired:
    """A minion's return."""
    return f"salt/job/{JID}/ret/{minion}", return_data(value, minion_id=minion, fun=fun, **more)


class Converted:
    """An old config that was converted, and the database it writes into."""

    def __init__(self, server: MariaDB, folder: Path) -> None:
        self.url = server.new_database()
        self._folder = folder
        parts = login(self.url)
        server.execute(*TABLES, database=parts["database"])
        credentials = {
            "username": parts["user"],
            "password": parts["password"],
            "hostname": parts["host"],
            "port": parts["port"],
            "database": parts["database"],
        }
        old = {**yaml.safe_load(OLD), "worker_credentials": {"all": credentials}}
        (folder / "eventsd").write_text(yaml.safe_dump(old), encoding="utf-8")
        self.config = yaml.safe_load(convert_path(folder / "eventsd"))

    def deliver(self, *fired: Fired) -> list[tuple[int, str]]:
        """Deliver events, and return which were set aside, and why."""
        return deliver(self.config, fired, self._folder)["mysql"].refusals

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return a table's rows."""
        return rows(self.url, f"SELECT * FROM {table} ORDER BY 1")


@pytest.fixture
def converted(mariadb: MariaDB, tmp_path: Path) -> Converted:
    """The old config, converted."""
    return Converted(mariadb, tmp_path)


def test_the_database_finds_nothing_wrong_with_it(converted: Converted, tmp_path: Path) -> None:
    assert check(converted.config, tmp_path) == {"mysql": "reachable, tables not made yet"}


def test_jobs_are_where_they_were(converted: Converted) -> None:
    # When
    aside = converted.deliver(job(fun="cmd.run", arg=["ls", {"cwd": "/'"}], user="o'brien"))

    # Then
    assert aside == []
    [row] = converted.rows("cmd_hist")
    assert json.loads(row.pop("arg")) == ["ls", {"cwd": "/'"}]
    assert row == {
        "id": 1,
        "jid": JID,
        "date": datetime.fromisoformat(STAMP).replace(microsecond=0),
        "user": "o'brien",
        "fun": "cmd.run",
        "tgt": "*",
        "tgt_type": "glob",
    }


def test_returns_are_where_they_were(converted: Converted) -> None:
    # When
    aside = converted.deliver(returned({"a": [1]}), returned(None, "db1", success=False, retcode=3))

    # Then
    assert aside == []
    first, second = converted.rows("returns")
    assert (first["jid"], first["srv_id"], first["retcode"], first["success"]) == (JID, MINION, 0, "True")
    assert json.loads(first["returns"]) == {"a": [1]}
    assert (second["srv_id"], second["retcode"], second["success"], second["returns"]) == ("db1", 3, "False", "null")
    assert abs((datetime.now(timezone.utc).replace(tzinfo=None) - first["rec_date"]).total_seconds()) < 600


@pytest.mark.parametrize(
    ("told", "success"),
    [
        pytest.param({"retcode": 0}, "True", id="salt-call that went well"),
        pytest.param({"retcode": 2}, "False", id="salt-call that failed"),
        pytest.param({"success": None, "retcode": 0}, "True", id="null"),
        pytest.param({"success": [True, False], "retcode": [0, 1], "fun": ["a", "b"]}, "False", id="several functions"),
        pytest.param({}, None, id="nobody knows"),
    ],
)
def test_a_success_that_is_not_said_is_no_failure(
    converted: Converted, told: dict[str, Any], success: str | None
) -> None:
    # Given
    tag, data = returned("x")
    for key in ("success", "retcode"):
        data.pop(key, None)

    # When
    aside = converted.deliver((tag, {**data, **told}))

    # Then
    assert aside == []
    assert [row["success"] for row in converted.rows("returns")] == [success]


def test_a_text_with_a_field_that_is_missing_is_there_all_the_same(converted: Converted) -> None:
    # Given
    tag, data = returned("ok", fun="raid.status")
    del data["id"]

    # When
    rule = converted.config["eventsd"]["events"]["returns"]["subs"]["raid"]
    rule["statement"] = rule["statement"].replace("(:id, ", "('x', ")
    aside = converted.deliver((tag, data))

    # Then
    assert aside == []
    assert [row["note"] for row in converted.rows("raid")] == ["100%% of  :at 12:30"]


def test_a_check_of_the_text_finds_nothing_wrong(converted: Converted, tmp_path: Path) -> None:
    # Given
    text = convert_path(tmp_path / "eventsd")
    (tmp_path / "new.conf").write_text(text, encoding="utf-8")
    opts = {**salt.config.DEFAULT_MASTER_OPTS, "id": "m", "cachedir": str(tmp_path / "c"), "extension_modules": ""}

    # When
    found = eventsd_check(opts, config=str(tmp_path / "new.conf"))

    # Then
    assert (found["config"], found["problems"], found["notes"]) == ("right", [], []), found


def test_sub_events_are_where_they_were(converted: Converted) -> None:
    # When
    aside = converted.deliver(
        returned("ok", "web1", "raid.status"),
        returned("degraded", "web1", "raid.status"),
        returned("no raid", "web1", "test.ping"),
    )

    # Then: the later return has replaced the state, and texts with signs and colons are as they were
    assert aside == []
    assert len(converted.rows("returns")) == 3
    assert converted.rows("raid") == [
        {"srv": "web1", "state": '"degraded"', "note": "100%% of web1 :at 12:30", "day": "2026 :01"}
    ]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("'); DROP TABLE returns; --", id="the end of a statement"),
        pytest.param("`x` \\' \\", id="backticks and backslashes"),
        pytest.param("%s %(jid)s %%", id="percent"),
        pytest.param(":jid :text_1", id="parameters"),
        pytest.param("{0} {1} {{", id="braces"),
        pytest.param("\N{PILE OF POO}\0", id="beyond"),
    ],
)
def test_a_hostile_value_is_data(converted: Converted, value: str) -> None:
    # Given
    tag, data = returned(value, fun="raid.status")
    data["id"] = value

    # When
    aside = converted.deliver((tag, data))

    # Then
    assert aside == []
    assert [row["srv_id"] for row in converted.rows("returns")] == [value]
    assert [json.loads(row["returns"]) for row in converted.rows("returns")] == [value]
    assert [json.loads(row["state"]) for row in converted.rows("raid")] == [value]


def test_a_value_too_long_for_its_column_is_set_aside_alone(converted: Converted) -> None:
    # When
    aside = converted.deliver(job(arg=["x" * 300]), job(arg=["short"]))

    # Then
    [(position, why)] = aside
    assert position == 0
    assert "arg" in why
    assert len(converted.rows("cmd_hist")) == 1


def test_a_field_that_is_missing_is_null(converted: Converted) -> None:
    # Given
    tag, data = job()
    del data["user"]

    # When
    aside = converted.deliver((tag, data))

    # Then
    assert aside == []
    assert [row["user"] for row in converted.rows("cmd_hist")] == [None]


def test_old_rows_become_json_by_the_statement_in_the_docs(converted: Converted, mariadb: MariaDB) -> None:
    # Given
    [statement] = [line.strip() for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if "FROM_BASE64" in line]
    database = login(converted.url)["database"]
    mariadb.execute("INSERT INTO returns (jid, returns) VALUES ('1', TO_BASE64('{\"a\": \"ü\"}'))", database=database)

    # When
    mariadb.execute(statement, database=database)

    # Then
    assert [json.loads(row["returns"]) for row in converted.rows("returns")] == [{"a": "ü"}]


def test_the_workers_of_all_shipped_backends_can_be_made(tmp_path: Path) -> None:
    # Given
    old = {
        "general": {"backend_dir": str(tmp_path), "stat_worker": True},
        "worker_credentials": {"all": {"username": "u", "password": "p@/:%", "hostname": "h", "database": "d"}},
        "worker_settings": {
            "Elasticsearch_Worker": {"hosts": ["es1", "es2:9201"], "username": "u", "password": "p"},
            "Minion_Batch_Return_Worker": {"host": "r", "port": 6379, "db": 1, "password": "p"},
        },
        "events": {
            backend: {"tag": "a/", "backend": backend, "mysql_tab": "t", "template": "delete from {0}"}
            for backend in SHIPPED
            if backend != "Stat_Worker"
        },
    }

    # When
    plan = plan_of(yaml.safe_load(convert(yaml.safe_dump(old)).text), tmp_path)

    # Then
    modules = {planned.settings.module for planned in plan.workers.values()}
    assert modules == {"sql", "stats", "elasticsearch", "redis", "noop"}


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("select '{1}', \"{2}\", {1}", id="quotes"),
        pytest.param("select 'a-{1}-b', '{1}{2}', '%{2}%'", id="inside texts"),
        pytest.param("select 'it''s {1}', 'it\\'s {2}', \"\"\"{1}\"\"\", '{1}''{2}'", id="escaped quotes"),
        pytest.param("select '%', '%%', '%s', '100%', date_format('2026-01-02', '%Y-%m'), '{1}'", id="percent"),
        pytest.param("select '12:30', ':a', ' :b::c', 'd\\n:e', \"it's :f\", '{1}'", id="colons"),
        pytest.param("select '\\:a', 'b\\%:c', '\\_ :d', '\\\\ :e', '{1}'", id="backslashes"),
        pytest.param("select '{{', '}}', '{{1}}', '{1}'", id="braces"),
        pytest.param("select /* '{1} */ 1 -- '{2}\n, '{1}' # it's\n", id="comments"),
        pytest.param("select'{1}'as a,{1},'{2}'like'%e%';", id="no spaces"),
    ],
)
def test_what_is_bound_is_what_was_pasted(mariadb: MariaDB, template: str) -> None:
    # Given
    values = {"jid": "20260102", "id": "web1"}
    engine = sa.create_engine(mariadb.new_database(), poolclass=sa.NullPool)
    rule = into_sql({"template": template, "fields": list(values)}, "Minion_Return_Worker")
    texts = {key: compile_value(value) for key, value in rule["fields"].items() if key not in values}
    bound = {**values, **{key: one.value for key, one in texts.items() if isinstance(one, Constant)}}

    # When
    with engine.connect() as connection:
        pasted = connection.execution_options(no_parameters=True).exec_driver_sql(template.format("", *values.values()))
        before = [tuple(map(str, row)) for row in pasted]
        sql, _ = for_driver(rule["statement"], "pyformat")
        found = connection.execution_options(no_parameters=False).exec_driver_sql(sql, bound)
        after = [tuple(map(str, row)) for row in found]

    # Then: a number that was pasted without quotes may be text now
    assert after == before
