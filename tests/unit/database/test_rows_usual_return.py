"""Usual returns take a shorter way to the same rows as all others."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.dialects.base.lines import BETWEEN, END, MARK, Lines
from salt_eventsd.database.dialects.base.runs import Runs
from salt_eventsd.database.dialects.mysql import loading
from salt_eventsd.database.dialects.postgresql import copying
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.database.rows.returned import runs_of, values_in
from salt_eventsd.event.parse import Event
from salt_eventsd.event.replayed import Replayed
from tests.support.events import RECEIVED, fired

MASTER = "master1"
JID, TIME = "20260102030405678901", "2026-01-02T03:04:05.678901"
#: Names that are plain, and some that columns or JSON have in another form.
NAMES = ["web1", "web2", "w", "", 'a"b', "a\\", "a\0b", "\N{SNOWMAN}", "x" * 300, '","schedule":"x']
JIDS = [JID, "20260102030405678902", "7", "req", "", "y" * 100]
TIMES = [TIME, "2026-01-02T03:04:06.000001", "2026-01-02T03:04:05", "2026-01-02T03:04:05.678901Z", "never", None]
TIMES += [f"{TIME}+00:00", "2026-01-02T03:04:06.000001+00:00", f"{TIME}+01:00"]
#: The first ones are usual.
FIELDS: dict[str, list[Any]] = {
    "cmd": ["_return"],
    "id": NAMES,
    "success": [True, False],
    "return": [True, "text", None, {"a": 1}, ["Rendering failed"], "x_|-y"],
    "retcode": [0, 1, 2**40, {"id": "web1"}],
    "jid": JIDS,
    "fun": ["test.ping", "state.apply", "runner.x.y"],
    "fun_args": [[], ["web1"], [{"id": "web1"}], [{"id": "web2"}], [{"jid": JID, "_stamp": TIME}], ["test=True"]],
    "duration": [1.5, None],
    "schedule": ["daily", None],
    "tgt": ["web1"],
    "tgt_type": ["glob", "list"],
    "_stamp": TIMES,
    "ts": [1767323045, 1767323046, 1, 2**40, "x"],
}
USUAL = ("cmd", "id", "success", "return", "retcode", "jid", "fun", "fun_args", "_stamp")
ODD = st.sampled_from([*FIELDS, "order", "no-id", "no-stamp"])


@st.composite
def payloads(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Payloads of which each differs from the first, a usual one, in a few fields."""
    first = {name: FIELDS[name][0] for name in USUAL}
    told = [first]
    for _ in range(draw(st.integers(1, 5))):
        one = dict(draw(st.sampled_from(told)))
        for name in draw(st.lists(ODD, max_size=3)):
            if name == "order":
                one = dict(draw(st.permutations(list(one.items()))))
            elif name.startswith("no-"):
                one.pop(name.removeprefix("no-").replace("stamp", "_stamp"), None)
            else:
                one[name] = draw(st.sampled_from(FIELDS[name]))
        told.append(one)
    return told


def event_of(payload: dict[str, Any], received: float = RECEIVED) -> Event:
    jid, minion_id = payload.get("jid") or JID, payload.get("id") or "web2"
    return msgspec.structs.replace(fired(f"salt/job/{jid}/ret/{minion_id}", dict(payload)), received=received)


def usual(**more: Any) -> Event:
    return event_of({**{name: FIELDS[name][0] for name in USUAL}, **more})


def builder(backend: str = "sqlite", **more: Any) -> RowBuilder:
    return RowBuilder(MASTER, dialect_for(backend), **more)


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql"])
@settings(deadline=None)
@given(told=payloads(), narrow=st.booleans(), load=st.booleans(), largest=st.sampled_from([None, 12]))
def test_the_rows_are_those_of_the_long_way(
    backend: str, told: list[dict[str, Any]], narrow: bool, load: bool, largest: int | None
) -> None:
    def made() -> RowBuilder:
        return builder(backend, largest=largest, wide_codes=not narrow, load=load)

    both = made()
    for payload in [*told, *told]:
        for received in (RECEIVED, 1767323045.678901):
            event = event_of(payload, received)
            assert both.rows(event) == made().rows(event)


@pytest.mark.parametrize(
    ("load", "zone", "end", "ends"),
    [
        pytest.param(True, "", {}, {}, id="as Salt 3007 has it"),
        pytest.param(True, "+00:00", {"ts": 1767323045}, {"ts": 1767323046}, id="as Salt 3008 has it"),
        pytest.param(False, "+00:00", {}, {}, id="without the whole payload"),
        pytest.param(False, "+00:00", {"ts": 1767323045}, {"ts": 1767323046}, id="with its end alone"),
        pytest.param(False, "", {"retcode": "0", "ts": 1767323045}, {"retcode": "0", "ts": 1767323046}, id="and more"),
    ],
)
def test_returns_that_differ_in_minion_job_and_time_take_the_short_way(
    load: bool, zone: str, end: dict[str, int], ends: dict[str, int]
) -> None:
    # Given
    made = builder(load=load)
    made.rows(usual(_stamp=TIME + zone, **end))
    stamp = TIMES[1] + zone
    other = usual(id="database-7.example.com", jid="20260102030405678999", _stamp=stamp, **{"return": "text"}, **ends)

    # When
    row = made.usual(other)

    # Then
    assert row is not None
    assert row.values[:2] == (other.jid, other.minion_id)
    assert ("returns", dict(zip(made.rows(other)[0][1], row.values, strict=True))) == builder(load=load).rows(other)[0]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"id": "x" * 300}, id="a name that is too long"),
        pytest.param({"jid": "y" * 100}, id="a job id that is too long"),
        pytest.param({"jid": "req"}, id="no job"),
        pytest.param({"_stamp": "2026-01-02T03:04:05"}, id="a time in another form"),
        pytest.param({"retcode": 1}, id="another code"),
        pytest.param({"fun_args": [{"id": "web1"}]}, id="other arguments"),
        pytest.param({"return": "x_|-y"}, id="what may be states"),
    ],
)
def test_anything_odd_takes_the_long_way(more: dict[str, Any]) -> None:
    # Given
    made = builder()
    made.rows(usual())

    # Then
    assert made.usual(usual(**more)) is None
    assert made.usual(usual()) is not None


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"fun": "state.apply"}, id="a function that may have states"),
        pytest.param({"schedule": "daily"}, id="a job of its own"),
        pytest.param({"tgt": "web1", "tgt_type": "glob"}, id="a job of salt-call"),
        pytest.param({"fun_args": [{"id": "web1"}]}, id="its name among the arguments"),
        pytest.param({"fun": ["test.ping"]}, id="several functions"),
        pytest.param({"fun_args": ["x" * 3000]}, id="much to remember"),
    ],
)
def test_what_is_odd_is_not_remembered(more: dict[str, Any]) -> None:
    # Given
    made = builder()

    # When
    made.rows(usual(**more))

    # Then
    assert made.usual(usual(**more)) is None


def test_what_comes_out_of_a_history_keeps_its_digest() -> None:
    # Given
    made = builder()
    made.rows(usual())
    fields = msgspec.structs.asdict(usual())
    event = Replayed(**fields, digest=7, table="returns")

    # When
    rows = made.rows(event)

    # Then
    assert rows[0][1]["digest"] == 7


def test_the_master_is_that_of_the_batch() -> None:
    # Given
    made = builder()
    made.rows(usual())

    # When
    row = made.of("master2").usual(usual())

    # Then
    assert row is not None
    assert "master2" in row.values


@pytest.mark.parametrize(("backend", "lines"), [("postgresql", copying._LINES), ("mysql", loading._LINES)])
@pytest.mark.parametrize("load", [True, False])
@pytest.mark.parametrize("master", [MASTER, f"master{BETWEEN}1"])
@pytest.mark.parametrize("fun", ["test.ping", f"test{MARK}.ping", f"test{END}.ping"])
def test_usual_rows_are_the_lines_that_each_makes_alone(
    backend: str, lines: Lines, load: bool, master: str, fun: str
) -> None:
    # Given
    made = RowBuilder(master, dialect_for(backend), load=load)
    names = ["web1", f"web{BETWEEN}", f"web{END}x", f"{MARK}web", "w\u00ebb", "web2", 'we"b', "w\\n"]
    told: list[Any] = [True, "a\\b\n", None, {"a": "\N{SNOWMAN}"}, f"{MARK}{BETWEEN}", "x" * 5000]
    events = [usual(id=name, fun=fun, **{"return": value}) for name in names for value in told]
    made.rows(events[0])

    # When
    rows = [row for row in map(made.usual_rows(), events) if row]

    # Then
    assert len(rows) >= 2 * len(told)
    together = b"".join(lines.of(Runs(list(runs_of(rows, [])), []), values_in))
    alone = [b"".join(lines.pieces([row.values])) for row in rows]
    assert len(together) == sum(map(len, alone))
    assert all(line in together for line in alone)


def test_usual_rows_are_lines_in_the_order_of_their_events() -> None:
    # Given
    made = builder("postgresql")
    events = [usual(id=f"web{number}") for number in range(300)]
    made.rows(events[0])

    # When
    rows = [row for row in map(made.usual_rows(), events) if row]
    together = b"".join(copying._LINES.of(Runs(list(runs_of(rows, [])), []), values_in))

    # Then
    assert together == b"".join(copying._LINES.pieces([row.values for row in rows]))
    assert [run.may_be_large for run in runs_of(rows, [])] == [False, False]


@pytest.mark.parametrize("load", [True, False])
def test_the_rows_of_jobs_that_take_turns_are_those_of_each_alone(load: bool) -> None:
    # Given: many jobs with two functions, whose returns come mixed and were read at different times
    chance = random.Random(7)
    made = builder("postgresql", load=load)
    values: list[Any] = [True, None, "x", *({"a": number} for number in range(80))]
    events = [
        event_of({**payload, "return": chance.choice(values)}, RECEIVED + chance.choice([0, 0, 1, 2]))
        for number in range(1500)
        for payload in [
            {
                **{name: FIELDS[name][0] for name in USUAL},
                "id": f"web{number}",
                "jid": chance.choice([JID, JIDS[1], "req", *(f"202601020304056790{one:02}" for one in range(80))]),
                "fun": chance.choice(["test.ping", "cmd.run"]),
                "ts": 1767323045 + number // 20,
            }
        ]
    ]
    for event in events[:20]:
        made.rows(event)

    # When
    rows = list(map(made.usual_rows(), events))

    # Then
    assert sum(1 for row in rows if row) > 1400
    for event, row in zip(events, rows, strict=True):
        if row:
            other = builder("postgresql", load=load).without_sighting(event).returned
            assert row.values == other


def test_shapes_are_learned_seldom_where_none_is_met_again() -> None:
    # Given
    made = builder()

    # When
    for size in range(60):
        made.rows(usual(fun_args=["x" * size]))

    # Then
    assert 8 <= len(made._usual._shapes) <= 10

    # And often again once one of them was
    assert made.usual(usual(fun_args=[""]))
    for size in range(60, 110):
        made.rows(usual(fun_args=["x" * size]))
        assert made.usual(usual(fun_args=[""]))
    assert len(made._usual._shapes) > 20


def test_a_bounded_number_of_shapes_is_remembered() -> None:
    # Given
    made = builder()
    most = 0

    # When
    for size in range(1000):
        made.rows(usual(fun_args=["x" * size]))
        most = max(most, len(made._usual._shapes))
        made._usual._chances.succeeded()

    # Then
    assert 20 < most <= 64
