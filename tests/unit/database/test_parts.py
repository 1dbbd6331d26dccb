"""Which events of a batch have their rows made and inserted together."""

from __future__ import annotations

import pytest

from salt_eventsd.database.building import parts
from tests.support.events import returned


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([10], [1]),
        ([110_000] * 19, [10, 9]),
        ([110_000] * 11, [11]),
        ([1_000] * 5000, [1001, 1001, 1001, 1001, 996]),
        ([9_000_000, 10, 10, 9_000_000], [1, 2, 1]),
        ([600_000] * 6, [2, 2, 2]),
    ],
)
def test_no_part_is_too_large_and_none_is_a_mere_rest(sizes: list[int], expected: list[int]) -> None:
    events = [returned("x" * size) for size in sizes]

    found = list(parts(events, range(len(events))))

    assert [at for part in found for at in part] == list(range(len(events)))
    assert [len(part) for part in found] == expected
