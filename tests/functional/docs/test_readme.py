"""The README's queries on every database, and every example of configuration, as they stand in the documentation."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import salt.config
import sqlalchemy as sa
import yaml

from salt_eventsd.config import load as config_load
from salt_eventsd.event.parse import Event
from salt_eventsd.operate import ruletest
from salt_eventsd.workers.load import load_modules, make
from salt_eventsd.workers.write import Batch, Context
from salt_eventsd.writer import config as writer_config
from tests.support.docs import DOCUMENTS, ROOT, all_blocks, blocks
from tests.support.events import JID, MINION, fired, job, job_data, returned, state_result

_QUERIES = [text for _, text in blocks(ROOT / "README.rst", "sql")]
_LATER_JID = "20260102040405678901"
_LATER_STAMP = "2026-01-02T04:04:05.678901"
_OTHER_MINION = "db1.example.com"

Row = dict[str, Any]


def _history() -> list[Event]:
    """A ping of two minions that one of them answers, and a later state run with one failure and one change."""
    run = {
        "file_|-motd_|-/etc/motd_|-managed": state_result("/etc/motd", 0, changes={"diff": "New file"}),
        "pkg_|-vim_|-vim_|-installed": state_result("vim", 1),
        "service_|-nginx_|-nginx_|-running": state_result(
            "nginx", 2, result=False, comment="nginx is not there", __id__="nginx", __sls__="web"
        ),
        # Neither well nor failed: what a state says that was run with test=True.
        "user_|-deploy_|-deploy_|-present": state_result("deploy", 3, result=None),
    }
    return [
        job(minions=[MINION, _OTHER_MINION], user="alice"),
        returned({"answer": True}, minion_id=MINION),
        job(_LATER_JID, "state.apply", user="bob", _stamp=_LATER_STAMP),
        returned(run, _LATER_JID, MINION, "state.apply", retcode=2, _stamp=_LATER_STAMP),
    ]


@pytest.fixture
def engine(database_url: str, tmp_path: Path) -> Any:
    """A database into which the sql worker has written a history."""
    engine = _written(database_url, tmp_path, _history())
    yield engine
    engine.dispose()


def _written(database_url: str, tmp_path: Path, history: list[Event]) -> sa.Engine:
    opts = _opts(tmp_path, eventsd={"workers": {"history": {"url": database_url}}})
    settings = config_load.load(opts).workers["history"]
    worker: Any = make(load_modules(opts), settings.module, Context("history", settings.options, "master", 1, opts))
    worker.write(Batch("spool", ((1, len(history)),), history))
    worker.close()
    return sa.create_engine(config_url(settings.options["url"]), poolclass=sa.NullPool)


def config_url(url: str) -> sa.URL:
    """The URL with a driver, where it names none."""
    made = sa.make_url(url)
    drivers = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql", "postgresql": "postgresql+psycopg2"}
    return made.set(drivername=drivers.get(made.drivername, made.drivername))


def _ask(engine: sa.Engine, query: str) -> list[Row]:
    with engine.connect() as connection:
        # Straight to the driver, as a user's client does it: a percent sign or a colon means nothing else.
        result = connection.exec_driver_sql(query)
        return [dict(row) for row in result.mappings()]


def _decoded(value: Any) -> Any:
    """JSON as PostgreSQL's driver returns it; the others return its text."""
    return json.loads(value) if isinstance(value, str) else value


def _second(value: Any) -> str:
    """A time without its fraction; SQLite returns text."""
    return value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else str(value)[:19]


def _query(words: str) -> str:
    [found] = [query for query in _QUERIES if words in query]
    return found


def test_the_readme_has_five_queries() -> None:
    assert len(_QUERIES) == 5


def test_what_was_done_lately_and_by_whom(engine: sa.Engine) -> None:
    rows = _ask(engine, _query("j.user"))

    assert [(row["user"], row["fun"], row["tgt"], row["minion_count"]) for row in rows] == [
        ("bob", "state.apply", "*", 1),
        ("alice", "test.ping", "*", 2),
    ]
    assert [_second(row["stamp"]) for row in rows] == ["2026-01-02 04:04:05", "2026-01-02 03:04:05"]


def test_what_a_job_returned(engine: sa.Engine) -> None:
    query = _query("r.return")
    assert JID in query

    [row] = _ask(engine, query)

    assert (row["minion_id"], bool(row["success"]), row["retcode"]) == (MINION, True, 0)
    assert _decoded(row["return"]) == {"answer": True}


def test_which_states_failed_and_why(engine: sa.Engine) -> None:
    [row] = _ask(engine, _query("s.result = FALSE"))

    assert (row["minion_id"], row["sls"], row["state_id"], row["comment"]) == (
        MINION,
        "web",
        "nginx",
        "nginx is not there",
    )
    assert _second(row["stamp"]) == "2026-01-02 04:04:05"


def test_which_jobs_were_not_answered_by_all(engine: sa.Engine) -> None:
    [row] = _ask(engine, _query("HAVING"))

    assert row == {"jid": JID, "fun": "test.ping", "tgt": "*", "minion_count": 2, "answered": 1}


def test_a_batch_is_answered_by_all_and_a_syndic_is_no_minion(database_url: str, tmp_path: Path) -> None:
    # Given: two batches of two groups, and two jobs of a master of masters; of each pair one is answered by all
    def groups(jid: str) -> list[Event]:
        return [job(jid, tgt=[name], tgt_type="list", minions=[name], _stamp=_LATER_STAMP) for name in ("w2", "w1")]

    def above(jid: str) -> list[Event]:
        below = fired(f"syndic/eu/salt/job/{jid}/new", job_data(jid, minions=["w1", "w2"], user="syndic"))
        return [job(jid, minions=["eu", "w0"]), below]

    def answers(jid: str, *names: str) -> list[Event]:
        return [returned(jid=jid, minion_id=name) for name in names]

    history = [*groups("1"), *answers("1", "w1", "w2"), *groups("2"), *answers("2", "w1")]
    history += [*above("3"), *answers("3", "w0", "w1", "w2"), *answers("4", "w0", "w1"), *above("4")]
    engine = _written(database_url, tmp_path, history)

    # When
    rows = _ask(engine, _query("HAVING"))

    # Then
    assert [(row["jid"], row["tgt"], row["minion_count"], row["answered"]) for row in rows] == [
        ("4", "*", 3, 2),
        ("2", '["w1","w2"]', 2, 1),
    ]
    engine.dispose()


def test_a_dry_run_has_changed_nothing(database_url: str, tmp_path: Path) -> None:
    # Given
    def run(result: bool | None) -> dict[str, Any]:
        return {"file_|-a_|-/etc/a_|-managed": state_result("/etc/a", result=result, changes={"diff": "New file"})}

    history = [
        returned(run(None), "1", fun="state.apply", fun_args=["a", {"__kwarg__": True, "test": True}]),
        returned(run(True), "2", fun="state.apply", fun_args=["a", "test=True"]),
        returned(run(None), "3", fun="state.test"),
        returned(run(None), "4", fun="state.highstate"),
    ]
    engine = _written(database_url, tmp_path, history)

    # Then
    assert _ask(engine, _query("s.changed")) == []
    engine.dispose()


def test_what_salt_has_changed_on_a_minion(engine: sa.Engine) -> None:
    query = _query("s.changed")
    assert MINION in query

    [row] = _ask(engine, query)

    assert (row["state"], row["name"]) == ("file.managed", "/etc/motd")
    assert _decoded(row["changes"]) == {"diff": "New file"}


def _yaml(kind: type) -> list[Any]:
    """The YAML in the documentation: configurations are mappings, tests of rules are lists."""
    return [
        pytest.param(block.text, id=block.name)
        for document in DOCUMENTS
        for block in all_blocks(document)
        if block.language == "yaml" and isinstance(yaml.safe_load(block.text), kind)
    ]


def _is_of_a_writer(block: Any) -> bool:
    return "source" in (yaml.safe_load(block.values[0]).get("eventsd") or {})


@pytest.mark.parametrize("block", [one for one in _yaml(dict) if _is_of_a_writer(one)])
def test_an_example_of_a_writer_loads(block: str, tmp_path: Path) -> None:
    # Given
    path = tmp_path / "writer.yaml"
    path.write_text(block, encoding="utf-8")

    # When
    found = writer_config.read(str(path))

    # Then
    assert found.source.stream == "EVENTSD"


@pytest.mark.parametrize("block", [one for one in _yaml(dict) if not _is_of_a_writer(one)])
def test_an_example_of_configuration_loads(block: str, tmp_path: Path) -> None:
    # Given
    given = yaml.safe_load(block)
    assert given.keys() <= {"engines", "eventsd", "eventsd_workers_dirs", "master_job_cache"}
    opts = _opts(tmp_path, **given)

    # Then: it raises nothing, and each worker but those for which a reader has a module can be made
    _workers_are_made(config_load.load(opts), opts, but=("lines", "my"))


@pytest.mark.parametrize("block", _yaml(list))
def test_an_example_of_rule_tests_holds(block: str, tmp_path: Path) -> None:
    # Given
    _, config = next(blocks(ROOT / "docs" / "testing_rules.rst", "yaml"))
    path = tmp_path / "tests.yaml"
    path.write_text(block, encoding="utf-8")

    # When
    found = ruletest.run(config_load.load(yaml.safe_load(config)), ruletest.read(path))

    # Then
    assert (found["passed"], found["failed"]) == (2, {})


def test_the_pillar_example_loads(tmp_path: Path) -> None:
    # Given
    opts = _opts(tmp_path, **yaml.safe_load((ROOT / "pillar.example").read_text(encoding="utf-8")))

    # When
    config = config_load.load(opts)

    # Then
    assert list(config.workers) == ["history", "audit"]
    assert config.workers["audit"].defaults["user"] == "salt"
    _workers_are_made(config, opts)


def _opts(cachedir: Path, **given: Any) -> dict[str, Any]:
    """A master's options, which Salt's loader wants."""
    return {**salt.config.DEFAULT_MASTER_OPTS, "cachedir": str(cachedir), **given}


def _workers_are_made(config: Any, opts: dict[str, Any], but: tuple[str, ...] = ()) -> None:
    modules = load_modules(opts)
    for name, settings in config.workers.items():
        if name not in but:
            make(
                modules,
                settings.module,
                Context(name, settings.options, "master", settings.concurrency, opts, settings.defaults),
            )
