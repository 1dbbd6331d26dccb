"""After a gap the engine brings what it missed from Salt's own job cache, on each database, once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.engine.control.server import answering
from salt_eventsd.engine.control.verbs import of_running
from salt_eventsd.engine.repair import thread as repair
from salt_eventsd.engine.service import Service
from salt_eventsd.operate.imports.gaps import repair as repair_verb
from salt_eventsd.operate.imports.run import import_jobs
from tests.functional.engine.conftest import Engine
from tests.support.events import frame
from tests.support.lanes import eventually
from tests.support.local_cache import LocalCache, jid_of
from tests.support.stores import Database

DEFAULT = {
    "jobs": {"tag": "salt/job/[^/]+/new", "worker": "history", "into": "jobs", "ignore": ["saltutil.find_job"]},
    "returns": {"tag": "salt/job/[^/]+/ret", "worker": "history", "into": "returns", "ignore": ["saltutil.find_job"]},
}
#: A gap of a minute, some minutes ago.
LENGTH = 60.0


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_SECONDS", 0.05)
    monkeypatch.setattr(repair, "_MOST_SECONDS", 0.2)


@pytest.fixture
def gap() -> Gap:
    """A gap that has ended."""
    since = time.time() - 600
    return Gap(since, since + LENGTH, "killed", rate=0.5, blind_since=since, missing=30)


class Repaired(Engine):
    """An engine whose history is in a database, and that has had a gap."""

    def __init__(self, home: Path, database: Database, gap: Gap | None, **eventsd: Any) -> None:
        self._url = database.url
        super().__init__(home, events=DEFAULT, **eventsd)
        if gap:
            self.service.link.away(gap)

    def opts(self, *workers: str, **eventsd: Any) -> dict[str, Any]:
        """Return options with one worker."""
        found = super().opts(*workers, **eventsd)
        found["eventsd"]["workers"]["history"]["url"] = self._url
        return found

    def gap(self) -> dict[str, Any]:
        """Return what is reported of the gap."""
        found: dict[str, Any] = self.report()["bus"]["gaps"][0]
        return found

    def fire(self, cache: LocalCache, *numbers: int) -> None:
        """Have the bus bring some of what was fired."""
        for number in numbers:
            self.service.inbox.put(frame(*cache.fired[number]))


@pytest.fixture
def running() -> Iterator[list[Service]]:
    """Engines that are closed when the test ends."""
    services: list[Service] = []
    yield services
    for one in services:
        one.close()


@pytest.fixture
def cache(tmp_path: Path) -> LocalCache:
    """The job cache of the engine's master."""
    return LocalCache({"cachedir": str(tmp_path), "__role": "master", "id": "m", "extension_modules": str(tmp_path)})


def _kept(cache: LocalCache, when: float, *minions: str, fun: str = "test.ping") -> str:
    jid = cache.publish(jid_of(when), list(minions), fun=fun)
    for minion in minions:
        cache.answer(True, jid, minion, fun)
    cache.kept_at(jid, when)
    return jid


def _pairs(database: Database) -> list[tuple[str, str]]:
    return sorted((row["jid"], row["minion_id"]) for row in database.rows("returns"))


def test_what_came_in_a_gap_is_brought_once_and_told(
    tmp_path: Path, tables: Database, cache: LocalCache, gap: Gap, running: list[Service]
) -> None:
    # Given jobs before, in and after a gap; of one of them the bus has brought the half
    before = _kept(cache, gap.since - 100, "web1")
    half = _kept(cache, gap.since + 10, "web1", "web2")
    missed = _kept(cache, gap.since + 20, "web1", "web2")
    _kept(cache, gap.since + 30, "web1", fun="saltutil.find_job")
    after = _kept(cache, gap.since + LENGTH + 100, "web1")
    engine = Repaired(tmp_path, tables, None)
    running.append(engine.service)
    engine.service.start()
    engine.fire(cache, 2, 3)
    eventually(lambda: len(tables.rows("returns")) == 1)

    # When
    engine.service.link.away(gap)
    eventually(lambda: engine.gap()["repaired"] is not None, 20)

    # Then
    eventually(lambda: len(tables.rows("jobs")) == 2)
    eventually(lambda: _pairs(tables) == [(jid, name) for jid in (half, missed) for name in ("web1", "web2")])
    assert not {before, after} & {row["jid"] for row in tables.rows("jobs")}
    # The start and two returns of one job, the other return of the other, and what the rules ignore is none.
    assert (engine.gap()["repaired"], engine.gap()["missing"], engine.gap()["seen"]) == (4, 26, False)


def test_a_gap_of_which_nothing_is_left_needs_nobody_s_attention(
    tmp_path: Path, tables: Database, cache: LocalCache, gap: Gap, running: list[Service]
) -> None:
    # Given
    _kept(cache, gap.since + 10, *(f"web{number}" for number in range(40)))
    engine = Repaired(tmp_path, tables, gap)
    running.append(engine.service)
    assert (engine.gap()["missing"], engine.gap()["seen"]) == (30, False)

    # When
    engine.service.start()
    eventually(lambda: engine.gap()["repaired"] is not None, 20)

    # Then
    assert (engine.gap()["repaired"], engine.gap()["missing"], engine.gap()["seen"]) == (41, 0, True)
    eventually(lambda: len(tables.rows("returns")) == 40)


def test_the_next_engine_repairs_what_this_one_has_not(
    tmp_path: Path, tables: Database, cache: LocalCache, gap: Gap, running: list[Service]
) -> None:
    # Given an engine that ends before it has repaired its gap
    jid = _kept(cache, gap.since + 10, "web1")
    first = Repaired(tmp_path, tables, gap)
    first.report()
    first.service.spool.close()
    folder = cache.folder(jid)

    # When
    second = Repaired(tmp_path, tables, None)
    second.service.start()
    eventually(lambda: second.gap()["repaired"] is not None, 20)
    second.report()
    second.service.close()

    # Then
    assert (second.gap()["repaired"], _pairs(tables)) == (2, [(jid, "web1")])

    # When the next one starts, and somebody has removed a row
    tables.execute("DELETE FROM eventsd_returns")
    third = Repaired(tmp_path, tables, None)
    running.append(third.service)
    third.service.start()
    time.sleep(0.5)

    # Then it does not bring it back: that gap is repaired
    assert folder.exists()
    assert _pairs(tables) == []
    assert third.gap()["repaired"] == 2


@pytest.mark.parametrize(
    ("master", "eventsd"),
    [
        pytest.param({}, {"repair": False}, id="switched-off"),
        pytest.param({"__role": "minion"}, {}, id="minion"),
    ],
)
def test_nothing_is_asked_where_it_shall_not_be(
    tmp_path: Path,
    tables: Database,
    cache: LocalCache,
    gap: Gap,
    running: list[Service],
    master: dict[str, Any],
    eventsd: dict[str, Any],
) -> None:
    # Given
    _kept(cache, gap.since + 10, "web1")
    engine = Repaired(tmp_path, tables, gap, **eventsd)
    running.append(engine.service)
    engine.service.opts.update(master)

    # When
    engine.service.start()
    time.sleep(0.5)

    # Then
    assert not engine.service.repair.applies
    assert (engine.gap()["repaired"], tables.rows("returns")) == (None, [])


def test_what_waits_in_the_spool_is_not_taken_for_missing(
    tmp_path: Path, tables: Database, cache: LocalCache, gap: Gap, running: list[Service]
) -> None:
    # Given a return of before the gap that is in the spool, of which the bus has brought only a part
    jid = _kept(cache, gap.since + 1, "web1")
    engine = Repaired(tmp_path, tables, None)
    running.append(engine.service)
    waits = [gap.since]
    engine.service.repair._oldest = lambda: waits[0]
    engine.service.link.away(gap)
    cache.fired[1][1]["return"] = "VALUE_TRIMMED"

    # When
    engine.service.start()
    time.sleep(0.5)
    asked_too_early = engine.gap()["repaired"]
    engine.fire(cache, 0, 1)
    eventually(lambda: _pairs(tables) == [(jid, "web1")])
    waits[0] = 0.0
    eventually(lambda: engine.gap()["repaired"] is not None, 20)

    # Then
    assert (asked_too_early, engine.gap()["repaired"]) == (None, 0)
    assert _pairs(tables) == [(jid, "web1")]


def test_while_much_waits_to_be_written_nothing_is_added_to_it(
    tmp_path: Path, tables: Database, cache: LocalCache, gap: Gap, running: list[Service]
) -> None:
    # Given a database that has taken nothing for some minutes, though it answers
    jid = _kept(cache, gap.since + 10, "web1")
    engine = Repaired(tmp_path, tables, gap)
    running.append(engine.service)
    waits = [gap.since + LENGTH + 100]
    engine.service.repair._oldest = lambda: waits[0]

    # When
    engine.service.start()
    time.sleep(1)
    while_it_waits = _pairs(tables)
    waits[0] = time.time()

    # Then
    eventually(lambda: engine.gap()["repaired"] == 2, 20)
    eventually(lambda: _pairs(tables) == [(jid, "web1")])
    assert while_it_waits == []


def test_the_verb_repairs_gaps_of_an_engine_that_does_not_run(
    tmp_path: Path, tables: Database, cache: LocalCache, gap: Gap
) -> None:
    # Given
    jid = _kept(cache, gap.since + 10, "web1", "web2")
    engine = Repaired(tmp_path, tables, gap)
    engine.report()
    engine.service.spool.close()
    opts = {**engine.opts(events=DEFAULT), "hash_type": "sha256"}
    dry = repair_verb(opts, dry_run=True)

    # When
    first, second = repair_verb(opts), repair_verb(opts)

    # Then
    told = first["repair"][0]
    assert (told["why"], told["added"], told["unknown"]) == ("killed", {"jobs": 1, "returns": 2}, 27)
    assert dry["repair"][0]["added"] == told["added"]
    assert second["repair"][0]["added"] == {"jobs": 0, "returns": 0}
    assert second["repair"][0]["known"] == {"jobs": 1, "returns": 2}
    assert (first["retcode"], second["retcode"]) == (0, 0)
    assert _pairs(tables) == [(jid, "web1"), (jid, "web2")]


def test_a_running_engine_is_told_what_the_verb_has_repaired(
    tmp_path: Path, tables: Database, cache: LocalCache, gap: Gap, running: list[Service]
) -> None:
    # Given an engine that repairs nothing by itself
    _kept(cache, gap.since + 10, "web1", "web2")
    engine = Repaired(tmp_path, tables, gap, repair=False)
    running.append(engine.service)
    engine.service.start()
    engine.report()
    opts = {**engine.opts(events=DEFAULT, repair=False), "hash_type": "sha256"}

    # When
    with answering(engine.service.general.state_file, of_running(engine.service)):
        repair_verb(opts, dry_run=True)
        after_dry_run = engine.gap()
        told = [repair_verb(opts), repair_verb(opts)]
    counted = engine.gap()
    unheard = repair_verb(opts)

    # Then
    assert (after_dry_run["repaired"], after_dry_run["missing"]) == (None, 30)
    assert [one["repair"][0]["unknown"] for one in told] == [27, 27]
    assert (counted["repaired"], counted["missing"], counted["seen"]) == (3, 27, False)
    assert any("no engine answers" in note for note in unheard["notes"])


def test_the_verbs_leave_what_waits_in_the_spool_to_the_engine(
    tmp_path: Path, tables: Database, cache: LocalCache, gap: Gap, running: list[Service]
) -> None:
    # Given a return in the spool of an engine that has ended, of which the bus has brought only a part
    jid = _kept(cache, time.time(), "web1")
    later = _kept(cache, time.time() - 3600, "web1")
    cache.fired[1][1]["return"] = "VALUE_TRIMMED"
    engine = Repaired(tmp_path, tables, None)
    engine.service.dispatcher.halt()
    engine.service.intake.start()
    engine.service.reporter.start()
    engine.fire(cache, 0, 1)
    eventually(lambda: engine.report()["spool"]["events"] == 2)
    engine.service.intake.stop(5)
    engine.service.reporter.stop()
    engine.service.spool.close()
    opts = {**engine.opts(events=DEFAULT), "hash_type": "sha256"}

    # When
    told = import_jobs(opts)

    # Then
    assert told["added"] == {"jobs": 1, "returns": 1}
    assert _pairs(tables) == [(later, "web1")]

    # When the engine writes it, and another import comes after it
    again = Repaired(tmp_path, tables, None)
    running.append(again.service)
    again.service.start()
    eventually(lambda: _pairs(tables) == sorted([(later, "web1"), (jid, "web1")]))
    assert import_jobs(opts)["added"] == {"jobs": 0, "returns": 0}
    assert len(_pairs(tables)) == 2


def test_the_verb_repairs_a_time_that_is_given(tmp_path: Path, tables: Database, cache: LocalCache) -> None:
    # Given
    now = time.time()
    _kept(cache, now - 7200, "web1")
    jid = _kept(cache, now - 3600, "web1")
    opts = {**Repaired.opts(_unmade(tmp_path, tables), events=DEFAULT), "hash_type": "sha256"}

    # When
    told = repair_verb(opts, since="90m", until="30m")
    wrong = repair_verb(opts, since="30m", until="90m")
    nothing = repair_verb(opts)

    # Then
    assert _pairs(tables) == [(jid, "web1")]
    assert told["repair"][0]["why"] == "asked for"
    assert (wrong["retcode"], wrong["problem"].partition(":")[0]) == (2, "since")
    assert nothing["notes"] == ["no gap is known; say since= and until= to repair a time"]


def test_while_the_history_does_not_answer_it_is_tried_again(
    tmp_path: Path, tables: Database, cache: LocalCache, gap: Gap, running: list[Service]
) -> None:
    # Given
    jid = _kept(cache, gap.since + 10, "web1")
    tables.execute("ALTER TABLE eventsd_returns RENAME TO elsewhere")
    engine = Repaired(tmp_path, tables, gap)
    running.append(engine.service)
    engine.service.start()
    time.sleep(0.5)
    while_away = engine.gap()["repaired"]

    # When
    tables.execute("ALTER TABLE elsewhere RENAME TO eventsd_returns")

    # Then
    eventually(lambda: engine.gap()["repaired"] == 2, 20)
    eventually(lambda: _pairs(tables) == [(jid, "web1")])
    assert while_away is None


def _unmade(home: Path, database: Database) -> Repaired:
    made = Repaired.__new__(Repaired)
    made._home, made._url = home, database.url
    return made
