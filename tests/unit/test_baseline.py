"""Figures beside their baseline: what is worse is told, and what is noise, or of another kind, is not."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import baseline, verdict, yardstick
from benchmarks.baseline import Baseline

ABOUT = {"salt": "3008.3", "events": 5000, "seconds": 60}
Given = Callable[..., bool]


def sections(yardsticks: float, of_plain: float) -> dict[str, list[dict[str, Any]]]:
    return {
        "burst": [
            {"run": "engine, sqlite", "yardsticks": yardsticks, "lost": 0, "fired/s": 1.0},
            {"run": "event_return, queue 1000", "yardsticks": 900.0},
        ],
        "stages": [{"stage": "sqlite: drain the spool", "of plain insert": of_plain, "yardsticks": math.nan}],
    }


def test_what_carries_over_from_machine_to_machine_is_compared() -> None:
    assert baseline.flat(sections(6.5, 0.71)) == {
        "burst: engine, sqlite: yardsticks": 6.5,
        "stages: sqlite: drain the spool: of plain insert": 0.71,
    }


@pytest.mark.parametrize(
    ("figure", "was", "now", "worse"),
    [
        pytest.param("yardsticks", 6.0, 6.0, False, id="as it was"),
        pytest.param("yardsticks", 6.0, 6.89, False, id="within the tolerance"),
        pytest.param("yardsticks", 6.0, 6.95, True, id="beyond it"),
        pytest.param("yardsticks", 6.0, 1.0, False, id="better"),
        pytest.param("yardsticks", 0.1, 0.2, False, id="twice next to nothing"),
        pytest.param("yardsticks", 0.0, 0.5, True, id="from nothing"),
        pytest.param("yardsticks", 0.0, 0.0, False, id="still nothing"),
        pytest.param("of plain insert", 1.5, 1.31, False, id="a ratio, within"),
        pytest.param("of plain insert", 1.5, 1.29, True, id="a ratio, beyond"),
        pytest.param("of plain insert", 1.5, 2.5, False, id="a better ratio"),
        pytest.param("of plain insert", 0.5, 0.0, True, id="nothing is left of a ratio"),
        pytest.param("peak RSS MB", 100.0, 116.0, True, id="memory"),
        pytest.param("quartile in yardsticks", 50.0, 140.0, False, id="a quick answer"),
        pytest.param("quartile in yardsticks", 500.0, 700.0, True, id="a slower answer"),
    ],
)
def test_which_difference_is_worse(figure: str, was: float, now: float, worse: bool) -> None:
    # When
    [row] = baseline.compare({f"a: b: {figure}": was}, {f"a: b: {figure}": now})

    # Then
    assert row["worse"] is worse


def test_the_worst_comes_first_and_what_only_one_has_is_left_out() -> None:
    # Given
    kept = {"a: x: yardsticks": 4.0, "a: y: yardsticks": 4.0, "a: gone: yardsticks": 1.0}

    # When
    rows = baseline.compare(kept, {"a: x: yardsticks": 5.0, "a: y: yardsticks": 8.0, "a: new: yardsticks": 9.0})

    # Then
    assert [(row["what"], row["times as bad"]) for row in rows] == [
        ("a: y: yardsticks", 2.0),
        ("a: x: yardsticks", 1.25),
    ]


def test_a_baseline_leaves_those_of_other_benchmarks_alone(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "baseline.json"
    baseline.save("bench", Baseline(ABOUT, {"a: b: yardsticks": 1.0}), path)

    # When
    baseline.save("history, sqlite", Baseline({}, {"c: d: yardsticks": 2.0}), path)

    # Then
    assert baseline.load("bench", path) == Baseline(ABOUT, {"a: b: yardsticks": 1.0})
    assert baseline.load("history, sqlite", path) == Baseline({}, {"c: d: yardsticks": 2.0})
    assert baseline.load("history, mysql", path) is None


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """Give a run's figures to the comparison, with some options."""

    def run(*options: str, about: dict[str, Any] | None = None, figures: Any = None) -> bool:
        parser = argparse.ArgumentParser()
        verdict.add_arguments(parser)
        chosen = parser.parse_args(["--baseline", str(tmp_path / "baseline.json"), *options])
        return verdict.given(chosen, "bench", about or ABOUT, figures or sections(6.0, 0.8), print)

    return run


def test_a_run_is_compared_with_the_baseline_that_was_written(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    # Given
    assert given("--write-baseline")

    # When
    same, worse, only_told = given("--compare"), given("--compare", figures=sections(9.0, 0.8)), given()

    # Then
    told = capsys.readouterr().out
    assert (same, worse, only_told) == (True, False, True)
    assert "none of 2 figures is worse" in told
    assert "1 of 2 figures are worse" in told


def test_a_run_on_something_else_says_so(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    # Given
    given("--write-baseline")

    # When
    given(about={"salt": "3007.15", "events": 5000, "seconds": 90})

    # Then
    assert "measured with salt 3008.3, now 3007.15\n" in capsys.readouterr().out


def test_where_there_is_nothing_to_compare_with_a_comparison_fails(given: Given) -> None:
    # When
    without_baseline = given("--compare")
    given("--write-baseline")

    # Then
    assert not without_baseline
    assert not given("--compare", figures={"latency": [{"run": "500/s, sqlite", "yardsticks": 1.0}]})


def test_cpu_time_is_told_in_yardsticks_beside_it() -> None:
    # Given
    rows = [{"stage": "a", "CPU us/event": 26.0, "MB/s": 1.0}, {"stage": "b"}]

    # When
    yardstick.told(rows, 13.0)

    # Then
    assert [list(row.items()) for row in rows] == [
        [("stage", "a"), ("CPU us/event", 26.0), ("yardsticks", 2.0), ("MB/s", 1.0)],
        [("stage", "b")],
    ]


def test_each_run_is_told_in_yardsticks_of_its_own_time() -> None:
    # Given: a machine that becomes slower
    times = iter([10.0, 20.0, 40.0])
    yardsticks = yardstick.Yardsticks(lambda: next(times))
    runs: list[list[dict[str, Any]]] = [[{"run": "a", "CPU us/event": 30.0}], [{"run": "b", "CPU us/event": 30.0}]]

    # When
    told = [yardsticks.tell(rows) for rows in runs]

    # Then
    assert told == [15.0, 30.0]
    assert [rows[0]["yardsticks"] for rows in runs] == [2.0, 1.0]
    assert yardsticks.taken == [10.0, 20.0, 40.0]


def test_a_yardstick_is_a_time() -> None:
    assert 0 < yardstick.measure(events=100, rounds=2) < 1000


def test_the_kept_baselines_can_be_read_and_name_no_machine() -> None:
    # When
    kept = baseline.load_all()

    # Then
    assert any(key.startswith("bench of ") for key in kept)
    for one in kept.values():
        assert one.figures
        assert set(one.about) <= {
            *("salt_eventsd", "salt", "python", "machine", "cores", "database", "databases"),
            *("sections", "events", "jobs", "returns", "rounds", "seconds", "yardstick us"),
        }
