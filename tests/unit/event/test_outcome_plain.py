"""A run of states in which nothing is odd has the outcome that the look at everything finds."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from salt_eventsd.event import outcome

_RESULTS = (True, False, None)
_CHANGES: tuple[Any, ...] = ({}, {"diff": "x"})


def run(*states: Any) -> dict[str, Any]:
    return {f"file_|-s{number}_|-/x_|-managed": one for number, one in enumerate(states)}


def state(result: Any = True, changes: Any = None, duration: Any = 1.5, **more: Any) -> dict[str, Any]:
    return {"result": result, "changes": changes or {}, "duration": duration, **more}


@pytest.mark.parametrize("test", [True, False, None])
@pytest.mark.parametrize(("retcode", "success"), [(0, True), (2, False), (0, None), (None, None)])
def test_it_is_the_same(test: bool | None, retcode: Any, success: Any) -> None:
    each = [state(result, changes) for result, changes in itertools.product(_RESULTS, _CHANGES)]
    for states in itertools.product(each, repeat=2):
        # Given
        returned = {**run(*states), "no state": 1}

        # When
        plain = outcome.plain_run(returned)
        assert plain is not None
        found = outcome.of_plain(test, plain, returned, retcode, success)

        # Then
        parts = [outcome.Part("state.apply", returned, test)]
        assert found == outcome.read(parts, retcode, success)
        assert plain.seconds == 0.003


@pytest.mark.parametrize(
    "returned",
    [
        pytest.param({}, id="no states"),
        pytest.param({"a": state()}, id="none of its keys is a state's"),
        pytest.param(["Rendering failed"], id="a list"),
        pytest.param(run(state(), {"result": True}), id="no duration"),
        pytest.param(run(state(), {"duration": 1.5}), id="no result"),
        pytest.param(run(state(), "x"), id="a text"),
        pytest.param(run(state(), [1]), id="a state that is a list"),
        pytest.param(run(state(1)), id="a number as result"),
        pytest.param(run(state("true")), id="a text as result"),
        pytest.param(run(state(duration=True)), id="true as duration"),
        pytest.param(run(state(duration="1.5")), id="a text as duration"),
        pytest.param(run(state(duration=-1.0)), id="less than nothing"),
        pytest.param(run(state(duration=math.inf)), id="for ever"),
        pytest.param(run(state(duration=math.nan), state()), id="no number first"),
        pytest.param(run(state(), state(duration=math.nan)), id="no number last"),
        pytest.param(run(state(duration=10**400)), id="a number too large for floats"),
        pytest.param({**run(state()), 5: state()}, id="a number as key"),
    ],
)
def test_what_is_odd_is_left_to_others(returned: Any) -> None:
    assert outcome.plain_run(returned) is None
