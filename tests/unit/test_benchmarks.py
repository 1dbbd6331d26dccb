"""The pure parts of the benchmarks: a figure nobody can trust is worse than none."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import salt.payload

from benchmarks import fire, history, questions, soak, stages, writing
from benchmarks.baseline import QUARTILE
from benchmarks.fleet.spent import cpu_seconds
from benchmarks.table import percentile, plain, render
from benchmarks.targets import targets
from benchmarks.watch import Sightings
from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from tests.support.events import read


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        pytest.param([5.0], 50, 5.0, id="one value is every percentile"),
        pytest.param([3.0, 1.0, 2.0, 4.0], 50, 2.0, id="half of an even number"),
        pytest.param([3.0, 1.0, 2.0], 50, 2.0, id="the middle of an odd number"),
        pytest.param(list(range(1, 101)), 99, 99, id="99 of a hundred"),
        pytest.param(list(range(1, 1001)), 99, 990, id="99 % of a thousand"),
        pytest.param([2.0, 9.0, 4.0], 100, 9.0, id="all of them"),
    ],
)
def test_percentile_is_the_nearest_rank(values: list[float], percent: float, expected: float) -> None:
    # When
    found = percentile(values, percent)

    # Then
    assert found == expected


def test_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 99))


def test_table_aligns_numbers_to_the_right_and_text_to_the_left() -> None:
    # Given
    rows = [{"run": "engine", "lost": 0, "ms": 1.234}, {"run": "other", "lost": 12345, "ms": math.nan, "met": True}]

    # When
    text = render("burst", rows)

    # Then
    assert text.splitlines() == [
        "burst",
        "run       lost    ms  met",
        "------  ------  ----  ---",
        "engine       0  1.23    -",
        "other   12,345     -  yes",
    ]


def test_figures_become_json_without_nan() -> None:
    # Given
    figures = {"burst": [{"run": "engine", "ms": math.nan, "rate": 1.23456, "lost": 0}]}

    # When
    text = json.dumps(plain(figures), allow_nan=False)

    # Then
    assert json.loads(text) == {"burst": [{"run": "engine", "ms": None, "rate": 1.235, "lost": 0}]}


def test_targets_say_which_figure_misses_them() -> None:
    # Given
    figures = {
        "burst": [
            {"run": "engine, sqlite", "lost": 1, "yardsticks": 7.9, "peak RSS MB": 121.0},
            {"run": "engine, postgresql", "lost": 0, "yardsticks": 7.9, "peak RSS MB": 120.0},
            {"run": "event_return, queue 1000", "lost": 9, "yardsticks": 900.0, "peak RSS MB": 900.0},
        ],
        "latency": [{"run": "500/s, sqlite", "p99 ms": 1100.0}, {"run": "20/s prio beside it, sqlite", "p99 ms": 31.0}],
        "highstate": [
            {"run": "engine, postgresql", "lost": 0, "peak RSS MB": 151.0, "stored MB/s": 1.0},
            {"run": "engine, mariadb, few changes", "lost": 0, "peak RSS MB": 150.0, "stored MB/s": 19.9},
        ],
        "stages": [
            {"stage": "build rows"},
            {"stage": "parse, match, redact: 100 KB, 'a word' in it", "CPU us/event": 10_001.0},
            {"stage": "dispatch: claim a batch", "CPU us/event": 200.0},
            {"stage": "sqlite: drain the spool", "of plain insert": math.nan},
            {"stage": "mariadb: drain the spool", "of plain insert": 1.0},
            {"stage": "postgresql: drain the spool", "of plain insert": 1.49},
            {"stage": "listen: returns of 100 KB", "MB/s": 1.0},
            {"stage": "postgresql: drain highstates", "MB/s": 25.0},
            {"stage": "mariadb: drain highstates", "MB/s": 19.9},
        ],
    }

    # When
    met = [(row["what"], row["figure"], row["met"]) for row in targets(figures)]

    # Then
    assert met == [
        ("engine, sqlite", "lost", False),
        ("engine, sqlite", "yardsticks", True),
        ("engine, sqlite", "peak RSS MB", False),
        ("engine, postgresql", "lost", True),
        ("engine, postgresql", "yardsticks", False),
        ("engine, postgresql", "peak RSS MB", True),
        ("500/s, sqlite", "p99 ms", True),
        ("20/s prio beside it, sqlite", "p99 ms", False),
        ("engine, postgresql", "lost", True),
        ("engine, postgresql", "peak RSS MB", False),
        ("engine, mariadb, few changes", "lost", True),
        ("engine, mariadb, few changes", "peak RSS MB", True),
        ("engine, mariadb, few changes", "stored MB/s", False),
        ("parse, match, redact: 100 KB, 'a word' in it", "CPU us/event", False),
        ("dispatch: claim a batch", "CPU us/event", True),
        ("sqlite: drain the spool", "of plain insert", False),
        ("mariadb: drain the spool", "of plain insert", True),
        ("postgresql: drain the spool", "of plain insert", False),
        ("postgresql: drain highstates", "MB/s", True),
        ("mariadb: drain highstates", "MB/s", False),
    ]


@pytest.mark.parametrize("number", [0, 499, 500, 29_999, 123_456])
def test_a_return_tells_its_number(number: int) -> None:
    # Given
    jid, minion_id = fire.identity(number)

    # When
    found = fire.number_of(jid, minion_id)

    # Then
    assert found == number


def test_frames_carry_returns_that_the_engine_reads() -> None:
    # Given
    frames = fire.returns(1001)

    # When
    events = [read(fire.unframed(one)) for one in frames]

    # Then
    assert [fire.number_of(event.jid, event.minion_id) for event in events] == list(range(1001))
    assert {(event.kind, event.phase, event.into) for event in events} == {("job", "ret", "returns")}


def test_a_highstate_is_about_as_large_as_it_was_asked_to_be() -> None:
    assert len(fire.highstates(1, 100_000)[0]) == pytest.approx(100_000, rel=0.1)


def test_a_row_counts_as_committed_when_it_was_first_seen() -> None:
    # Given
    sightings = Sightings()
    for when, newest in ((1.0, 0), (2.0, 10), (3.0, 10), (3.5, 25)):
        sightings.add(when, newest)

    # When
    seen = sightings.of([1, 10, 11, 25])

    # Then
    assert seen == [2.0, 2.0, 3.5, 3.5]


def test_each_stage_alone_carries_every_event(tmp_path: Path) -> None:
    # When
    rows, events = stages.without_database(tmp_path, 1000)

    # Then
    assert [fire.number_of(event.jid, event.minion_id) for event in events] == list(range(1000))
    assert [row["stage"].partition(":")[0] for row in rows] == [
        "inbox",
        "parse, match, redact",
        "spool",
        "spool",
        "build rows",
        "parse, match, redact",
        "parse, match, redact",
        "dispatch",
    ]


def test_writing_alone_is_compared_with_the_same_rows_inserted_plainly(tmp_path: Path) -> None:
    # Given
    _, events = stages.without_database(tmp_path, 1000)
    names = iter(range(10))

    # When
    rows = writing.writing("sqlite", lambda: f"sqlite:///{tmp_path}/{next(names)}.db", tmp_path, events)

    # Then
    assert ["of plain insert" in row for row in rows[:3]] == [False, True, True]
    assert ["of built-in" in row for row in rows[2:]] == [False, True, True, True, True, False]
    assert [row["stage"] for row in rows if "MB/s" in row] == ["sqlite: drain highstates"]


def test_each_question_to_a_history_is_asked_and_told_in_yardsticks(tmp_path: Path) -> None:
    # Given
    options = SqlOptions(url=f"sqlite:///{tmp_path}/history.db")
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    history.fill(engine, 20)
    reader = make_reader(options)

    # When
    about, rows = questions.ask(reader, 4, 10.0)
    engine.dispose()
    reader.dispose()

    # Then
    assert about["jobs"] == 20
    assert about["returns"] >= 900
    assert len({row["question"] for row in rows}) == len(rows) > 30
    assert all(
        0 < row[QUARTILE] * 10.0 / 1000 <= row["median"] * 1.001 and row["median"] <= row["p95"] <= row["longest"]
        for row in rows
    )


@pytest.mark.parametrize(
    ("early_mb", "late_mb", "early_files", "late_files", "flat"),
    [
        pytest.param(100, 100, 20, 20, True, id="as it was"),
        pytest.param(100, 117, 20, 22, True, id="what comes and goes"),
        pytest.param(100, 80, 20, 10, True, id="less"),
        pytest.param(100, 119, 20, 20, False, id="more memory"),
        pytest.param(100, 100, 20, 23, False, id="more files"),
    ],
)
def test_what_a_soak_calls_flat(early_mb: float, late_mb: float, early_files: int, late_files: int, flat: bool) -> None:
    assert soak.is_flat(early_mb, late_mb, early_files, late_files) is flat


def test_a_soak_compares_the_second_fifth_with_the_last() -> None:
    assert soak.early_and_late([0, 0, 1, 1, 5, 5, 7, 7, 9, 9]) == (1, 9)


def test_each_event_of_a_soak_is_one_of_its_own() -> None:
    # Given
    volley = fire.returns(1000)

    # When
    frames = [one for number in range(3) for one in soak._renumbered(volley, number)]

    # Then
    assert frames[:1000] == volley
    told = [salt.payload.loads(fire.unframed(one).partition(b"\n\n")[2]) for one in frames]
    assert [fire.number_of(one["jid"], one["id"]) for one in told] == list(range(3000))


def test_what_children_have_spent_that_have_ended_counts_still() -> None:
    # Given
    before = cpu_seconds(os.getpid())

    # When
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)

    # Then
    assert cpu_seconds(os.getpid()) - before >= 0.29
