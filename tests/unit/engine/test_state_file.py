"""The state file: every key it ever had, and what becomes of one that is damaged or of another version."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salt_eventsd import __version__
from salt_eventsd.bus.gaps import Gap
from salt_eventsd.common.machine import Clock, boot
from salt_eventsd.engine.collect import report
from salt_eventsd.engine.predecessor import PastBus, PastSpool, Predecessor, left, predecessor
from salt_eventsd.engine.readings import Parts
from salt_eventsd.engine.report import BusReport, Report, SpoolReport
from salt_eventsd.engine.state_file import IdleReport, decode, encode, idle_report, to_data
from salt_eventsd.operate.status import read
from salt_eventsd.spool.keep import Spool
from tests.support.lanes import lane_of
from tests.support.parts import parts_of, tell
from tests.support.workers import Recorder

#: What programs may read: the keys of a worker, and of each of its lanes.
LANE_KEYS = {
    *("state", "queued_events", "queued_bytes", "oldest_age", "growing_seconds", "batch_seconds", "in_flight"),
    *(
        "hanging_seconds",
        "written",
        "failed",
        "dropped",
        "lost",
        "lost_behind",
        "retries",
        "renamed",
        "elsewhere",
        "last_error",
    ),
    *("next_try_seconds", "last_write", "last_drop"),
}
KEYS = {
    "": {
        *("version", "pid", "parent", "started", "written", "clock", "problems", "threads", "bus", "dispatch"),
        *("workers", "spool", "losses", "seen", "timer", "ended"),
    },
    "bus": {
        *("connected", "since", "reconnects", "last", "rate", "events_per_second", "reader", "gaps", "unanswered"),
        *(
            "received",
            "matched",
            "ignored",
            "lost",
            "forged",
            "copied",
            "taken_over",
            "peers",
            "withheld",
            "undecided",
            "masked_unread",
        ),
    },
    "bus.reader": {"pid", "waiting_bytes", "dropped"},
    "bus.gaps.0": {"from", "to", "why", "missing", "seen"},
    "dispatch": {"error"},
    "clock": {"boot", "monotonic"},
    "workers.history": {*LANE_KEYS, "dead_letters", "letters_dropped", "written_per_second", "rules"},
    "workers.history.rules.raid": LANE_KEYS,
    "losses.dropped history": {"events", "at"},
    "spool": {
        *("dir", "events", "bytes", "max_bytes", "file_bytes", "full", "error", "unkept_events", "orphaned"),
        *("handed", "handed_waiting", "handed_seconds", "handed_refused"),
        *("orphaned_gone", "orphaned_dropped", "orphaned_letters", "letters_bytes", "letters_dropped", "set_aside"),
        "set_aside_deleted",
    },
}


@pytest.fixture
def parts(spool: Spool) -> Parts:
    """An engine with something to tell of everything."""
    made = parts_of(spool)
    made.lanes["history"].backlog.dropped = 5
    raid = lane_of(spool, Recorder(), "history:raid", owner="history")
    tell(made.link, connected=True, since=time.time(), gaps=[Gap(1.0, 2.0, "too slow", missing=4)])
    return replace(made, lanes={**made.lanes, raid.name: raid})


def at(data: Any, path: str) -> Any:
    """Return what stands at a dotted path."""
    for key in filter(None, path.split(".")):
        data = data[int(key)] if isinstance(data, list) else data[key]
    return data


def test_keys_that_programs_read_are_there(parts: Parts) -> None:
    told = json.loads(encode(report(parts)))

    assert {path: keys - at(told, path).keys() for path, keys in KEYS.items()} == {path: set() for path in KEYS}


def test_an_idle_engine_tells_less() -> None:
    assert json.loads(encode(idle_report(1.0, ["eventsd: x"]))).keys() == {
        *("version", "pid", "started", "written", "clock", "timer", "ended", "problems", "before")
    }


def test_what_is_written_is_read(parts: Parts) -> None:
    made, idle = report(parts), idle_report(1.0, ["eventsd: x"], Predecessor(written=7.0))

    assert decode(encode(made)) == made
    assert decode(encode(idle)) == idle
    assert isinstance(decode(encode(idle)), IdleReport)


#: Without these it is another report, or engines before have not told them.
MAY_BE_MISSING = {
    *("bus", "workers.history.rules", "clock.boot", "clock.monotonic", "bus.gaps.0.missing", "bus.gaps.0.seen"),
    *("losses.dropped history.events", "losses.dropped history.at"),
}
NEEDED = sorted({f"{path}.{key}".strip(".") for path, keys in KEYS.items() for key in keys} - MAY_BE_MISSING)


def test_a_missing_key_is_an_error(parts: Parts) -> None:
    whole = msgspec.json.encode(to_data(report(parts)))
    for path in NEEDED:
        # Given
        data = msgspec.json.decode(whole)
        above, _, key = path.rpartition(".")
        del at(data, above)[key]

        # When / Then
        with pytest.raises(msgspec.ValidationError, match=key):
            decode(msgspec.json.encode(data))


def write(parts: Parts, path: Path, **changes: Any) -> None:
    """Write a report in which received is missing."""
    data: dict[str, Any] = {**to_data(report(parts)), "timer": 5.0, "ended": False, **changes}
    del data["bus"]["received"]
    path.write_bytes(msgspec.json.encode(data))


def damage(parts: Parts, path: Path) -> None:
    write(parts, path)


def upgrade(parts: Parts, path: Path) -> None:
    write(parts, path, version="0.9.9")


@pytest.mark.parametrize(
    ("spoil", "why", "retcode"),
    [
        pytest.param(damage, "is damaged: Object missing required field `received`", 2, id="damaged"),
        pytest.param(upgrade, "is of salt-eventsd 0.9.9, and this is", 1, id="another-version"),
    ],
)
def test_whether_an_engine_runs_is_told_though_its_report_cannot_be_read(
    parts: Parts, tmp_path: Path, spoil: Callable[[Parts, Path], None], why: str, retcode: int
) -> None:
    # Given
    path = tmp_path / "status.json"
    spoil(parts, path)

    # When
    alive = read(path, ("eventsd: x",))
    parts.spool.close()
    dead = read(path)

    # Then
    assert (alive["running"], alive["state"], alive["retcode"], alive["pid"]) == (
        True,
        "degraded",
        retcode,
        os.getpid(),
    )
    assert why in alive["notes"][0]
    assert "restart the master" in alive["notes"][0]
    assert alive["notes"][1] == "the configuration on disk is wrong: eventsd: x"
    assert (dead["running"], dead["state"], dead["retcode"]) == (False, "down", 2)
    assert dead["notes"][0].startswith("not running; it last reported at")
    assert why in dead["notes"][1]


def test_an_engine_of_another_version_whose_report_can_be_read_is_told_as_it_is(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(encode(msgspec.structs.replace(report(parts), version="0.9.9")))

    assert read(path)["version"] == "0.9.9" != __version__
    assert read(path)["workers"]["history"]["dropped"] == 5


def test_an_engine_of_another_version_that_stands_still_hangs(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write(parts, path, version="0.9.9", written=time.time() - 60, clock=Clock(boot(), time.monotonic() - 60))

    assert (read(path)["state"], read(path)["retcode"]) == ("hanging", 2)


def test_the_next_engine_reads_what_one_of_another_version_has_left(parts: Parts, tmp_path: Path) -> None:
    # Given
    path = tmp_path / "status.json"
    write(parts, path, version="0.9.9")

    # When
    found = predecessor(path, parts.spool.folder)

    # Then
    assert found
    assert found.bus
    assert [gap.missing for gap in found.bus.gaps] == [4]
    assert found.losses["dropped history"].events == 5


@pytest.mark.parametrize(
    ("past", "told"),
    [
        pytest.param(PastBus, BusReport, id="bus"),
        pytest.param(PastSpool, SpoolReport, id="spool"),
        pytest.param(Predecessor, Report, id="report"),
    ],
)
def test_what_the_next_engine_looks_for_is_in_the_report(parts: Parts, past: Any, told: Any) -> None:
    keys = {
        BusReport: at(to_data(report(parts)), "bus"),
        SpoolReport: at(to_data(report(parts)), "spool"),
        Report: {**to_data(report(parts)), **to_data(idle_report(1.0, []))},
    }[told]

    assert set(past.__struct_fields__) <= set(keys)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"bus": 7}', b'{"bus": {"gaps": [{}]}}'])
def test_the_next_engine_starts_whatever_is_left(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(content)

    assert left(path) is None
