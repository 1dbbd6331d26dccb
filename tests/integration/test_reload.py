"""
Another configuration for a running engine: nothing is lost, and a wrong one changes nothing.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import salt.utils.yaml

from salt_eventsd.engine import control
from tests.integration.conftest import StartMaster
from tests.support.nodes import RESTART_SECONDS, Master, Node, minion_config, sqlite_history
from tests.support.rig import Stream
from tests.support.salt import History, wait_until

RETURNS = {"tag": r"salt/job/\d+/ret/", "worker": "history", "into": "returns"}
BEFORE: dict[str, Any] = {
    "workers": sqlite_history(batch={"seconds": 0.3}),
    "events": {"returns": RETURNS},
    "state_timer": 0.5,
}


def configure(master: Node, eventsd: dict[str, Any], **options: Any) -> None:
    """Write another configuration of the engine into the master's file."""
    path = Path(master.daemon.config["conf_file"])
    config = salt.utils.yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(salt.utils.yaml.safe_dump({**config, "eventsd": eventsd, **options}), encoding="utf-8")


@pytest.fixture(scope="module")
def reloaded(start_master: StartMaster) -> Iterator[Master]:
    """A master whose engine is reloaded."""
    with start_master("reloaded", eventsd=BEFORE) as running:
        yield running


@pytest.mark.smoke
def test_a_reload_under_load_loses_nothing(reloaded: Master, tmp_path: Path) -> None:
    # Given
    other = History.of_file(tmp_path / "other.db")
    more = {"other": {"url": f"sqlite:///{tmp_path / 'other.db'}", "batch": {"seconds": 0.2}}}
    both = {**RETURNS, "worker": ["history", "other"]}
    stream = Stream(reloaded.bus, per_second=800)
    configs = [
        {**BEFORE, "workers": {**sqlite_history(), **more}, "events": {"returns": both}, "max_workers": 6},
        {**BEFORE, "workers": sqlite_history(batch={"events": 50, "seconds": 0.1})},
        {**BEFORE, "workers": {**sqlite_history(), **more}, "events": {"all": both}},
    ]

    # When
    with stream.firing():
        for config in configs:
            time.sleep(0.7)
            configure(reloaded, config)
            answer = reloaded.run("eventsd.reload")
            assert answer.returncode == 0, answer.stdout
        time.sleep(0.5)

    # Then: every event once, whichever configuration took it
    fired = len(stream.moments)
    reloaded.history.wait_for(fired, "eventsd_returns", "jid = :jid", timeout_seconds=30, jid=stream.jid)
    wait_until(lambda: reloaded.report()["workers"]["other"]["queued_events"] == 0, "empty queue")
    assert 0 < other.count("eventsd_returns", "jid = :jid", jid=stream.jid) < fired
    status = reloaded.status()
    assert status.returncode == 0, status.data
    assert status.data["bus"]["reconnects"] == 0


def test_a_wrong_config_is_refused_and_the_running_one_stays(reloaded: Master) -> None:
    # Given
    configure(reloaded, BEFORE)
    assert reloaded.run("eventsd.reload").returncode == 0

    # When
    configure(reloaded, {**BEFORE, "events": {"returns": {**RETURNS, "tag": r"salt/job/(\d+"}}})
    answer = reloaded.run("eventsd.reload")

    # Then
    assert answer.returncode == 2
    assert answer.data["reloaded"] is False
    assert answer.data["problems"] == [
        r"eventsd: events.returns.tag: missing ), unterminated subpattern at 9 in 'salt/job/(\d+'"
    ]
    with reloaded.bus() as bus:
        bus.fire_returns("70001", ["still-kept"])
    reloaded.history.wait_for(1, "eventsd_returns", "jid = '70001'")
    assert reloaded.report()["problems"] == []


def test_check_tells_whether_the_engine_runs_with_what_is_on_disk(reloaded: Master) -> None:
    # Given
    configure(reloaded, BEFORE)
    assert reloaded.run("eventsd.reload").returncode == 0

    # When / Then
    found = reloaded.run("eventsd.check")
    assert found.returncode == 0, found.data
    assert found.data["engine"].startswith("switched on, running, with its configuration of ")
    assert found.data["engine"].endswith(", which is the one on disk")
    assert found.data["looked_at"]["files"][reloaded.daemon.config["conf_file"]] == "read, has eventsd and engines"

    # When / Then: another one, which a reload would take
    doors = {"tag": "company/door/", "worker": "history", "into": "events"}
    configure(reloaded, {**BEFORE, "events": {**BEFORE["events"], "doors": doors}, "max_workers": 6})
    found = reloaded.run("eventsd.check")
    assert found.returncode == 0, found.data
    assert found.data["engine"].endswith(
        "on disk is another one (max_workers, events.doors): it takes salt-run eventsd.reload"
    )

    # When / Then: another one, which it would not
    configure(reloaded, {**BEFORE, "state_file": str(reloaded.cachedir / "eventsd" / "status.json"), "max_wokers": 3})
    found = reloaded.run("eventsd.check")
    assert found.returncode == 2
    assert found.data["engine"].endswith("what is on disk now is wrong, and would not be taken")

    # When / Then: a file that Salt takes for an empty one
    configure(reloaded, BEFORE)
    included = Path(reloaded.daemon.config["conf_file"]).parent / "master.d"
    included.mkdir(exist_ok=True)
    broken = included / "eventsd.conf"
    broken.write_text("eventsd:\n\tstate_timer: 3\n", encoding="utf-8")
    try:
        found, answer = reloaded.run("eventsd.check"), reloaded.run("eventsd.reload")
        status = reloaded.status()
    finally:
        broken.unlink()
    for told in (found, answer):
        assert told.returncode == 2
        assert told.data["problems"][0].startswith(f"eventsd: {broken}: not YAML: line 2, column 1: ")
    assert status.returncode == 1
    assert any(f"on disk is wrong: eventsd: {broken}: not YAML: line 2" in note for note in status.data["notes"])

    # When / Then: not switched on any more, though it runs
    configure(reloaded, BEFORE, engines=[])
    found = reloaded.run("eventsd.check")
    assert found.returncode == 2
    assert found.data["engine"].startswith("not switched on: engines: expected a list with eventsd in it")
    assert ", running, with its configuration of " in found.data["engine"]
    configure(reloaded, BEFORE, engines=["eventsd"])


def test_a_worker_that_cannot_be_made_is_refused(reloaded: Master) -> None:
    # When
    configure(reloaded, {**BEFORE, "workers": {"history": {"module": "no_such"}}})
    answer = reloaded.run("eventsd.reload")

    # Then
    assert answer.returncode == 2
    assert "eventsd: workers.history.module: no worker module 'no_such'" in answer.data["problems"][0]


def test_what_waits_for_a_worker_that_is_gone_is_told_and_comes_when_it_is_back(
    reloaded: Master, tmp_path: Path
) -> None:
    # Given: a worker that can write nothing for now
    folder = tmp_path / "file"
    folder.write_text("in the way of a folder", encoding="utf-8")
    away = {"away": {"url": f"sqlite:///{tmp_path / 'away.db'}", "batch": {"seconds": 3600}}}
    with_away = {
        **BEFORE,
        "workers": {**sqlite_history(), **away},
        "events": {"returns": {**RETURNS, "worker": ["history", "away"]}},
    }
    configure(reloaded, with_away)
    assert reloaded.run("eventsd.reload").returncode == 0
    with reloaded.bus() as bus:
        bus.fire_returns("70002", ["a", "b"])
    reloaded.history.wait_for(2, "eventsd_returns", "jid = '70002'")

    # When
    configure(reloaded, BEFORE)
    assert reloaded.run("eventsd.reload").returncode == 0

    # Then
    wait_until(lambda: reloaded.report()["spool"]["orphaned"] == {"away": 2}, "orphaned events")
    assert (
        "2 events wait for worker away, which is no longer under workers; see eventsd.drop_orphaned"
        in reloaded.status().data["notes"]
    )

    # When
    with_away["workers"]["away"]["batch"] = {"seconds": 0.1}
    configure(reloaded, with_away)
    assert reloaded.run("eventsd.reload").returncode == 0

    # Then
    History.of_file(tmp_path / "away.db").wait_for(2, "eventsd_returns", "jid = '70002'")
    wait_until(lambda: reloaded.report()["spool"]["orphaned"] == {}, "no orphaned events")


def test_an_engine_that_is_idle_starts_when_its_config_is_mended(start_master: StartMaster) -> None:
    with start_master("mended", listening=False, eventsd={**BEFORE, "max_wokers": 3}) as master:
        # Given
        pid = wait_until(master.report, "report of an idle engine")["pid"]

        # When / Then
        still_wrong = master.run("eventsd.reload")
        assert still_wrong.returncode == 2
        assert "max_wokers" in still_wrong.data["problems"][0]

        # When
        configure(master, BEFORE)
        assert master.run("eventsd.reload").returncode == 0

        # Then
        master.wait_until_listening()
        assert master.report()["pid"] == pid
        with master.bus() as bus:
            bus.fire_returns("70003", ["m"])
        master.history.wait_for(1, "eventsd_returns", "jid = '70003'")


def test_a_reload_without_an_engine_says_so(start_master: StartMaster) -> None:
    with start_master("bare", listening=False, engines=[]) as master:
        answer = master.run("eventsd.reload")

        assert answer.returncode == 2
        assert "no engine answers" in answer.data["problem"]


def test_an_engine_that_is_started_again_has_what_was_reloaded_and_tells_the_gap(reloaded: Master) -> None:
    # Given
    more = {**BEFORE, "events": {"returns": RETURNS, "company": {"tag": "company/", "worker": "history"}}}
    configure(reloaded, more)
    assert reloaded.run("eventsd.reload").returncode == 0
    pid = reloaded.report()["pid"]

    # When
    reloaded.engine.kill()
    reloaded.wait_until_listening(other_than=pid)

    # Then
    with reloaded.bus() as bus:
        bus.fire("company/door", {"open": True})
    reloaded.history.wait_for(1, "eventsd_events", "tag = 'company/door'")
    status = reloaded.status()
    bus_report = status.data["bus"]
    assert [gap["why"] for gap in bus_report["gaps"]] == ["the engine before this one was killed, or crashed"]
    assert bus_report["reconnects"] == 0
    assert (status.returncode, status.data["state"]) == (1, "degraded")
    shown = reloaded.terminal("eventsd.status")
    assert (shown.returncode, shown.stdout[:19]) == (1, "eventsd is DEGRADED")

    # When
    seen = reloaded.run("eventsd.status", "seen=True")

    # Then
    assert (seen.returncode, seen.data["state"], seen.data["notes"]) == (0, "well", [])
    assert seen.data["bus"]["gaps"][0]["seen"]
    assert reloaded.status().returncode == 0


def test_a_hangup_is_a_reload(reloaded: Master) -> None:
    # Given
    pid = reloaded.report()["pid"]
    configure(reloaded, {**BEFORE, "events": {"returns": RETURNS, "office": {"tag": "office/", "worker": "history"}}})

    # When
    reloaded.engine.send_signal(signal.SIGHUP)
    reloaded.wait_until_listening()

    # Then
    with reloaded.bus() as bus:
        wait_until(
            lambda: bus.fire("office/door", {}) or reloaded.history.count("eventsd_events", "tag = 'office/door'"),
            "event",
        )
    assert reloaded.report()["pid"] == pid


def test_a_wrong_config_on_disk_does_not_make_a_running_engine_look_dead(reloaded: Master) -> None:
    # When
    configure(reloaded, {**BEFORE, "max_wokers": 3})
    status = reloaded.status()

    # Then
    assert (status.returncode, status.data["running"]) == (1, True)
    assert "the configuration on disk is wrong: eventsd: max_wokers: unknown key" in status.data["notes"][-1]

    # Given
    configure(reloaded, BEFORE)


def in_pillar(folder: Path, **tags: str) -> None:
    """Write a pillar with rules for the engine."""
    rules = {name: {"tag": tag, "into": "events"} for name, tag in tags.items()}
    (folder / "top.sls").write_text("base: {'*': [eventsd]}", encoding="utf-8")
    (folder / "eventsd.sls").write_text(salt.utils.yaml.safe_dump({"eventsd": {"events": rules}}), encoding="utf-8")


@pytest.mark.smoke
def test_an_engine_in_a_minion_reads_its_configuration_and_pillar_anew_too(
    start_master: StartMaster, tmp_path: Path
) -> None:
    before: dict[str, Any] = {"events": {"alarms": {"tag": "company/alarm/", "into": "events"}}, "state_timer": 0.5}
    with start_master("of-minion", engines=[], listening=False, pillar_roots={"base": [str(tmp_path)]}) as master:
        daemon = master.daemon.salt_minion_daemon(
            "reloaded-minion", overrides=minion_config(engines=["eventsd"], eventsd=before)
        )
        with daemon.started():
            # Given
            minion = Node(daemon)
            minion.wait_until_listening()
            socket = control.socket_path(minion.cachedir / "eventsd" / "status.json")

            # When
            after = {**before, "pillar": True, "events": {"doors": {"tag": "company/door/", "into": "events"}}}
            configure(minion, after)
            in_pillar(tmp_path, lifts="company/lift/")
            asked = subprocess.run(
                [sys.executable, "-m", "salt_eventsd.control", "reload", str(socket).removesuffix(".control")],
                capture_output=True,
                text=True,
                check=False,
            )

            # Then
            answer = json.loads(asked.stdout)
            assert (asked.returncode, answer["reloaded"]) == (0, True), answer
            assert sorted(answer["events"]) == ["doors", "lifts"]
            master.salt(daemon, "event.fire", "{}", "company/door/front")
            minion.history.wait_for(1, "eventsd_events", "tag = 'company/door/front'")

            # When: the engine that takes over from one that crashed has what was reloaded
            pid = minion.report()["pid"]
            minion.engine.kill()
            minion.wait_until_listening(other_than=pid, timeout_seconds=2 * RESTART_SECONDS)

            # Then
            master.salt(daemon, "event.fire", "{}", "company/door/back")
            minion.history.wait_for(1, "eventsd_events", "tag = 'company/door/back'")
            assert "the configuration on disk is wrong" not in minion.log

            # When
            configure(minion, {**after, "max_wokers": 3})
            answer = control.ask(socket, "reload")

            # Then
            assert answer["retcode"] == 2
            assert "eventsd: max_wokers: unknown key" in answer["problems"][0]
