"""A plan becomes real in one place, at the start as at a reload: what the parts do goes by the plan in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.engine import reload
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.keep import Spool
from tests.functional.engine.conftest import Engine
from tests.support.lanes import chunk, eventually

#: A database is made in this time, on a machine that is busy.
SECONDS = 60.0


def test_each_part_goes_by_the_plan_in_force(engine: Engine) -> None:
    # When
    engine.service.apply(
        engine.plan(
            "history", "other", max_workers=7, state_timer=3, spool={"max_bytes": "1MiB", "commit_seconds": 0.2}
        )
    )

    # Then
    eventually(lambda: engine.service.dispatcher.threads == 7, SECONDS)
    report = engine.report()
    assert (report["timer"], report["spool"]["max_bytes"]) == (3.0, 2**20)
    assert engine.service.spool.file.max_bytes == 2**20
    engine.put(3)
    eventually(lambda: [lane.written for lane in engine.service.lanes.values()] == [3, 3], SECONDS)


def test_a_plan_knows_whether_some_rule_has_prio_and_the_dispatcher_goes_by_it(engine: Engine) -> None:
    # Given
    rule = {"tag": "company/", "worker": "history", "into": "events"}
    sub = {"fun": "state", "prio": 1, "into": "events"}

    # When, Then
    for events, has_prio in (
        ({"alarms": {**rule, "prio": 1}}, True),
        ({"alarms": {**rule, "prio": 0}}, False),
        ({"alarms": {**rule, "subs": {"states": sub}}}, True),
        ({"alarms": rule}, False),
    ):
        plan = engine.plan("history", events=events)
        engine.service.apply(plan)
        assert plan.has_prio == has_prio
        assert engine.service.dispatcher._has_prio() == has_prio


def test_a_lane_without_a_place_in_the_plan_retires_and_comes_back(engine: Engine) -> None:
    # Given
    both = engine.plan("history", "other")
    engine.service.apply(both)
    lane = engine.service.lanes["other"]

    # When
    engine.service.apply(engine.plan("history"))

    # Then
    assert (lane.retired, lane.worker) == (True, None)
    assert set(engine.report()["workers"]) == {"history"}

    # When
    engine.service.apply(engine.plan("history", "other"))

    # Then
    assert engine.service.lanes["other"] is lane
    assert not lane.retired
    engine.put()
    eventually(lambda: lane.written == 1, SECONDS)


def test_a_plan_that_cannot_become_real_changes_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    before = engine.service.plan
    workers = [lane.worker for lane in engine.service.lanes.values()]

    def away() -> int:
        raise SpoolError("eventsd: spool.dir: gone")

    monkeypatch.setattr(engine.service.spool, "newest_id", away)

    # When
    with pytest.raises(SpoolError):
        engine.service.apply(engine.plan("other", max_workers=9))

    # Then
    assert engine.service.plan is before
    assert [lane.worker for lane in engine.service.lanes.values()] == workers


def test_what_an_earlier_engine_left_is_written_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    spool = Spool(tmp_path / "eventsd" / "spool")
    spool.put([chunk(2, "history"), chunk(2, "gone")])
    spool.close()

    # When
    second = Engine(tmp_path)
    try:
        second.service.start()

        # Then
        lanes = second.service.lanes
        eventually(lambda: lanes["history"].written == 2, SECONDS)
        assert (lanes["gone"].retired, lanes["gone"].backlog.events) == (True, 2)
        assert "events wait in the spool for gone, which is not configured" in caplog.text
        assert second.report()["spool"]["orphaned"] == {"gone": 2}
    finally:
        second.service.close()


def test_a_worker_that_cannot_be_made_keeps_its_events_at_the_start(tmp_path: Path) -> None:
    # Given
    workers = {"history": {"module": "nowhere"}}

    # When
    made = Engine(tmp_path, workers=workers)
    made.service.start()
    try:
        made.put(2)

        # Then
        lane = made.service.lanes["history"]
        eventually(lambda: lane.backlog.events == 2, SECONDS)
        assert (lane.retired, lane.state) == (False, "held")
        assert "nowhere" in lane.last_error
    finally:
        made.service.close()


@pytest.mark.parametrize(
    ("changed", "fixed"),
    [
        pytest.param({"max_workers": 3}, [], id="none"),
        pytest.param(
            {"spool": {"dir": "/x/spool"}, "state_file": "/x/status.json"}, ["spool.dir", "state_file"], id="two"
        ),
        pytest.param({"spool": {"dir": "/x/spool"}}, ["spool.dir"], id="within a section"),
    ],
)
def test_a_reload_says_what_takes_a_restart(
    engine: Engine, tmp_path: Path, changed: dict[str, Any], fixed: list[str]
) -> None:
    # Given
    path = tmp_path / "master"
    opts = engine.opts(**changed)
    path.write_text(json.dumps({key: value for key, value in opts.items() if key != "__role"}), encoding="utf-8")
    engine.service.opts = {**engine.service.opts, "conf_file": str(path)}

    # When
    told = reload.compare(engine.service)
    done = reload.reload(engine.service)

    # Then
    assert told["restart"] is bool(fixed)
    assert [note for note in done["notes"] if "restarted" in note and "engines" not in note] == [
        f"{key}: changes when the master is restarted" for key in fixed
    ]
