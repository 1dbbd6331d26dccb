"""What a person at a terminal is shown of most verbs: facts and tables, and no nested data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from _runners import eventsd as runner
from tests.support.history import Story
from tests.support.stores import Database, batch_of


@pytest.fixture
def opts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Salt's options, with a history that has some jobs, all of them too old."""
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    story = Story()
    story.by_chance(20)
    database.worker().write(batch_of(story.events))
    database.close()
    (tmp_path / "master").write_text("{}")
    found = {
        "eventsd": {"workers": {"history": {"url": database.url, "keep": {"returns": "1m"}}}},
        "cachedir": str(tmp_path),
        "conf_file": str(tmp_path / "master"),
        "fun": "",
    }
    monkeypatch.setattr(runner, "__opts__", found, raising=False)
    monkeypatch.setattr(runner, "__context__", {}, raising=False)
    monkeypatch.setattr(runner, "__salt__", {}, raising=False)
    return found


@pytest.mark.parametrize(
    ("verb", "arguments", "lines"),
    [
        pytest.param("purge", {"dry_run": True}, ["dry run  yes", "WORKER   TABLE            OUTCOME"], id="purge"),
        pytest.param("forget", {"minion": "db1"}, ["WORKER   TABLE", "history  eventsd_minions  1"], id="forget"),
        pytest.param("forget", {"minion": "nobody"}, ["nothing is known of nobody"], id="forget whom nobody knows"),
        pytest.param("forget", {"minion": "web*"}, ["wrong: minion: expected the id of a minion"], id="wrong"),
        pytest.param("dead", {}, ["wrong: eventsd: spool.dir: there is no spool"], id="no spool"),
        pytest.param(
            "archive", {"before": "2026-01-01", "dry_run": True}, ["dry run  yes", "WORKER   TABLE"], id="archive"
        ),
        pytest.param("archive", {"restore": "/no/such"}, ["wrong: /no/such: No such file"], id="archive of none"),
        pytest.param("schema", {}, ["worker    history", "tables:", "eventsd_jobs"], id="schema"),
        pytest.param("schema", {"action": "upgrade"}, ["WORKER   FROM  TO"], id="upgrade"),
        pytest.param("views", {}, ["no view is missing"], id="views"),
        pytest.param("replay", {"rule": "no", "since": "1d"}, ["wrong: rule: expected the name of"], id="replay"),
        pytest.param("pause", {"worker": "history"}, ["wrong: eventsd: no engine answers at"], id="pause"),
        pytest.param("resume", {"worker": "history"}, ["wrong: eventsd: no engine answers at"], id="resume"),
        pytest.param("flush", {}, ["wrong: eventsd: no engine answers at"], id="flush"),
        pytest.param("reload", {}, ["wrong: eventsd: no engine answers at"], id="reload"),
        pytest.param("requeue", {}, ["wrong: say which: ids"], id="requeue"),
        pytest.param("discard", {"contains": "x"}, ["wrong: eventsd: spool.dir: there is no spool"], id="discard"),
        pytest.param("drop_orphaned", {}, ["wrong: eventsd: spool.dir: there is no spool"], id="drop orphaned"),
        pytest.param("test", {}, ["wrong: eventsd: test: there is no", "docs/testing_rules.rst"], id="no tests"),
        pytest.param("check", {}, ["config  without effect", "  history  reachable, tables of version"], id="check"),
    ],
)
def test_a_person_reads_a_page_and_everybody_else_gets_data(
    opts: dict[str, Any], verb: str, arguments: dict[str, Any], lines: list[str]
) -> None:
    # When: somebody at a terminal asks
    opts["fun"] = f"eventsd.{verb}"
    shown = getattr(runner, verb)(**arguments)

    # Then
    assert [line for line in lines if line not in shown["return"]] == []
    assert "{" not in shown["return"]
    assert shown["outputter"] == "highstate"

    # When: somebody asks for data, or nobody reads what is printed
    opts["output"] = "json"
    asked = getattr(runner, verb)(**{**arguments, **({"dry_run": True} if verb == "forget" else {})})
    opts.update(fun="", output=None)
    inside = getattr(runner, verb)(**{**arguments, **({"dry_run": True} if verb == "forget" else {})})

    # Then
    assert asked == inside
    assert (asked["retcode"], "return" in asked) == (shown["retcode"], False)
