"""Usual runs of states take a shorter way to the same rows as all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.dialects.base.bulk import values_of
from salt_eventsd.database.dialects.base.lines import BETWEEN, END, MARK, Lines
from salt_eventsd.database.dialects.base.runs import Runs, tuples_of
from salt_eventsd.database.dialects.mysql import loading
from salt_eventsd.database.dialects.postgresql import copying
from salt_eventsd.database.rows import RowBuilder, build
from salt_eventsd.database.rows.usual_run import UsualRun
from salt_eventsd.event.parse import Event
from tests.support.events import fired, returned, state_result

MASTER = "master1"
BACKENDS = ["sqlite", "postgresql", "mysql"]
TAG = "file_|-motd_|-/etc/motd_|-managed"
#: What has a meaning for lines, for JSON, or for a database.
_SIGNS = [MARK, BETWEEN, END, "\n", "\r", "\\", "\\u001d", "\0", "\x1b[0m", "\N{SNOWMAN}", '"', ""]
_TEXTS = st.lists(st.sampled_from([*_SIGNS, "text"]), max_size=3).map("".join)
#: The long way writes numbers anew, and may write a very large one in another way: ``1e16`` and not ``1e+16``.
_NUMBERS = st.integers(-(10**6), 10**6).map(lambda quarters: quarters / 4)
_USUAL: Mapping[str, st.SearchStrategy[Any]] = {
    "name": _TEXTS,
    "changes": st.just({}) | st.dictionaries(_TEXTS, _TEXTS | _NUMBERS),
    "result": st.none() | st.booleans(),
    "comment": _TEXTS,
    "__run_num__": st.integers(0, 3),
}
_USUAL_OPTIONAL: Mapping[str, st.SearchStrategy[Any]] = {
    "__sls__": _TEXTS | st.none(),
    "__id__": _TEXTS | st.none(),
    "duration": st.none() | st.integers(0, 10**20) | st.floats(0, 1e300),
    "start_time": _TEXTS,
}
_ODD = st.sampled_from([None, [], ["a", "b"], {}, {"a": 1}, "", "2.5 ms", 0, 7, -1, 2**31, 1.0, 1e300, True, False])
_RESULTS = st.fixed_dictionaries(dict(_USUAL), optional=dict(_USUAL_OPTIONAL))
_ODD_RESULTS = (
    st.fixed_dictionaries({}, optional={name: one | _ODD for name, one in {**_USUAL, **_USUAL_OPTIONAL}.items()}) | _ODD
)
_TAGS = st.sampled_from([TAG, "cmd_|-a_|-b_|-run", f"x_|-{BETWEEN}_|-\0_|-y", "a_|-b", "_|-", "a_|-b_|-c_|-d_|-e"])
_RUNS = st.dictionaries(_TAGS, _RESULTS, min_size=1, max_size=4)
_ODD_RUNS = st.dictionaries(_TAGS | st.sampled_from(["plain", "data"]), _RESULTS | _ODD_RESULTS, max_size=4)
_RETURNS = st.fixed_dictionaries(
    {
        "value": _RUNS | _ODD_RUNS,
        "fun": st.sampled_from(
            ["state.apply", "state.single", "x.y", "state.apply,test.ping", f"a{END}", ["state.sls"]]
        ),
        "retcode": st.sampled_from([0, 2, None]),
        "success": st.sampled_from([True, False, None]),
        "fun_args": st.sampled_from([[], ["test=True"], [{"test": True, "__kwarg__": True}], None]),
    }
)


def builder(backend: str, states: str = "all", largest: int | None = None) -> RowBuilder:
    return RowBuilder(MASTER, dialect_for(backend), largest, states=states)


def run_of(results: Any, backend: str = "postgresql", **more: Any) -> UsualRun | None:
    return builder(backend).without_sighting(returned(results, fun="state.apply", **more))[1]


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=25, deadline=None)
@given(told=_RETURNS, states=st.sampled_from(["all", "changed_or_failed", "none"]), largest=st.sampled_from([None, 12]))
def test_the_rows_are_those_of_the_long_way(
    backend: str, told: dict[str, Any], states: str, largest: int | None
) -> None:
    event = returned(**told)
    made = builder(backend, states, largest)

    found = made.rows(event)

    with patch.object(build, "usual_run", lambda *_: None):
        assert found == made.rows(event)


@settings(max_examples=25, deadline=None)
@given(results=_RUNS, minion_id=st.sampled_from(["web1", f"web{END}", f"web\n{MARK}"]))
@pytest.mark.parametrize("lines", [copying._LINES, loading._LINES])
def test_the_lines_are_those_of_the_rows(lines: Lines, results: Any, minion_id: str) -> None:
    backend = "postgresql" if lines is copying._LINES else "mysql"
    event = returned(results, fun="state.apply", minion_id=minion_id)
    _, run, _ = builder(backend).without_sighting(event)
    if run is None:
        return
    values = values_of(run.columns)
    others = [dict(zip(run.columns, run.values[0], strict=True))]
    runs = Runs([run, run], others)

    found = b"".join(lines.of(runs, values))

    assert len(runs) == len(list(runs)) == 1 + 2 * len(run.values)
    assert list(tuples_of(runs, values)) == [values(row) for row in runs]
    assert found == b"".join(lines.pieces(map(values, list(runs))))


def test_usual_results_take_the_short_way() -> None:
    run = run_of(
        {TAG: state_result(changes={"diff": "\x1b[0m"}), "a_|-b_|-c_|-d": state_result(number=1, result=False)}
    )

    assert run is not None
    assert (len(run.values), run.may_be_lines) == (2, True)
    assert run.columns == tuple(schema.states.columns.keys())


@pytest.mark.parametrize("sign", [MARK, BETWEEN, END])
def test_a_sign_of_lines_in_a_value_is_seen(sign: str) -> None:
    run = run_of({TAG: state_result(comment=f"a{sign}b")})

    assert run is not None
    assert run.text() is None


@pytest.mark.parametrize(
    ("results", "backend"),
    [
        pytest.param({TAG: state_result(comment=["a", "b"])}, "sqlite", id="a list of comments"),
        pytest.param({TAG: state_result(changes=["a"])}, "sqlite", id="a list of changes"),
        pytest.param({TAG: state_result(duration="1.5 ms")}, "sqlite", id="a duration with its unit"),
        pytest.param({TAG: state_result(), "a_|-b_|-c_|-d": state_result()}, "sqlite", id="a number twice"),
        pytest.param({TAG: state_result(), "data": state_result(number=1)}, "sqlite", id="no tag"),
        pytest.param({TAG: state_result(comment="a\0b")}, "postgresql", id="a NUL that the database cannot keep"),
        pytest.param({TAG: state_result(comment="x" * 2**20)}, "sqlite", id="large"),
    ],
)
def test_anything_odd_takes_the_long_way(results: Any, backend: str) -> None:
    assert run_of(results, backend) is None


def test_an_orchestration_takes_the_long_way() -> None:
    value = {"data": {"master1": {TAG: state_result()}}, "retcode": 0}
    event: Event = fired("salt/run/20260102030405678901/ret", {"fun": "runner.state.orch", "return": value})

    assert builder("sqlite").without_sighting(event)[1] is None
