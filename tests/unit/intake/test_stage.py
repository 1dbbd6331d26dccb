"""What several lanes get is kept once, and each lane gets what it would have got alone: all of it, in order."""

from __future__ import annotations

import random

import pytest

from salt_eventsd.config.structs import BatchLimits, Size
from salt_eventsd.event.parse import Event, for_route
from salt_eventsd.intake.stage import Stage
from salt_eventsd.rules.rule import Route
from salt_eventsd.spool.keep import Spool
from tests.support.events import numbered, returned


def to(worker: str, rule: str = "returns", into: str = "returns", *, prio: bool = False) -> Route:
    return Route(worker, rule, into, prio)


#: Where events go, lanes that get an event under another rule, at once, or twice included.
DESTINATIONS = (
    [to("a")],
    [to("b")],
    [to("a"), to("b")],
    [to("a"), to("b"), to("c", "raid", "own")],
    [to("b"), to("a", prio=True)],
    [to("a"), to("a", "alarms", "events"), to("c")],
    [to("c", "alarms", "events"), to("b"), to("a", "returns", "")],
)


def fail(error: Exception, _: int) -> None:
    raise error


@pytest.mark.parametrize("most", [pytest.param([1, 7, 90], id="small-limits"), pytest.param([1000], id="large-limits")])
@pytest.mark.parametrize("seed", range(3))
def test_each_lane_gets_its_events_in_order_and_within_its_limits(spool: Spool, seed: int, most: list[int]) -> None:
    # Given
    chance = random.Random(seed)
    limits = {name: BatchLimits(events=chance.choice(most), bytes=Size(2**18)) for name in ("a", "b", "c")}
    stage = Stage(fail)
    expected: dict[tuple[str, bool], list[Event]] = {}
    routes = DESTINATIONS[0]

    # When
    for number in range(300):
        if chance.random() < 0.3:
            routes = chance.choice(DESTINATIONS)
        event = returned("x" * chance.choice([10, 10_000, 300_000][: 3 if number % 50 == 0 else 2]), jid=str(number))
        event = for_route(event, routes[0].rule, routes[0].into)
        destinations = [(one, for_route(event, one.rule, one.into)) for one in routes]
        if len(routes) == 1 and chance.random() < 0.3:
            run = [event] * chance.choice([1, 2, 10])
            stage.add_run(routes[0], run, limits[routes[0].worker])
            expected.setdefault((routes[0].lane, routes[0].prio), []).extend(run)
            continue
        if len(routes) > 1 and chance.random() < 0.3:
            stage.add_run_to_all(routes, [event], limits)
        else:
            stage.add_to_all(destinations, limits)
        for one, as_kept in destinations:
            expected.setdefault((one.lane, one.prio), []).append(as_kept)
        if chance.random() < 0.02:
            spool.put(stage.take())
    spool.put(stage.take())

    # Then
    found: dict[tuple[str, bool], list[Event]] = {}
    for lane, prio in expected:
        for kept in spool.waiting(lane, prio=prio):
            events = spool.read(kept.id).events
            allowed = limits[lane.partition(":")[0]]
            assert len(events) == kept.events <= allowed.events
            assert kept.bytes <= allowed.bytes or kept.events == 1
            found.setdefault((lane, prio), []).extend(events)
    assert found == expected
    if most == [1000]:
        assert spool.saved_bytes > sum(one.bytes for one in spool.totals().values()) / 5


def test_little_is_kept_for_each_lane(spool: Spool) -> None:
    # Given
    stage = Stage(fail)

    # When
    stage.add_to_all([(to(name), numbered(1)[0]) for name in ("a", "b")], {"a": BatchLimits(), "b": BatchLimits()})

    # Then: rows of its own would cost more
    assert [one.ordering for one in stage.take()] == [None, None]
