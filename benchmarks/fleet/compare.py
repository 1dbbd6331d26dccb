"""
Runs a fleet in small, and says how far the model is off: two masters, of whose events one in twenty is a state run, one
NATS server, one writer, PostgreSQL. The costs come from loads of one kind each, so this mixture is new to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks import fire
from benchmarks.carry import Figures
from benchmarks.fleet.costs import Costs
from benchmarks.fleet.fleet import Fleet
from benchmarks.fleet.limits import limits
from benchmarks.fleet.measure import READING, parsed, state_runs
from benchmarks.fleet.place import Place, Run

_MASTERS, _EVENTS, _STATE_RUNS, _STATES = 2, 19_000, 1_000, 20
#: The model is good enough if no figure is further off.
_MOST_PERCENT = 20.0


def compared(there: Place, costs: Costs, say: Callable[[str], None]) -> list[Figures]:
    """
    Return a row for each figure: as predicted, as measured, and the difference in percent.

    :param there: the servers.
    :param costs: as they were measured here.
    :param say: prints what is going on.
    """
    say(f"a fleet in small: {_MASTERS} masters, {_EVENTS} small returns, {_STATE_RUNS} runs of {_STATES} states ...")
    small, large = fire.returns(_EVENTS), state_runs(_STATE_RUNS, _STATES)
    found = there.run([parsed([*_of(small, at), *_of(large, at)]) for at in range(_MASTERS)])
    return rows(found, costs)


def rows(found: Run, costs: Costs) -> list[Figures]:
    """
    Return what was predicted beside what was found.

    :param found: what was measured.
    :param costs: what the prediction is made from.
    """
    events = _EVENTS + _STATE_RUNS
    fleet = Fleet(masters=_MASTERS, highstates=_STATE_RUNS / events, states=_STATES, writers=1, replicas=1)
    states, one_writer = fleet.states_an_event, limits(fleet, costs).writers
    predicted = {
        "engine: CPU us an event": (costs.engine.of(states) - READING.of(states), found.engine),
        "publishing: CPU us an event": (costs.publish.of(states), found.publish),
        "writer: CPU us an event": (costs.writer.of(states), found.writer),
        "database: CPU us an event": (costs.database.of(states), found.database),
        "spool: bytes an event": (costs.spool.of(states), found.spool),
        "stream: bytes an event": (costs.stream.of(states), found.stream),
        "database: bytes logged an event": (costs.wal.of(states), found.wal),
        "database: bytes kept an event": (costs.rows.of(states), found.rows),
        "one writer: events/s": (one_writer, 1e6 / found.turn),
        f"a backlog of {events}: seconds": (events / one_writer, events * found.turn / 1e6),
    }
    return [
        {
            "figure": name,
            "predicted": said,
            "measured": was,
            "off by %": (off := 100 * (said - was) / was),
            "well": abs(off) <= _MOST_PERCENT,
        }
        for name, (said, was) in predicted.items()
    ]


def _of(frames: Sequence[bytes], master: int) -> Sequence[bytes]:
    return frames[master::_MASTERS]
