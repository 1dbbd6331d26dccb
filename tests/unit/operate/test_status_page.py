"""The status as a person reads it: short, the worst first, what to do next, in 80 columns and in colour."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
import salt.utils.color

from salt_eventsd.engine.report import Report, WorkerReport
from salt_eventsd.engine.state_file import idle_report
from salt_eventsd.operate import status_page
from salt_eventsd.operate.status import WRONG_ON_DISK
from tests.support.reports import bus_of, report_of, spool_of, worker_of

_PLAIN = salt.utils.color.get_colors(False)


def worker(**fields: Any) -> WorkerReport:
    """Return what is reported of a worker that is well and has written something."""
    return worker_of(**{"written": 12_345, "written_per_second": 34.2, "last_write": time.time() - 3, **fields})


def report(**workers: WorkerReport) -> Report:
    """Return the report of an engine that has run for two hours."""
    return report_of(
        started=time.time() - 7_980,
        bus=bus_of(events_per_second=120.4, last=time.time() - 0.2, received=1_234_567),
        workers=workers or {"history": worker()},
        spool=spool_of(max_bytes=2**30),
    )


def told(*notes: str, state: str = "well") -> dict[str, Any]:
    """Return the status of an engine that runs."""
    return {"state": state, "running": True, "since": "2026-11-26 06:22:31 UTC", "notes": list(notes)}


@pytest.mark.parametrize(
    ("names", "lines"), [pytest.param(1, 4, id="one-worker"), pytest.param(6, 9, id="six-workers")]
)
def test_an_engine_that_is_well_takes_few_lines(names: int, lines: int) -> None:
    # Given an engine that is well
    found = report(**{f"worker{number}": worker() for number in range(names)})
    # When its status is shown in a usual terminal
    shown = status_page.page(told(), found, 100, _PLAIN).splitlines()
    # Then the state comes first, then the bus, a line a worker and the spool
    assert len(shown) == lines
    assert shown[0] == "eventsd is well, running since 2026-11-26 06:22:31 UTC (2 h 13 min)"
    assert shown[1] == "bus      120/s, last 0.2 s ago; 1,234,567 read, 0 lost; no gaps"
    assert shown[2] == "worker0  ok; none wait; 12,345 written, 34/s, last 3.0 s ago"
    assert shown[-1] == "spool    0.0 % of 1.0 GiB (0 events wait)"


def test_what_is_wrong_comes_first_with_what_to_do() -> None:
    # Given a worker that cannot write
    error = "connection refused"
    found = report(
        history=worker(state="retrying", last_error=error, queued_events=5_000, oldest_age=90.0, next_try_seconds=12.4)
    )
    note = f"worker history is retrying: {error}"
    # When its status is shown
    shown = status_page.page(told(note, state="degraded"), found, 100, _PLAIN).splitlines()
    # Then the second line says what is wrong and the third what to do
    assert shown[0].startswith("eventsd is DEGRADED, running since")
    assert shown[1] == f"! {note} (next try in 12 s)"
    assert shown[2] == "  -> nothing is lost, its events wait in the spool; it tries again by itself"
    assert any("5,000 wait, the oldest 1 min old" in line for line in shown)


@pytest.mark.parametrize(
    ("state", "running", "todo"),
    [
        pytest.param("down", False, "start the master", id="down"),
        pytest.param("idle, the config is wrong", True, "mend it, then salt-run eventsd.reload", id="idle"),
    ],
)
def test_an_engine_that_does_not_work_says_what_to_do(state: str, running: bool, todo: str) -> None:
    # Given an engine that is down, or idle
    found = idle_report(time.time() - 60, ["eventsd: spool.dir: expected a path"]) if running else None
    seen = {**told("eventsd: spool.dir: expected a path", state=state), "running": running}
    # When its status is shown
    shown = status_page.page(seen, found, 100, _PLAIN)
    # Then why comes before what to do
    assert "! eventsd: spool.dir: expected a path" in shown
    assert todo in shown
    assert shown.index("spool.dir") < shown.index(todo)


def test_only_the_first_word_of_a_state_is_in_capitals() -> None:
    # Given an engine that is idle
    found = idle_report(time.time() - 60, ["x"])
    # When its status is shown
    shown = status_page.page(told("x", state="idle, the config is wrong"), found, 100, _PLAIN)
    # Then what comes after the state is read as a sentence
    assert shown.startswith("eventsd is IDLE, the config is wrong, running since")


def test_several_reasons_have_what_to_do_under_the_last_of_them() -> None:
    # Given an engine whose configuration on disk is wrong in two keys, and whose report is late
    notes = ["the engine stands still: its last report is 8 s old", *(f"{WRONG_ON_DISK}: {key}" for key in ("a", "b"))]
    found = report()
    # When its status is shown
    shown = status_page.page(told(*notes, state="hanging"), found, 200, _PLAIN).splitlines()
    # Then each has what to do about it, and two of one kind have it once
    assert [line[:4] for line in shown[1:6]] == ["! th", "  ->", "! th", "! th", "  ->"]
    assert "restart the master" in shown[2]
    assert "salt-run eventsd.reload" in shown[5]


@pytest.mark.parametrize("width", range(40, 81))
def test_a_number_is_on_one_line_with_its_unit(width: int) -> None:
    # Given an engine that is well
    found = report(history=worker(state="held", queued_events=5, oldest_age=9.1))
    # When its status is shown in a narrow terminal
    shown = status_page.page(told(), found, width, _PLAIN)
    # Then no line begins with a unit
    assert not re.search(r"\d\n *(s|min|h|%|GiB)\b", shown)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    # Given a long error
    found = report(history=worker(state="held", last_error="relation does not exist " * 20))
    note = f"worker history is held: {found.workers['history'].last_error}"
    # When its status is shown in a terminal
    shown = status_page.page(told(note, state="degraded"), found, width, _PLAIN).splitlines()
    # Then each line fits
    assert max(map(len, shown)) <= min(width, 120)


def test_colours_are_salts_own() -> None:
    # Given a terminal with colours, when an engine is well, and when it is not
    colors = salt.utils.color.get_colors(True)
    found = report()
    good = status_page.page(told(), found, 100, colors)
    bad = status_page.page({**told("x", state="down"), "running": False}, None, 100, colors)
    # Then the first line is green, and red
    assert good.startswith(str(colors["GREEN"]))
    assert bad.startswith(str(colors["LIGHT_RED"]))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (12.9, "12 s"), (90, "1 min"), (7_980, "2 h 13 min"), (7_200, "2 h"), (360_000, "4 d 4 h")],
)
def test_durations(seconds: float, text: str) -> None:
    # Given a time, when it is told, then as people say it
    assert status_page.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (2_048, "2.0 KiB"), (2**30, "1.0 GiB"), (150 * 2**20, "150 MiB")]
)
def test_sizes(count: int, text: str) -> None:
    # Given a size, when it is told, then as people say it
    assert status_page.size(count) == text
