"""
Measures what an event costs each part, on this machine. Small returns are measured first, then returns of state runs,
and what these cost more is shared out among their states.

Reading the bus is not measured here, as that takes a salt-master; ``make bench`` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import salt.payload

from benchmarks import fire, stages
from benchmarks.carry import Figures
from benchmarks.fleet.costs import Cost, Costs
from benchmarks.fleet.place import Place, Run
from salt_eventsd.event.parse import Event

#: What reading the bus costs an engine, as ``make bench`` has measured it.
READING = Cost(27.0, 7.0)
STATES = 100
_SMALL, _HIGHSTATES = 20_000, 400
#: Parsing is done so often, and the best counts: other work of the machine makes it look dearer, never cheaper.
_PASSES = 3


def costs(there: Place, say: Callable[[str], None]) -> Costs:
    """
    Measure the costs.

    :param there: the servers.
    :param say: prints what is going on.
    """
    say(f"measuring with {_SMALL} small returns ...")
    small = there.run([parsed(fire.returns(_SMALL))])
    say(f"measuring with {_HIGHSTATES} state runs ...")
    large = there.run([parsed(state_runs(_HIGHSTATES, STATES))])
    return of_runs(small, large, STATES)


def of_runs(small: Run, large: Run, states: int) -> Costs:
    """
    Return the costs that two runs show.

    :param small: of small returns.
    :param large: of returns of state runs.
    :param states: how many states each of these has.
    """

    def cost(name: str) -> Cost:
        event, more = getattr(small, name), getattr(large, name)
        return Cost(event, max(0.0, more - event) / states)

    found = Costs(**{field.name: cost(field.name) for field in fields(Costs)})
    engine = Cost(found.engine.event + READING.event, found.engine.state + READING.state)
    return replace(found, engine=engine)


def parsed(frames: Sequence[bytes]) -> tuple[float, list[Event]]:
    """
    Parse frames as an engine does; return how many microseconds of processor each has taken, and the events.

    :param frames: of the bus.
    """
    pipeline = stages._pipeline()
    raw = [fire.unframed(one) for one in frames]
    spent = []
    for _ in range(_PASSES):
        cpu = time.process_time()
        results = [pipeline.take(one, time.time()) for one in raw]
        spent.append(time.process_time() - cpu)
    return min(spent) / len(raw) * 1e6, [event for one in results for _, event in one.destinations]


def returns(count: int) -> list[Event]:
    """
    Return small returns, as an engine has parsed them.

    :param count: how many.
    """
    return parsed(fire.returns(count))[1]


def state_runs(count: int, states: int) -> list[bytes]:
    """
    Build returns of state runs.

    :param count: how many.
    :param states: how many states each has.
    """
    return fire.highstates(count, states * len(salt.payload.dumps(fire._state(0, 0))))


def table(found: Costs) -> list[Figures]:
    """
    Return costs as the rows of a table.

    :param found: the costs.
    """
    unit = {"spool": "bytes", "stream": "bytes", "wal": "bytes", "rows": "bytes", "turn": "us"}
    return [
        {
            "cost": field.name,
            "in": unit.get(field.name, "us of CPU"),
            "an event": getattr(found, field.name).event,
            "and a state": getattr(found, field.name).state,
        }
        for field in fields(Costs)
    ]
