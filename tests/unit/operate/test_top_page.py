"""What eventsd.top shows fits the terminal, and what comes from elsewhere does nothing to it."""

from __future__ import annotations

import pytest
import salt.utils.color

from salt_eventsd.operate.top_page import RuleRate, lines
from tests.support.reports import bus_of, report_of, spool_of, worker_of

PLAIN = dict.fromkeys(salt.utils.color.get_colors(True), "")
RULES = [RuleRate("returns", 120.4, 1_234_567), RuleRate("jobs", 1.0, 12), RuleRate("alarms", 0.0, 0)]


def told(*notes: str, running: bool = True) -> dict[str, object]:
    state = "down" if not running else "degraded" if notes else "well"
    return {"state": state, "running": running, "since": "2026-11-26 06:22:31 UTC", "notes": list(notes)}


def test_the_busiest_rules_and_the_queues_are_shown() -> None:
    # Given
    workers = {
        "history": worker_of(
            queued_events=5041, oldest_age=42.0, written_per_second=0.0, written=9, next_try_seconds=12.0
        ),
        "graphs": worker_of(written=1_000, written_per_second=34.2, dead_letters=3, paused_seconds=1.0),
    }
    found = report_of(workers=workers, bus=bus_of(received=7), spool=spool_of(max_bytes=2**30))

    # When
    page = lines(told("worker history is retrying: refused"), found, RULES, (80, 24), PLAIN)

    # Then
    assert page[0].startswith("eventsd is DEGRADED, running since 2026-11-26 06:22:31 UTC")
    assert page[2] == "! worker history is retrying: refused"
    assert [line.split() for line in page if line.startswith(("history", "graphs"))] == [
        ["history", "ok", "5,041", "42", "s", "0/s", "9", "0", "12", "s"],
        ["graphs", "paused", "0", "-", "34/s", "1,000", "3", "-"],
    ]
    assert [line.split() for line in page[-3:]] == [
        ["returns", "120/s", "1,234,567"],
        ["jobs", "1.0/s", "12"],
        ["alarms", "0/s", "0"],
    ]


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (10, 3), (200, 60)], ids=str)
def test_it_fits(size: tuple[int, int]) -> None:
    workers = {f"worker{number}": worker_of() for number in range(20)}
    rules = [RuleRate(f"rule{number}" * 10, 1.0, 1) for number in range(300)]
    notes = ["x" * 500 for _ in range(30)]

    page = lines(told(*notes), report_of(workers=workers), rules, size, PLAIN)

    assert len(page) <= size[1]
    assert max(map(len, page)) <= size[0]
    assert page[-1].startswith("... ")


def test_what_a_terminal_would_obey_is_taken_away() -> None:
    page = lines(told("worker \033[2Jx\r\n is retrying"), report_of(), RULES, (80, 24), PLAIN)

    assert "! worker ?[2Jx?? is retrying" in page
    assert all(line.isprintable() for line in page)


def test_an_engine_that_is_down_is_told() -> None:
    assert lines(told("no engine has run here", running=False), None, [], (80, 24), PLAIN)[0] == "eventsd is DOWN"
