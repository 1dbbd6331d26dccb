"""The engine before this one, by the state file it has left."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from salt_eventsd.common.machine import Clock, boot
from salt_eventsd.engine.collect import report
from salt_eventsd.engine.predecessor import left, predecessor
from salt_eventsd.engine.readings import Parts
from salt_eventsd.engine.state_file import encode, idle_report, to_data
from salt_eventsd.spool.keep import Spool
from tests.support.parts import parts_of, tell


@pytest.fixture
def parts(spool: Spool) -> Parts:
    return parts_of(spool)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({}, "the engine before this one was killed, or crashed", id="no last word"),
        pytest.param({"ended": True}, "the engine was stopped, and started again", id="a last word"),
        pytest.param({"spool": {"dir": "/elsewhere"}}, "", id="another spool"),
        pytest.param({"written": "x"}, "", id="nonsense"),
    ],
)
def test_the_gap_begins_with_the_last_frame_of_the_engine_before(
    parts: Parts, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    # Given
    path = tmp_path / "status.json"
    tell(parts.link, last=1767323045.0, rate=400.0)
    then = Clock(boot(), time.monotonic() - 68)
    made = {**to_data(report(parts)), "ended": False, "written": time.time() + 3600, "clock": then, **changes}
    path.write_bytes(msgspec.json.encode(made))

    # When
    found = predecessor(path, parts.spool.folder)
    gap = found.gap() if found else None

    # Then
    assert (gap.why if gap else "") == why
    if gap:
        assert gap.since == 1767323045.0
        assert gap.guess() == pytest.approx(400 * 68, rel=0.01)
    assert predecessor(tmp_path / "none.json", parts.spool.folder) is None


@pytest.mark.parametrize(
    ("counts", "part"),
    [
        pytest.param({"received": 40, "beside_jobs": 10}, 0.25, id="a quarter"),
        pytest.param({"received": 0, "beside_jobs": 0}, None, id="it has read nothing"),
        pytest.param({"received": 40, "beside_jobs": None}, None, id="an older version"),
    ],
)
def test_the_gap_knows_which_part_of_the_events_no_job_cache_has(
    parts: Parts, tmp_path: Path, counts: dict[str, Any], part: float | None
) -> None:
    # Given
    path = tmp_path / "status.json"
    made = to_data(report(parts))
    path.write_bytes(msgspec.json.encode({**made, "bus": {**made["bus"], **counts}}))

    # When
    found = predecessor(path, parts.spool.folder)
    gap = found.gap() if found else None

    # Then
    assert gap is not None
    assert gap.beside == part


@pytest.mark.parametrize("of_this_boot", [pytest.param(True, id="master"), pytest.param(False, id="machine")])
def test_while_no_master_ran_nothing_was_missed(parts: Parts, tmp_path: Path, of_this_boot: bool) -> None:
    # Given an engine that was stopped with its master a day ago, and a master that runs since a while
    path = tmp_path / "status.json"
    tell(parts.link, last=time.time() - 86_400, rate=400.0)
    then = Clock(boot() if of_this_boot else "another", time.monotonic() - 86_400)
    made = {**to_data(report(parts)), "ended": True, "parent": 1, "written": time.time() - 86_400, "clock": then}
    path.write_bytes(msgspec.json.encode(made))

    # When
    found = predecessor(path, parts.spool.folder)
    assert found
    gap = found.gap()

    # Then
    assert gap
    runs_for = time.time() - psutil.Process(os.getppid()).create_time()
    assert gap.guess() == pytest.approx(400 * runs_for, rel=0.05, abs=400)


def test_an_idle_engine_hands_on_what_it_has_found(parts: Parts, tmp_path: Path) -> None:
    # Given
    path = tmp_path / "status.json"
    tell(parts.link, last=1767323045.0)
    path.write_bytes(encode(msgspec.structs.replace(report(parts), ended=True)))

    # When
    for _ in range(2):
        found = left(path)
        before = found.before if found and not found.bus else found
        path.write_bytes(encode(idle_report(time.time(), ["eventsd: x"], before)))

    # Then
    last = predecessor(path, parts.spool.folder)
    assert last
    gap = last.gap()
    assert gap
    assert gap.since == 1767323045.0
