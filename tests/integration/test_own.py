"""
What users bring themselves: workers from the file server, configuration in pillar, tests of their rules.
"""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import salt.config
import salt.runner
import salt.utils.yaml

from tests.integration.conftest import StartMaster
from tests.integration.test_reload import configure
from tests.support.nodes import Master, sqlite_history
from tests.support.salt import wait_until

LINES = '''
"""Lines of JSON.

.. code-block:: yaml

    workers:
      lines: {module: lines, path: /tmp/lines}
"""
import os

def worker(context):
    return Lines(context.options["path"])

class Lines:
    def __init__(self, path):
        self.path = path

    def write(self, batch):
        with open(self.path, "ab") as file:
            for event in batch.events:
                file.write(event.json() + b"\\n")
                file.write(b"%s %s\\n" % (__opts__["id"].encode(), str(__salt__["test.echo"]("echoed")).encode()))
'''
ALARMS = {"tag": "company/alarm/", "worker": "lines"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder the master's file server serves."""
    return tmp_path_factory.mktemp("roots")


@pytest.fixture(scope="module")
def pillar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the master's pillar."""
    return tmp_path_factory.mktemp("pillar")


@pytest.fixture(scope="module")
def own(start_master: StartMaster, root: Path, pillar: Path) -> Iterator[Master]:
    """A master with a worker of its own in file_roots, and with pillar."""
    (root / "_eventsd_workers").mkdir()
    (root / "_eventsd_workers" / "lines.py").write_text(LINES, encoding="utf-8")
    (pillar / "top.sls").write_text("base: {'keeper': [eventsd]}\n", encoding="utf-8")
    path = root / "lines.txt"
    block = {
        "eventsd": {
            "workers": {"lines": {"module": "lines", "path": str(path)}},
            "events": {"alarms": {**ALARMS, "tag": "overridden/by/the/master"}},
        }
    }
    (pillar / "eventsd.sls").write_text(salt.utils.yaml.safe_dump(block), encoding="utf-8")
    eventsd = {
        "pillar": "keeper",
        "workers": sqlite_history(),
        "events": {"alarms": {"tag": "company/alarm/"}, "pings": {"tag": "company/ping/", "worker": "history"}},
        "state_timer": 0.5,
    }
    options: dict[str, Any] = {"file_roots": {"base": [str(root)]}, "pillar_roots": {"base": [str(pillar)]}}
    with start_master("own", eventsd=eventsd, **options) as running:
        yield running


OLD = {
    "general": {"event_limit": 100, "backends": ["Minion_Return_Worker"]},
    "worker_credentials": {"all": {"username": "u", "password": "canary", "hostname": "h", "database": "d"}},
    "events": {
        "ret": {
            "tag": r"salt/job/[0-9]*/ret/\w+",
            "backend": "Minion_Return_Worker",
            "mysql_tab": "returns",
            "template": "insert into {0} (jid, srv) values ('{1}', '{2}')",
            "dict_name": "data",
            "fields": ["jid", "id"],
        }
    },
}


def lines(root: Path) -> list[str]:
    path = root / "lines.txt"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.mark.smoke
def test_a_worker_from_the_file_server_works_with_its_config_in_pillar(own: Master, root: Path) -> None:
    # When
    with own.bus() as bus:
        bus.fire("company/alarm/fire", {"where": "cellar"})

    # Then: written, and Salt's functions and options work in the worker's thread
    found = wait_until(lambda: len(lines(root)) >= 2 and lines(root), "written lines")
    assert json.loads(found[0])["where"] == "cellar"
    assert found[1] == f"{own.daemon.id} echoed"
    assert own.status().returncode == 0


def test_the_workers_there_are_are_listed(own: Master) -> None:
    found = own.run("eventsd.workers").data["workers"]

    assert found["lines"]["about"] == "Lines of JSON."
    assert found["lines"]["config"].startswith("workers:")
    assert found["lines"]["file"].startswith(own.daemon.config["extension_modules"])
    assert "eventsd:" in found["sql"]["config"]


def test_a_changed_worker_is_used_after_a_reload(own: Master, root: Path) -> None:
    # Given
    module = root / "_eventsd_workers" / "lines.py"
    module.write_text(LINES.replace("echoed", "changed"), encoding="utf-8")

    # When
    assert own.run("eventsd.sync_workers").data["synced"] == ["eventsd_workers.lines"]
    assert own.run("eventsd.reload").returncode == 0
    with own.bus() as bus:
        bus.fire("company/alarm/again", {})

    # Then
    wait_until(lambda: any(line.endswith("changed") for line in lines(root)), "line of the changed worker")


def test_a_pillar_that_does_not_compile_is_refused(own: Master, pillar: Path) -> None:
    # Given
    sls = pillar / "eventsd.sls"
    before = sls.read_text(encoding="utf-8")
    sls.write_text("eventsd: {{ no_such_thing.at_all }}\n", encoding="utf-8")

    # When
    answer = own.run("eventsd.reload")
    sls.write_text(before, encoding="utf-8")

    # Then
    assert answer.returncode == 2
    assert answer.data["problems"][0].startswith("eventsd: pillar: that of keeper cannot be compiled")


def tap(own: Master, *args: str) -> subprocess.Popen[str]:
    """Start ``salt-run eventsd.tap`` and wait until it shows events."""
    config = Path(own.daemon.config["conf_file"]).parent
    command = [sys.executable, "-m", "tests.support.salt_run", "-c", str(config), "eventsd.tap", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.smoke
def test_the_tap_shows_who_takes_what_without_secrets(own: Master) -> None:
    # Given
    with tap(own, "company/*", "count=2", "--out=json") as process, own.bus() as bus:
        # When: fired until it has seen enough
        while process.poll() is None:
            bus.fire("company/alarm/x", {"password": "canary", "id": "m"})
            bus.fire("elsewhere/x", {})
            wait_until(lambda: True, "moment")
            try:
                process.wait(0.3)
            except subprocess.TimeoutExpired:
                continue
        assert process.stdout
        shown = process.stdout.read()

    # Then
    events = [json.loads(line) for line in shown.splitlines() if line.startswith("{")]
    assert len(events) == 2
    assert events[0]["tag"] == "company/alarm/x"
    assert [(one["rule"], one["worker"]) for one in events[0]["taken"]] == [("alarms", "lines")]
    assert events[0]["data"]["password"] == "***"
    assert "canary" not in shown
    assert process.returncode == 0


@pytest.mark.smoke
def test_the_tap_ends_at_ctrl_c(own: Master) -> None:
    # Given
    with tap(own, "company/*") as process, own.bus() as bus:
        assert process.stdout
        while not select.select([process.stdout], [], [], 0.3)[0]:
            bus.fire("company/alarm/x", {})

        # When
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=20)

    # Then
    assert "company/alarm/x  [alarms -> lines (events)]" in shown
    assert "Traceback" not in shown
    assert process.returncode == 0


def test_the_tap_ends_when_nobody_reads_any_more(own: Master) -> None:
    # Given
    with tap(own, "company/*") as process, own.bus() as bus:
        assert process.stdout
        while not select.select([process.stdout], [], [], 0.3)[0]:
            bus.fire("company/alarm/x", {})

        # When: as head does
        process.stdout.close()
        process.stdout = None
        for _ in range(100):
            bus.fire("company/alarm/x", {})
            try:
                process.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                continue

    # Then
    assert process.returncode == 0


def test_what_the_runners_that_print_come_to_is_a_success(own: Master, tmp_path: Path) -> None:
    # Given
    (tmp_path / "eventsd").write_text(salt.utils.yaml.safe_dump(OLD), encoding="utf-8")
    returns = {"tag": "salt/run/[^/]+/ret", "worker": "history", "into": "returns"}
    config = salt.utils.yaml.safe_load(Path(own.daemon.config["conf_file"]).read_text(encoding="utf-8"))["eventsd"]
    configure(own, {**config, "events": {**config["events"], "runs": returns}})
    assert own.run("eventsd.reload").returncode == 0

    # When
    well = [
        own.run("eventsd.tap", "seconds=1"),
        own.run("eventsd.tap", "seconds=1", "--out=json"),
        own.run("eventsd.convert", f"path={tmp_path / 'eventsd'}"),
        own.run("eventsd.workers"),
    ]
    ill = [own.run("eventsd.tap", "count=many"), own.run("eventsd.convert", f"path={tmp_path / 'none'}")]

    # Then
    assert [one.returncode for one in well + ill] == [0, 0, 0, 0, 2, 2]
    names = ("tap", "convert", "workers")
    wait_until(
        lambda: own.history.count("eventsd_returns", "fun IN ('runner.eventsd.tap', 'runner.eventsd.convert')") >= 5,
        "returns of the runners",
    )
    found = own.history.rows("SELECT fun, success FROM eventsd_returns WHERE fun LIKE 'runner.eventsd.%' ORDER BY jid")
    told = [(row["fun"], bool(row["success"])) for row in found if row["fun"].split(".")[-1] in names]
    assert told == [
        ("runner.eventsd.tap", True),
        ("runner.eventsd.tap", True),
        ("runner.eventsd.convert", True),
        ("runner.eventsd.workers", True),
        ("runner.eventsd.tap", False),
        ("runner.eventsd.convert", False),
    ]


def test_the_tap_of_an_orchestration_returns_what_it_has_seen(own: Master) -> None:
    # Given: what Salt's API does
    opts = salt.config.master_config(own.daemon.config["conf_file"])
    client = salt.runner.RunnerClient(opts)

    # When
    endless = client.cmd("eventsd.tap", [], print_event=False)
    seen = client.cmd("eventsd.tap", [], kwarg={"seconds": 1}, print_event=False)

    # Then
    assert endless == {"problem": "eventsd.tap: say count= or seconds=, for nobody can press ctrl-C here", "retcode": 2}
    assert seen["retcode"] == 0
    assert isinstance(seen["events"], list)


TESTS = [
    {
        "name": "an alarm is written as lines",
        "event": {"tag": "company/alarm/x", "data": {"a": 1}},
        "expect": ["lines"],
    },
    {"name": "a ping is kept", "event": {"tag": "company/ping/x"}, "expect": [{"worker": "history", "into": "events"}]},
]


def test_rules_are_tested(own: Master) -> None:
    # Given
    path = Path(own.daemon.config["conf_file"]).parent / "eventsd_tests.yaml"

    # When / Then
    path.write_text(salt.utils.yaml.safe_dump(TESTS), encoding="utf-8")
    well = own.run("eventsd.test")
    assert (well.returncode, well.data["passed"]) == (0, 2)

    # When / Then
    path.write_text(salt.utils.yaml.safe_dump([{**TESTS[0], "expect": ["history"]}]), encoding="utf-8")
    ill = own.run("eventsd.test")
    assert ill.returncode == 1
    assert "expected for worker history; it is for lines" in ill.data["failed"]["an alarm is written as lines"][0]


def test_the_engines_own_counters_are_events(own: Master) -> None:
    # Given
    config = salt.utils.yaml.safe_load(Path(own.daemon.config["conf_file"]).read_text(encoding="utf-8"))["eventsd"]
    config["events"]["own"] = {"tag": "eventsd/stats", "worker": "history", "into": "events"}

    # When
    configure(own, config)
    assert own.run("eventsd.reload").returncode == 0

    # Then
    wait_until(lambda: own.history.count("eventsd_events", "tag = 'eventsd/stats'") >= 2, "counters")
    [row] = own.history.rows("SELECT data FROM eventsd_events WHERE tag = 'eventsd/stats' ORDER BY id LIMIT 1")
    assert json.loads(row["data"])["workers"]["history"]["written"] >= 0
    assert json.loads(row["data"])["process"]["rss_bytes"] > 10_000_000


def test_an_old_config_is_converted_and_its_passwords_stay_here(own: Master, tmp_path: Path) -> None:
    # Given
    old = tmp_path / "eventsd"
    old.write_text(salt.utils.yaml.safe_dump(OLD), encoding="utf-8")
    everything = {"tag": "salt/run/", "worker": "history", "into": "events"}
    config = salt.utils.yaml.safe_load(Path(own.daemon.config["conf_file"]).read_text(encoding="utf-8"))["eventsd"]
    configure(own, {**config, "events": {**config["events"], "runs": everything}})
    assert own.run("eventsd.reload").returncode == 0

    # When
    answer = own.run("eventsd.convert", f"path={old}", "--out=raw")

    # Then: shown, and neither on the bus nor in the job cache
    assert answer.returncode == 0
    assert "password: canary" in answer.stdout
    assert "values (:jid, :id)" in answer.stdout
    wait_until(
        lambda: own.history.count("eventsd_events", "data LIKE '%eventsd.convert%'") >= 2, "events of the runner"
    )
    assert own.history.count("eventsd_events", "data LIKE '%canary%'") == 0
    cached = [path for path in (own.cachedir / "jobs").rglob("*") if path.is_file()]
    assert cached
    assert not [path for path in cached if b"canary" in path.read_bytes()]
