"""Items are cut into groups by size and number; none is lost, and none changes its place."""

from __future__ import annotations

import pytest

from salt_eventsd.common.grouping import grouped


@pytest.mark.parametrize(
    ("items", "groups"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(["aa", "bb"], [["aa", "bb"]], id="just as much as fits"),
        pytest.param(["aa", "bbb"], [["aa"], ["bbb"]], id="one more than fits"),
        pytest.param(["a", "bbbbbbb", "c"], [["a"], ["bbbbbbb"], ["c"]], id="one beyond the limit is alone"),
        pytest.param(["", "", "", ""], [["", "", ""], [""]], id="no more than so many"),
    ],
)
def test_groups_are_within_their_limits(items: list[str], groups: list[list[str]]) -> None:
    assert list(grouped(items, len, 4, 3)) == groups
