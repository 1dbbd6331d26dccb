"""The questions to the history as ``salt-run`` puts them: which database, what is wrong, and how it is said."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from _runners import eventsd as runner
from salt_eventsd.database.questions.read import reader_of
from salt_eventsd.event.clip import named
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate import history, history_page
from tests.support.events import job, returned
from tests.support.history import Story
from tests.support.servers import Server
from tests.support.stores import Database, batch_of

Ask = Callable[..., Any]


def _ask(url: str, question: str = "jobs", worker: str | None = None, **arguments: Any) -> Any:
    opts = {"eventsd": {"workers": {"history": {"url": url}}}, "cachedir": "/nowhere"}
    return history.ask(opts, question, worker, {"limit": 50, "stale": "7d", **arguments})


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of a database with a few jobs in it."""
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    story = Story()
    story.by_chance(20)
    database.worker().write(batch_of(story.events))
    database.close()
    return database.url


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Calls a verb of the runner."""
    opts = {"eventsd": {"workers": {"history": {"url": url}}}, "cachedir": "/nowhere"}
    monkeypatch.setattr(runner, "__opts__", opts, raising=False)
    monkeypatch.setattr(runner, "__context__", {}, raising=False)

    def call(verb: str, *arguments: Any, at_terminal: bool = False, **named: Any) -> Any:
        opts["fun"] = f"eventsd.{verb}" if at_terminal else ""
        return getattr(runner, verb)(*arguments, **named)

    return call


@pytest.mark.parametrize(
    ("question", "arguments", "told"),
    [
        ("jobs", {"since": "nonsense"}, "since: expected a time such as 90m"),
        ("jobs", {"limit": 0}, "limit: expected a number from 1 on, got 0"),
        ("jobs", {"limit": "many"}, "limit: expected a number from 1 on, got 'many'"),
        ("jobs", {"outcome": "bad"}, "outcome: expected one of succeeded, failed, missing, nobody, got 'bad'"),
        ("jobs", {"kind": "bad"}, "kind: expected one of job, runner, wheel, call, schedule, got 'bad'"),
        ("jobs", {"fun": ""}, "fun: expected a name or a glob such as web*, got ''"),
        ("jobs", {"minion": ["a"]}, "minion: expected a name or a glob such as web*"),
        ("job", {"jid": True}, "jid: expected a job id such as 20261126140000123456, got True"),
        ("job", {"jid": " "}, "jid: expected a job id"),
        ("minion", {"minion": "web*"}, "minion: expected the id of one minion"),
        ("returns", {"before": "x"}, "before: expected a number from 1 on"),
        ("conformity", {"stale": "long"}, "stale: expected a time like 12h"),
        ("jobs", {"worker": "other"}, "worker: 'other' is no sql worker; there is history"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_one_line(url: str, question: str, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(EventsdError) as caught:
        _ask(url, question, **arguments)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("question", "arguments", "told"),
    [
        ("job", {"jid": 123}, "unknown jid 123"),
        ("returns", {"jid": "123"}, "unknown jid 123"),
        ("missing", {"jid": "123"}, "unknown jid 123"),
        ("minion", {"minion": "nobody"}, "unknown minion nobody"),
        ("changes", {"minion": "nobody"}, "unknown minion nobody"),
        ("returns", {"before": 2**64}, "there is no return 9223372036854775807"),
        ("failures", {"before": 10**9}, "there is no return 1000000000"),
    ],
    ids=str,
)
def test_what_is_unknown_is_said(url: str, question: str, arguments: dict[str, Any], told: str) -> None:
    assert _ask(url, question, **arguments)["note"].startswith(told)


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        ("conformity", {"at": "0001-01-01"}),
        ("conformity", {"stale": "99999y"}),
        ("jobs", {"since": "0001-01-01", "until": "9999-12-31"}),
        ("failures", {"limit": 10**30}),
    ],
    ids=str,
)
def test_a_number_or_time_may_be_as_large_or_small_as_there_are(
    tables: Database, question: str, arguments: dict[str, Any]
) -> None:
    tables.close()
    assert _ask(tables.url, question, **arguments) == []


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_minion_whose_id_ends_in_blanks_is_found_by_either_name(tables: Database, is_kept: bool) -> None:
    # Given
    jids = {"web1": "20260102030405678901", "web1  ": "20260102030405678902"}
    run = {"file_|-a_|-/a_|-managed": {"result": True, "changes": {"a": 1}, "__run_num__": 0, "name": "/a"}}
    events = [
        one
        for name, jid in jids.items()
        for one in (
            job(jid, minions=[name], tgt=name),
            returned(run, jid=jid, minion_id=name, fun="state.apply", retcode=1),
        )
    ]
    tables.worker().write(batch_of(events))
    tables.close()
    asked = named("web1  ") if is_kept else "web1  "

    # When
    found = {
        question: _ask(tables.url, question, minion=asked)
        for question in ("jobs", "audit", "returns", "failures", "changes", "conformity", "minion")
    }

    # Then
    last = found.pop("minion")[named(asked)]["last_runs"]
    assert [row["jid"] for row in last] == [jids["web1  "]]
    for question, rows in found.items():
        assert [row["jid"] for row in rows] == [jids["web1  "]], question
    assert [row["jid"] for row in _ask(tables.url, "returns", minion=" web1")] == [jids["web1"]]
    assert len(_ask(tables.url, "returns", minion="web1* ")) == 2


def test_hostile_names_find_nothing(tables: Database) -> None:
    # Given
    story = Story()
    story.ping(["db1"])
    tables.worker().write(batch_of(story.events))
    tables.close()

    for hostile in ("' OR 1=1 --", "%", "_", "\\", "[", "[]", "x" * 100_000, "é", "![a]", ":a"):
        # When
        found = _ask(tables.url, "returns", minion=hostile, fun=hostile)

        # Then
        assert found == [] or found["returns"] == [], hostile[:12]
    assert len(_ask(tables.url, "returns", minion="db1", fun="test.ping")) == 1


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"], ids=ascii)
def test_what_no_database_takes_is_a_wrong_argument(url: str, name: str) -> None:
    with pytest.raises(EventsdError, match="minion: expected a name or a glob"):
        _ask(url, "returns", minion=name)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(EventsdError, match="there is no file"):
        _ask(f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()


def test_a_database_without_our_tables(database: Database) -> None:
    database.execute("CREATE TABLE other (a INTEGER)")
    with pytest.raises(EventsdError, match="it has no tables of ours yet"):
        _ask(database.url)


def test_tables_of_an_older_version(database: Database) -> None:
    database.make_tables()
    database.close()
    database.execute("UPDATE eventsd_schema_version SET version_num = '0003'")
    with pytest.raises(EventsdError, match="its tables are of version 0003"):
        _ask(database.url)


def test_a_server_that_is_down(served: Database, server: Server) -> None:
    server.stop()
    with pytest.raises(EventsdError, match="the database of worker history does not answer") as caught:
        _ask(served.url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_frozen_server_is_told_of_within_seconds(served: Database, server: Server) -> None:
    # Given
    served.make_tables()
    served.close()
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)

    # When
    start = time.monotonic()
    try:
        with pytest.raises(EventsdError, match="does not answer"):
            _ask(served.url)
    finally:
        os.kill(pid, signal.SIGCONT)

    # Then
    assert time.monotonic() - start < 15


def test_a_question_changes_nothing(fresh: Database) -> None:
    # Given
    fresh.make_tables()
    fresh.close()
    opts = {"eventsd": {"workers": {"history": {"url": fresh.url}}}, "cachedir": "/nowhere"}

    # When
    engine = reader_of(history.load(opts), "history")
    with pytest.raises(Exception, match=r"(?i)read.?only"), engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("DELETE FROM eventsd_jobs")
    engine.dispose()


class TestTheRunner:
    """What the verbs return."""

    @pytest.mark.parametrize(
        "verb", ["jobs", "returns", "failures", "missing", "changes", "conformity", "slow", "audit"]
    )
    def test_rows_for_machines_and_a_table_for_people(self, run: Ask, verb: str) -> None:
        # When
        rows = run(verb)
        page = run(verb, at_terminal=True)

        # Then
        assert rows
        assert all(isinstance(row, dict) for row in rows)
        assert page["retcode"] == 0
        lines = page["return"].splitlines()
        assert len(lines) == len(rows) + 1

    def test_one_job_and_one_minion(self, run: Ask) -> None:
        # Given
        jid = run("jobs", kind="job", limit=1)[0]["jid"]

        # Then
        assert list(run("job", int(jid))) == [jid]
        assert run("job", jid, at_terminal=True)["return"].startswith("job ")
        assert list(run("minion", "db1")) == ["db1"]
        assert "last returns:" in run("minion", "db1", at_terminal=True)["return"]

    def test_what_is_wrong_is_a_line_and_a_return_code(self, run: Ask) -> None:
        answer = run("jobs", since="nonsense")
        assert answer["retcode"] == 2
        assert answer["problem"].startswith("since: expected a time")
        assert runner.__context__["retcode"] == 2

    def test_nothing_found(self, run: Ask) -> None:
        assert run("jobs", fun="nothing") == []
        assert run("jobs", fun="nothing", at_terminal=True)["return"] == "nothing found"
        assert run("job", 1, at_terminal=True)["return"].startswith("unknown jid 1")


def test_which_database_is_asked(url: str, tmp_path: Path) -> None:
    # Given
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    other.make_tables()
    other.close()
    workers = {"files": {"module": "file", "path": str(tmp_path / "x")}, "a": {"url": other.url}, "b": {"url": url}}
    opts: dict[str, Any] = {
        "eventsd": {"workers": workers, "events": {"all": {"tag": "x", "worker": "a"}}},
        "cachedir": str(tmp_path),
    }

    # Then
    ask = {"limit": 1}
    assert history.ask(opts, "jobs", None, ask) == []
    assert len(history.ask(opts, "jobs", "b", ask)) == 1
    opts["eventsd"]["job_cache"] = {"worker": "b"}
    assert len(history.ask(opts, "jobs", None, ask)) == 1
    opts["eventsd"]["job_cache"] = {"worker": "files"}
    with pytest.raises(EventsdError, match=r"job_cache\.worker: 'files' is no sql worker; expected one of a, b"):
        history.ask(opts, "jobs", None, ask)


def test_a_table_keeps_within_its_width_and_control_characters_out() -> None:
    rows = [{"minion_id": "web1\x1b[31m", "outcome": "missing", "fun": "x" * 300}]
    lines = history_page.table(rows, ("minion_id", "outcome", "fun"), 60)
    assert max(map(len, lines)) == 60
    assert "\x1b" not in "".join(lines)


def test_how_far_back_an_answer_reaches_stands_below_it() -> None:
    rows = [{"stamp": "2026-01-02T03:04:05", "user": "alice", "jid": "1", "fun": "test.ping"}]
    assert history_page.page("audit", {"audit": rows, "note": "only so far"}, 80).splitlines()[-2:] == [
        "",
        "only so far",
    ]
    assert history_page.page("audit", {"audit": rows, "note": "only so far"}, 80).startswith(
        history_page.page("audit", rows, 80)
    )
    assert history_page.page("audit", {"audit": [], "note": "only so far"}, 80) == "only so far"


def test_a_narrow_table_shows_whole_jids_and_why_something_failed() -> None:
    # Given
    jid = "20260102030405678901"
    row = {"stamp": "2026-01-02T03:04:05", "jid": jid, "minion_id": "web1.example.com", "retcode": 2}
    failure = {**row, "fun": "runner.state.orchestrate", "states": [], "return": "No such file, and more " * 9}
    slow = {**row, "duration_ms": 1.0, "what": "state", "fun": "state.apply", "name": "/etc/ntp.conf" * 9}

    # Then
    heads, line = history_page.page("failures", [failure], 80).splitlines()
    assert heads.split() == ["JID", "MINION", "FUN", "RETCODE", "WHY"], "the jid says the time"
    assert jid in line
    assert "No such file, and" in line
    heads, line = history_page.page("slow", [slow], 100).splitlines()
    assert line.endswith(jid)
    assert max(len(heads), len(line)) <= 100
    wide = history_page.page("failures", [failure], 400)
    assert "2026-01-02 03:04:05" in wide
    assert failure["return"].strip() in wide


def test_why_a_runner_failed_is_what_it_told_a_person() -> None:
    told = {"return": "path: there is no folder /x", "outputter": "highstate", "retcode": 2}
    row = {"stamp": "2026-01-02T03:04:05", "jid": "20260102030405678901", "minion_id": "master", "retcode": 2}
    page = history_page.page("failures", [{**row, "fun": "runner.eventsd.report", "states": [], "return": told}], 200)
    assert page.endswith("  path: there is no folder /x")


def test_arguments_stand_last_as_they_were_typed() -> None:
    # Given
    arguments = ["web", {"__kwarg__": True, "test": True, "pillar": {"a": [1]}}, "x" * 60]
    row = {"stamp": "2026-01-02T03:04:05", "jid": "20260102030405678901", "user": "alice", "fun": "state.apply"}

    # Then
    heads, line = history_page.page("audit", [{**row, "kind": "job", "tgt": "*", "arg": arguments}], 400).splitlines()
    assert heads.split()[-1] == "ARGUMENTS"
    assert line.endswith('  web test=True pillar={"a": [1]} ' + "x" * 60)


def test_who_reads_a_change_can_ask_about_its_job() -> None:
    row = {"stamp": "2026-01-02T03:04:05", "jid": "20260102030405678901", "minion_id": "web1", "user": "alice"}
    change = {**row, "state": "file.managed", "name": "/etc/ntp.conf", "changes": {"diff": "+" * 90}}
    assert "20260102030405678901  web1" in history_page.page("changes", [change], 100)


def test_a_person_reads_what_is_wrong_in_one_line(run: Ask) -> None:
    told = run("jobs", at_terminal=True, limit=0)
    assert told == {"return": "limit: expected a number from 1 on, got 0", "outputter": "highstate", "retcode": 2}
    assert run("jobs", limit=0) == {"problem": "limit: expected a number from 1 on, got 0", "retcode": 2}


@pytest.mark.parametrize("question", ["jobs", "audit"])
def test_the_question_is_not_among_its_own_answers(run: Ask, monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    found = [row["jid"] for row in run(question)]
    monkeypatch.setattr(runner, "__jid__", found[0], raising=False)
    assert next(row["jid"] for row in run(question)) == found[1]
    assert run("job", found[0])
