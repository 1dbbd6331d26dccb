"""Labels are bounded, in number and in bytes."""

from __future__ import annotations

import pytest

from salt_eventsd.intake.labels import LONGEST_LABEL, OTHER, Labels, Series, as_label


def test_a_label_has_so_many_values_and_then_others() -> None:
    labels = Labels(most=2)

    assert [labels.of(name) for name in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER, "a", OTHER]


def test_two_long_values_stay_two() -> None:
    labels = Labels()

    found = {labels.of("x" * 1000 + end) for end in "ab"}

    assert len(found) == 2
    assert max(map(len, found)) <= LONGEST_LABEL


@pytest.mark.parametrize(
    ("text", "label"),
    [
        pytest.param("web1", "web1", id="usual"),
        pytest.param("", "", id="none"),
        pytest.param("wäb", "wäb", id="other letters"),
        pytest.param("a\udcffb", "a\\udcffb", id="no UTF-8"),
    ],
)
def test_a_label_is_valid(text: str, label: str) -> None:
    assert as_label(text) == label


def test_series_beyond_the_most_are_one() -> None:
    series = Series(most=2)

    for name in ("a", "b", "c", "d", "a"):
        series.add((name, "x"), "")

    assert dict(series.items()) == {("a", "x"): 2, ("b", "x"): 1, (OTHER, OTHER): 2}


def test_series_begin_anew() -> None:
    series = Series(most=1)
    series.set(("a",), "m", 5)

    series.clear()
    series.set(("b",), "m", 6)

    assert dict(series.items()) == {("b",): 6}
