"""
Compares figures with a kept baseline, so that a regression is seen. What is compared is in yardsticks, or a ratio of
two rates of one run, for both carry over from machine to machine; and still only differences beyond doubt are told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.yardstick import YARDSTICKS

FILE = Path(__file__).with_name("baseline.json")
#: A figure is worse if it is so many times its baseline.
TOLERANCE = 1.15
#: The figure of a question that is compared: what one in four of its answers is quicker than, so that a busy moment of
#: the machine does not count.
QUARTILE = "quartile in yardsticks"


class Measure(NamedTuple):
    """
    How a figure is compared.

    :param more_is_better: whether a larger figure is better.
    :param least: a smaller difference than this says nothing.
    """

    more_is_better: bool
    least: float


MEASURES: Mapping[str, Measure] = {
    YARDSTICKS: Measure(False, 0.15),
    "of plain insert": Measure(True, 0.05),
    "of built-in": Measure(True, 0.05),
    "peak RSS MB": Measure(False, 5.0),
    # About a millisecond: a question that is answered as quickly is quick enough.
    QUARTILE: Measure(False, 100.0),
}
#: The runs of other programs.
_NOT_OURS = "event_return"

#: Section, row and figure -> value.
Flat = dict[str, float]


class Baseline(msgspec.Struct, frozen=True):
    """
    Figures that were kept.

    :param about: on what they were measured, and how.
    :param figures: section, row and figure -> value.
    """

    about: dict[str, Any]
    figures: Flat


def flat(sections: Mapping[str, Sequence[Mapping[str, Any]]]) -> Flat:
    """
    Return the figures that are compared.

    :param sections: section -> its rows.
    """
    found: Flat = {}
    for section, rows in sections.items():
        for row in rows:
            name = str(row.get("run") or row.get("stage") or row.get("question"))
            for figure in MEASURES if not name.startswith(_NOT_OURS) else ():
                value = row.get(figure)
                if value is not None and math.isfinite(value):
                    found[f"{section}: {name}: {figure}"] = round(value, 3)
    return found


def compare(kept: Mapping[str, float], now: Mapping[str, float]) -> list[dict[str, Any]]:
    """
    Return a row for each figure that both have, the worst first; ``worse`` says whether it is so beyond doubt.

    :param kept: the baseline's figures.
    :param now: those of this run.
    """
    rows = []
    for name in kept.keys() & now.keys():
        measure = MEASURES[name.rpartition(": ")[2]]
        was, value = kept[name], now[name]
        better, worse = (value, was) if measure.more_is_better else (was, value)
        times = worse / better if better > 0 else math.inf if worse > 0 else 1.0
        is_worse = times > TOLERANCE and abs(value - was) > measure.least
        rows.append({"what": name, "baseline": was, "now": value, "times as bad": times, "worse": is_worse})
    return sorted(rows, key=lambda row: (-row["times as bad"], row["what"]))


def load(key: str, path: Path = FILE) -> Baseline | None:
    """
    Return a kept baseline; None if there is none.

    :param key: of which benchmark.
    :param path: the file.
    """
    return load_all(path).get(key)


def save(key: str, baseline: Baseline, path: Path = FILE) -> None:
    """
    Keep a baseline in place of the one of the same benchmark.

    :param key: of which benchmark.
    :param baseline: the baseline.
    :param path: the file, with those of others in it.
    """
    every = {**load_all(path), key: baseline}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(every, order="sorted"), indent=1) + b"\n")


def load_all(path: Path = FILE) -> dict[str, Baseline]:
    """
    Return the kept baselines by their benchmarks.

    :param path: the file.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    return msgspec.json.decode(raw, type=dict[str, Baseline])
