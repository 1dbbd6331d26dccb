"""The configurations in examples/ do what their READMEs say, in a real MariaDB."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.delivery import Fired, check, deliver, login, rows
from tests.support.docs import ROOT
from tests.support.events import JID, MINION, STAMP, job_data, return_data
from tests.support.servers import MariaDB

pytestmark = pytest.mark.database("mariadb")

MOMENT = datetime.fromisoformat(STAMP)
LATER = "2026-01-02T04:04:05.000001"


def job(**more: Any) -> Fired:
    """A job's start."""
    return f"salt/job/{JID}/new", job_data(**more)


def returned(value: Any, minion: str = MINION, fun: str = "test.ping", **more: Any) -> Fired:
    """A minion's return."""
    return f"salt/job/{JID}/ret/{minion}", return_data(value, minion_id=minion, fun=fun, **more)


class Example:
    """An example that writes into a database of its own, with the tables of its schema."""

    def __init__(self, name: str, server: MariaDB, folder: Path) -> None:
        example = ROOT / "examples" / name
        self.url = server.new_database()
        self.config = yaml.safe_load((example / "eventsd.conf").read_text(encoding="utf-8"))
        self.config["eventsd"]["workers"]["history"].update(login(self.url))
        self._folder = folder
        schema = (example / "schema.sql").read_text(encoding="utf-8")
        server.execute(
            *[one for one in schema.split(";") if one.strip()], database=self.rows("SELECT DATABASE() AS d")[0]["d"]
        )

    def deliver(self, *fired: Fired) -> list[int]:
        """Deliver events, and return the positions of those that were set aside."""
        return deliver(self.config, fired, self._folder)["history"].positions

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return what a query finds."""
        return rows(self.url, query)


@pytest.fixture
def history(mariadb: MariaDB, tmp_path: Path) -> Example:
    """The job history."""
    return Example("job_history", mariadb, tmp_path)


@pytest.fixture
def subevents(mariadb: MariaDB, tmp_path: Path) -> Example:
    """The sub-events."""
    return Example("subevents", mariadb, tmp_path)


@pytest.mark.parametrize("name", ["job_history", "subevents"])
def test_the_database_finds_nothing_wrong_with_it(name: str, mariadb: MariaDB, tmp_path: Path) -> None:
    # Given
    example = Example(name, mariadb, tmp_path)

    # When
    [said] = check(example.config, tmp_path).values()

    # Then
    assert said.startswith("reachable")


def test_a_job_and_its_returns_are_in_the_history(history: Example) -> None:
    # Given
    hostile = "'); DROP TABLE returns; -- %s {0} :jid `"

    # When
    aside = history.deliver(
        job(fun="cmd.run", arg=[hostile], tgt=["web1", "db1"], tgt_type="list", user="o'brien"),
        returned({"out": hostile}, fun="cmd.run"),
        returned(False, "db1", "cmd.run", success=False, retcode=2),
        returned(True, fun="saltutil.find_job"),
    )

    # Then
    assert aside == []
    [command] = history.rows("SELECT * FROM cmd_hist")
    assert {key: command[key] for key in ("jid", "date", "user", "fun", "tgt_type")} == {
        "jid": JID,
        "date": MOMENT,
        "user": "o'brien",
        "fun": "cmd.run",
        "tgt_type": "list",
    }
    assert (json.loads(command["arg"]), json.loads(command["tgt"])) == ([hostile], ["web1", "db1"])
    first, second = history.rows("SELECT * FROM returns ORDER BY srv_id DESC")
    assert (first["jid"], first["srv_id"], first["rec_date"], first["fun"]) == (JID, MINION, MOMENT, "cmd.run")
    assert (first["retcode"], first["success"], json.loads(first["returns"])) == (0, 1, {"out": hostile})
    assert (second["srv_id"], second["retcode"], second["success"], second["returns"]) == ("db1", 2, 0, "false")


def test_what_comes_twice_is_one_row_of_the_history(history: Example) -> None:
    # When
    history.deliver(job(), returned("first"), job(), returned("second"))

    # Then
    assert len(history.rows("SELECT * FROM cmd_hist")) == 1
    assert [row["returns"] for row in history.rows("SELECT returns FROM returns")] == ['"second"']


def test_sub_events_go_into_their_own_tables_besides(subevents: Example) -> None:
    # When
    aside = subevents.deliver(
        returned("ok", "web1", "raid.status"),
        returned("degraded", "web1", "raid.status", _stamp=LATER),
        returned("ok", "web2", "raid.status"),
        returned(9, "web1", "exim.queued"),
        returned(3, "web1", "exim.queued", _stamp=LATER),
        returned(True, "web1", "raid.status_of_all"),
    )

    # Then
    assert aside == []
    states = subevents.rows("SELECT * FROM raid_state ORDER BY servername")
    assert [(row["servername"], row["state"], row["checked"]) for row in states] == [
        ("web1", '"degraded"', datetime.fromisoformat(LATER)),
        ("web2", '"ok"', MOMENT),
    ]
    [queue] = subevents.rows("SELECT * FROM mail_queue")
    assert queue == {
        "servername": "web1",
        "queued": 3,
        "most": 9,
        "checks": 2,
        "checked": datetime.fromisoformat(LATER),
    }
    assert len(subevents.rows("SELECT * FROM eventsd_returns")) == 6


def test_a_sub_event_without_what_it_needs_is_set_aside_alone(subevents: Example) -> None:
    # Given
    tag, data = returned(5, "web1", "exim.queued")
    del data["return"]

    # When
    aside = subevents.deliver((tag, data), returned(7, "web2", "exim.queued"))

    # Then: it is in the engine's own table all the same
    assert len(aside) == 1
    assert [row["servername"] for row in subevents.rows("SELECT * FROM mail_queue")] == ["web2"]
    assert len(subevents.rows("SELECT * FROM eventsd_returns")) == 2
