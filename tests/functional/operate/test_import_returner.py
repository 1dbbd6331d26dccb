"""Jobs that another returner of Salt's has kept come into the history, too: that of PostgreSQL, as Salt has it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import salt.loader
import sqlalchemy as sa
from salt.returners import pgjsonb

from salt_eventsd.operate.imports.gaps import repair
from salt_eventsd.operate.imports.run import import_jobs
from tests.support.events import frame, job_data, read, return_data
from tests.support.job_cache import master_opts
from tests.support.kinds import POSTGRESQL
from tests.support.local_cache import jid_of, stamp
from tests.support.stores import Database, batch_of

pytestmark = pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)
NONE = {"jobs": 0, "returns": 0}


@pytest.fixture
def opts(tmp_path: Path, fresh: Database) -> dict[str, Any]:
    """Options of a master whose job cache is in PostgreSQL, beside our tables."""
    made = re.findall(r"^    ((?:CREATE (?:TABLE|SEQUENCE)).*?;)$", pgjsonb.__doc__ or "", re.DOTALL | re.MULTILINE)
    fresh.execute(*made)
    url = sa.make_url(fresh.url)
    place = {"host": url.host, "user": url.username, "pass": url.password or "", "db": url.database, "port": url.port}
    found = master_opts(tmp_path, workers={"history": {"module": "sql", "url": fresh.url}})
    found.update({f"returner.pgjsonb.{name}": value for name, value in place.items()})
    return {**found, "master_job_cache": "pgjsonb"}


def _keep(opts: dict[str, Any], jid: str, *minions: str) -> list[dict[str, Any]]:
    """Do what a master does with a job and its returns; return what the bus has carried of the returns."""
    functions = salt.loader.returners(opts, {})
    load = {"cmd": "publish", "tgt": "*", "tgt_type": "glob", "fun": "test.arg", "arg": ["a"], "jid": jid}
    functions["pgjsonb.save_load"](jid, {**load, "user": "ann", "ret": "", "kwargs": {}})
    fired = [
        return_data({"n": number}, jid, minion, "test.arg", fun_args=["a"], _stamp=stamp())
        for number, minion in enumerate(minions)
    ]
    for told in fired:
        functions["pgjsonb.returner"](told)
    return fired


def test_what_it_has_kept_is_imported_once(opts: dict[str, Any], fresh: Database) -> None:
    # Given two jobs, one of which the bus has brought, and one of whose loads the first return has overwritten
    one, other, third = (jid_of(time.time() - 3600 + number) for number in range(3))
    for told in _keep(opts, one, "web1", "web2"):
        fresh.worker().write(batch_of([read(frame(f"salt/job/{one}/ret/{told['id']}", told), into="returns")]))
        fresh.close()
        fresh.execute("DELETE FROM eventsd_receipts")
    start = read(frame(f"salt/job/{one}/new", job_data(one, "test.arg", user="ann", arg=["a"])), into="jobs")
    fresh.worker().write(batch_of([start]))
    _keep(opts, other, "web1")
    (overwriting,) = _keep(opts, third, "web1")
    salt.loader.returners(opts, {})["pgjsonb.save_load"](third, overwriting)

    # When
    first, second = import_jobs(opts), import_jobs(opts)

    # Then
    assert first["source"] == "pgjsonb"
    assert (first["added"], first["known"]) == ({"jobs": 1, "returns": 2}, {"jobs": 1, "returns": 2})
    assert (second["added"], second["retcode"]) == (NONE, 0)
    assert sorted((row["jid"], row["minion_id"], row["fun"]) for row in fresh.rows("returns")) == [
        (one, "web1", "test.arg"),
        (one, "web2", "test.arg"),
        (other, "web1", "test.arg"),
        (third, "web1", "test.arg"),
    ]
    assert {row["jid"]: row["user"] for row in fresh.rows("jobs")} == {one: "ann", other: "ann"}


def test_a_time_is_repaired_from_it(opts: dict[str, Any], fresh: Database) -> None:
    # Given
    now = time.time()
    _keep(opts, jid_of(now - 7200), "web1")
    jid = jid_of(now - 3600)
    _keep(opts, jid, "web1")

    # When
    told = repair(opts, since="90m", until="30m")

    # Then
    assert (told["retcode"], told["repair"][0]["added"]) == (0, {"jobs": 1, "returns": 1})
    assert [row["jid"] for row in fresh.rows("returns")] == [jid]
    assert any("pgjsonb does not say when" in note for note in told["notes"])


def test_one_that_does_not_answer_is_one_line(opts: dict[str, Any], fresh: Database) -> None:
    # Given
    fresh.execute("DROP TABLE jids")

    # When
    told = import_jobs(opts)

    # Then
    assert told["retcode"] == 2
    assert told["problem"].startswith("source: pgjsonb does not answer: ")
    assert "\n" not in told["problem"]
