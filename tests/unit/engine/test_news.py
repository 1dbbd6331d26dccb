"""What of a report is worth an event: once, and not again and again."""

from __future__ import annotations

import time

import pytest

from salt_eventsd.engine.own_events.announcer import Announcer
from salt_eventsd.engine.own_events.news import EACH_SECONDS, News, Told
from salt_eventsd.engine.report import Report, ReportedGap
from tests.support.lanes import eventually
from tests.support.reports import bus_of, report_of, spool_of, worker_of

WELL = report_of()
AWAY = report_of(workers={"history": worker_of(state="retrying", last_error="refused" * 1000, queued_events=5)})


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def news(clock: Clock) -> News:
    return News(clock)


def of(news: News, found: Report) -> list[str]:
    return [told.what for told in news.of(found)]


def test_an_engine_that_is_well_has_no_news(news: News) -> None:
    assert of(news, WELL) == []


def test_a_worker_fails_and_recovers(news: News, clock: Clock) -> None:
    # When
    [told] = news.of(AWAY)

    # Then
    assert told.what == "worker/failing"
    assert (told.data["worker"], told.data["state"], told.data["waiting"]) == ("history", "retrying", 5)
    assert len(told.data["error"]) == 500
    assert of(news, AWAY) == []

    # When
    clock.now += EACH_SECONDS

    # Then
    assert [*news.of(WELL)] == [Told("worker/recovered", {"worker": "history", "waiting": 0})]
    assert of(news, WELL) == []


def test_a_worker_that_goes_to_and_fro_is_told_once_a_minute_as_it_is_then(news: News, clock: Clock) -> None:
    told = []
    for second in range(600):
        clock.now = 1000.0 + second
        told += of(news, AWAY if second % 2 == 0 else WELL)

    assert 8 <= len(told) <= 11
    assert told[::2] == ["worker/failing"] * len(told[::2])
    assert told[1::2] == ["worker/recovered"] * len(told[1::2])


def test_a_spool_that_fills_is_told_once_until_it_has_emptied(news: News, clock: Clock) -> None:
    found = []
    for used in (79, 80, 95, 75, 90, 69, 81):
        clock.now += EACH_SECONDS
        found.append(of(news, report_of(spool=spool_of(bytes=used, max_bytes=100))))

    full = ["spool/nearly_full"]
    assert found == [[], full, [], [], [], [], full]


def test_gaps_are_told_once_they_have_ended(news: News, clock: Clock) -> None:
    # Given
    now = time.time()
    lasting = ReportedGap(now + 1, None, "cut off", None, seen=False)
    ended = ReportedGap(now + 1, now + 3, "cut off", 7, seen=False)
    of_before = ReportedGap(now - 900, now - 800, "killed", 9, seen=False)
    harmless = ReportedGap(now + 10, now + 11, "restarted", 0, seen=True)

    # When, then
    assert of(news, report_of(started=now, bus=bus_of(gaps=[lasting]))) == []
    [told] = news.of(report_of(started=now, bus=bus_of(gaps=[of_before, ended, harmless])))
    assert told == Told("gap", {"gaps": 1, "from": now + 1, "to": now + 3, "missing": 7, "why": "cut off"})
    clock.now += EACH_SECONDS
    assert of(news, report_of(started=now, bus=bus_of(gaps=[of_before, ended, harmless]))) == []


def test_losses_are_told_with_what_was_lost_since(news: News, clock: Clock) -> None:
    def lost(events: int) -> list[Told]:
        return [*news.of(report_of(workers={"history": worker_of(dropped=events)}))]

    assert lost(3) == [Told("loss", {"kind": "dropped", "worker": "history", "events": 3, "total": 3})]
    assert lost(4) == lost(10) == []
    clock.now += EACH_SECONDS
    assert lost(10) == [Told("loss", {"kind": "dropped", "worker": "history", "events": 7, "total": 10})]


def test_a_reload_is_news(news: News) -> None:
    assert [*news.reloaded(["history"], ["jobs"])] == [Told("reload", {"workers": ["history"], "rules": ["jobs"]})]
    assert [*news.reloaded(["history"], ["jobs"])] == []


def test_nobody_waits_for_a_master_that_takes_nothing() -> None:
    # Given: a master that hangs
    announcer = Announcer(lambda data, tag: time.sleep(60) or True, most=1)
    announcer.start()
    announcer.look(AWAY)
    eventually(lambda: announcer._waiting.empty())

    # When
    began = time.monotonic()
    for number in range(50):
        announcer.look(report_of(workers={f"w{number}": worker_of(state="held")}))
    announcer.stop()

    # Then
    assert time.monotonic() - began < 5
    assert announcer.let_go == 50


def test_a_master_that_refuses_is_no_end() -> None:
    # Given
    tags: list[str] = []

    def refuse(data: dict[str, object], tag: str) -> bool:
        tags.append(tag)
        if len(tags) == 1:
            raise OSError("no socket")
        return False

    announcer = Announcer(refuse)
    announcer.start()

    # When
    announcer.look(AWAY)
    announcer.reloaded([], [])

    # Then
    eventually(lambda: tags == ["salt/eventsd/worker/failing", "salt/eventsd/reload"])
    announcer.stop()
    eventually(lambda: not announcer.is_alive())
