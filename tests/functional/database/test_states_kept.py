"""Which results of states get a row, by ``states`` of the worker."""

from __future__ import annotations

from typing import Any

import pytest

from salt_eventsd.exceptions import ConfigError
from tests.support.events import returned, state_result
from tests.support.stores import Database, batch_of

RUN = {
    "file_|-a_|-/a_|-managed": state_result("/a", 0),
    "file_|-b_|-/b_|-managed": state_result("/b", 1, changes={"diff": "x"}),
    "file_|-c_|-/c_|-managed": state_result("/c", 2, result=False),
    "file_|-d_|-/d_|-managed": state_result("/d", 3, result=None, changes={"diff": "x"}),
}


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({}, [0, 1, 2, 3]),
        ({"states": "all"}, [0, 1, 2, 3]),
        ({"states": "changed_or_failed"}, [1, 2, 3]),
        ({"states": "none"}, []),
    ],
)
def test_these_get_a_row(tables: Database, options: dict[str, Any], numbers: list[int]) -> None:
    tables.worker(**options).write(batch_of([returned(RUN, fun="state.apply", success=False, retcode=2)]))

    assert tables.column("states", "run_num") == numbers
    [row] = tables.rows("returns")
    assert (row["return"], row["duration_ms"], bool(row["success"])) == (RUN, 6.0, False)


def test_another_word_is_refused(tables: Database) -> None:
    with pytest.raises(ConfigError, match=r"workers\.history\.states: invalid enum value 'failed'"):
        tables.worker(states="failed")
