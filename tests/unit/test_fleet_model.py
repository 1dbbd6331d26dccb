"""The model of a fleet: what it says can be worked out by hand for fleets that are simple enough."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fleet.__main__ import main
from benchmarks.fleet.costs import Cost, Costs
from benchmarks.fleet.fleet import Burst, Fleet, Machines, Outage, Part
from benchmarks.fleet.limits import limits, load, volume
from benchmarks.fleet.model import simulate

#: A millisecond for writer and database each: a writer carries 500 events a second.
COSTS = Costs(
    engine=Cost(80.0),
    publish=Cost(20.0),
    broker=Cost(10.0),
    spool=Cost(1000.0),
    stream=Cost(100.0),
    writer=Cost(1000.0, 500.0),
    database=Cost(1000.0, 250.0),
    wal=Cost(2000.0),
    rows=Cost(1500.0),
    turn=Cost(2000.0, 750.0),
)
FLEET = Fleet(masters=2, rate=100.0, highstates=0.0, writers=2)


@pytest.mark.parametrize(
    ("changed", "part", "most"),
    [
        pytest.param({}, "writers", 1000.0, id="two writers that wait for the database half of the time"),
        pytest.param({"concurrency": 2}, "writers", 2000.0, id="who writes two at once has no more than one core"),
        pytest.param({"concurrency": 9}, "writers", 2000.0, id="nor with nine"),
        pytest.param({"writers": 99}, "database", 8000.0, id="many writers: eight cores of the database"),
        pytest.param({"writers": 99, "machines": Machines(wal=1e6)}, "disk", 500.0, id="a slow disk"),
        pytest.param({"machines": Machines(network=20_000)}, "broker", 50.0, id="in, two copies, out: four times"),
        pytest.param({"writers": 99, "machines": Machines(bus=10)}, "bus", 20.0, id="the buses of two masters"),
        pytest.param({"machines": Machines(shared_cores=0.5)}, "machine", 0.5e6 / 2110, id="half a core for all"),
        pytest.param({"highstates": 0.5, "states": 4}, "writers", 2e6 / 3500, id="two states an event on average"),
    ],
)
def test_the_limit_is_that_of_the_slowest_part(changed: dict[str, object], part: str, most: float) -> None:
    # When
    found = limits(replace(FLEET, **changed), COSTS).lowest

    # Then
    assert found == (part, pytest.approx(most))


def test_an_outage_is_made_up_for_at_what_the_writers_have_to_spare() -> None:
    # Given: 100 events/s come, 1000 can be written.
    fleet = replace(FLEET, outages=(Outage(10, 900, Part.DATABASE),))

    # When
    outcome = simulate(fleet, COSTS)

    # Then
    assert outcome.lost == 0
    assert outcome.stream == pytest.approx(900 * 100 * 100, rel=0.01)
    assert outcome.spool == 0
    assert outcome.longest == pytest.approx(900, abs=2)
    assert outcome.drained == pytest.approx(900 * 100 / 900, abs=3)


def test_without_the_broker_the_spools_grow_and_then_the_stream() -> None:
    # Given
    fleet = replace(FLEET, outages=(Outage(10, 900, Part.BROKER),))

    # When
    outcome = simulate(fleet, COSTS)

    # Then
    assert outcome.spool == pytest.approx(900 * 100 * 1000 / 2, rel=0.01)
    assert outcome.stream > 800 * 100 * 100
    assert outcome.lost == 0


def test_who_waits_for_the_database_keeps_in_his_spool_what_is_in_the_stream() -> None:
    # Given
    fleet = replace(FLEET, confirmed=True, outages=(Outage(10, 900, Part.DATABASE),))

    # When
    outcome = simulate(fleet, COSTS)

    # Then
    assert outcome.spool == pytest.approx(900 * 100 * 1000 / 2, rel=0.01)
    assert outcome.stream == pytest.approx(900 * 100 * 100, rel=0.01)


def test_a_node_alone_costs_an_election_where_there_are_three() -> None:
    # Given
    away = (Outage(10, 3600, Part.NODE),)

    # When
    three, alone = (simulate(replace(FLEET, replicas=number, outages=away), COSTS) for number in (3, 1))

    # Then
    assert three.longest == pytest.approx(10, abs=2)
    assert alone.longest == pytest.approx(3600, abs=2)


def test_a_full_stream_leaves_events_in_the_spools_and_full_spools_lose_them() -> None:
    # Given: room for 10,000 events in the stream and as many in both spools, and 90,000 come.
    fleet = replace(FLEET, stream=1e6, spool=5e6, outages=(Outage(10, 900, Part.DATABASE),))

    # When
    outcome = simulate(fleet, COSTS)

    # Then
    assert outcome.stream == pytest.approx(1e6)
    assert outcome.spool == pytest.approx(5e6)
    assert outcome.lost == pytest.approx(70_000, rel=0.01)


def test_more_than_can_be_written_never_comes_to_an_end() -> None:
    # Given
    fleet = replace(FLEET, rate=1100.0, outages=(Outage(10, 60, Part.DATABASE),))

    # When
    outcome = simulate(fleet, COSTS)

    # Then
    assert math.isinf(outcome.drained)


_FLEETS = st.builds(
    Fleet,
    masters=st.integers(1, 20),
    writers=st.integers(1, 5),
    rate=st.floats(1, 300),
    highstates=st.just(0.0),
    confirmed=st.booleans(),
    spool=st.floats(1e5, 1e9),
    bursts=st.tuples(st.builds(Burst, st.just(5), st.integers(1, 120), st.floats(1, 3000))),
    outages=st.tuples(st.builds(Outage, st.just(7), st.integers(1, 120), st.sampled_from(Part))),
)


@given(fleet=_FLEETS)
def test_no_event_comes_from_nowhere_or_goes_there(fleet: Fleet) -> None:
    # When
    outcome = simulate(fleet, COSTS)

    # Then
    if math.isfinite(outcome.drained):
        came = sum(fleet.arriving(moment) for moment in range(int(_over(fleet) + outcome.drained) + 1))
        assert outcome.written + outcome.lost == pytest.approx(came, abs=3 * fleet.rate + 1)
    assert outcome.spool <= fleet.spool * 1.001


def _over(fleet: Fleet) -> float:
    return max(one.begin + one.seconds for one in (*fleet.bursts, *fleet.outages))


def test_volume_is_what_the_rate_makes_of_the_bytes() -> None:
    # When
    rows = {row["what"]: row for row in volume(FLEET, COSTS)}

    # Then
    assert rows["rows and indexes"]["GB/day"] == pytest.approx(100 * 1500 * 86_400 / 1e9)
    assert rows["CPU: database"]["cores"] == pytest.approx(0.1)


def test_one_part_is_called_the_limit() -> None:
    assert [row["part"] for row in load(FLEET, COSTS) if row["limit"]] == ["writers"]


def test_costs_come_back_as_they_were_saved() -> None:
    assert Costs.read(json.loads(json.dumps(COSTS.plain()))) == COSTS
    with pytest.raises(ValueError, match="no nothing among the costs"):
        Costs.read({"nothing": {"event": 1}})


def test_the_command_says_where_the_limit_is(capsys: pytest.CaptureFixture[str]) -> None:
    # When
    code = main(["--masters", "3", "--rate", "50", "--outage", "60"])

    # Then
    said = capsys.readouterr().out
    assert code == 0
    assert "The limit is the writers" in said
    assert "database away for 60 s" in said
