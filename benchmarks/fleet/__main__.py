"""
``python -m benchmarks.fleet``: where a fleet's limit is, what it needs, and how long a backlog takes. ``--measure``
measures the costs on this machine first, and how fast writers are; ``--compare`` also runs a fleet in small, and says
how far the model is off.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.fleet.costs import Costs
from benchmarks.fleet.fleet import Burst, Fleet, Machines, Outage, Part
from benchmarks.fleet.limits import limits, load, volume
from benchmarks.fleet.model import simulate
from benchmarks.table import plain, render

_MONTH_SECONDS = 30 * 86_400
_EVENTS_A_MONTH = 300e6
#: So many events are written for each rate; and so many for their delay, at so many a second on each master.
_WRITTEN, _DELAYED, _DELAYED_PER_SECOND = 30_000, 12_000, 200
#: Each incident begins here, so that all is in its usual course before.
_BEGIN_SECONDS = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Return the exit code.

    :param arguments: of the command line.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    costs = Costs()
    try:
        if given.costs:
            costs = Costs.read(json.loads(given.costs.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as exc:
        parser.error(f"--costs: {exc}")
    if given.measure or given.compare:
        # Only these need servers, and what they are made of.
        from benchmarks.fleet import compare, delay, measure, place, writers

        with place.place() as there:
            costs = measure.costs(there, _say)
            print(f"\n{render('costs, measured', measure.table(costs))}")
            rows = writers.rates(there, measure.returns(_WRITTEN), _say)
            print(f"\n{render('writers, all on this machine', rows)}")
            if given.compare:
                print(f"\n{render('a fleet in small', compare.compared(there, costs, _say))}")
        rows = delay.delays(measure.returns(_DELAYED), _DELAYED_PER_SECOND, _say)
        print(f"\n{render('from being read to being committed, batches of a second', rows)}")
    if given.save:
        given.save.write_text(json.dumps(plain(costs.plain()), indent=1) + "\n", encoding="utf-8")
    fleet = fleet_of(given)
    tell(fleet, costs, given)
    return 0


def tell(fleet: Fleet, costs: Costs, given: argparse.Namespace) -> None:
    """
    Print what a fleet needs and what it can carry.

    :param fleet: without anything that goes wrong.
    :param costs: of an event.
    :param given: the command line.
    """
    stormy = replace(fleet, bursts=(Burst(_BEGIN_SECONDS, given.burst_seconds, given.burst),))
    print(f"\n{render('load', load(stormy, costs))}")
    print(f"\n{render('volume', volume(fleet, costs))}")
    rows = []
    for what, one in incidents(stormy, given.outage).items():
        rows.append({"what happens": what, **simulate(one, costs).row()})
    print(f"\n{render('incidents', rows)}")
    part, most = limits(fleet, costs).lowest
    print(f"\nThe limit is the {part}: {most:,.0f} events/s; on average there are {fleet.rate:,.0f}.")


def incidents(stormy: Fleet, outage_seconds: float) -> dict[str, Fleet]:
    """
    Return what may happen to a fleet, by a name.

    :param stormy: the fleet, with its burst.
    :param outage_seconds: how long an outage lasts.
    """
    calm = replace(stormy, bursts=())
    named = {
        f"a burst of {stormy.most:,.0f}/s": stormy,
        **{
            f"{part.value} away for {outage_seconds:g} s": replace(
                calm, outages=(Outage(_BEGIN_SECONDS, outage_seconds, part),)
            )
            for part in (Part.NODE, Part.BROKER, Part.WRITERS, Part.DATABASE)
        },
    }
    named["the burst, database away"] = replace(
        stormy, outages=(Outage(_BEGIN_SECONDS, outage_seconds, Part.DATABASE),)
    )
    return named


def fleet_of(given: argparse.Namespace) -> Fleet:
    """
    Return the fleet that the command line tells of.

    :param given: the command line.
    """
    return Fleet(
        masters=given.masters,
        rate=given.rate if given.rate is not None else given.month / _MONTH_SECONDS,
        highstates=given.highstates,
        states=given.states,
        writers=given.writers,
        concurrency=given.concurrency,
        replicas=given.replicas,
        spool=given.spool_gb * 1e9,
        stream=given.stream_gb * 1e9,
        confirmed=given.confirm == "database",
        machines=Machines(database_cores=given.database_cores, network=given.network_mb * 1e6, wal=given.wal_mb * 1e6),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description="A fleet on paper.")
    usual, machines = Fleet(), Machines()
    parser.add_argument("--masters", type=int, default=usual.masters, metavar="N", help="(%(default)s)")
    parser.add_argument("--month", type=float, default=_EVENTS_A_MONTH, metavar="N", help="events a month (300e6)")
    parser.add_argument("--rate", type=float, metavar="N", help="events a second on average, in place of --month")
    parser.add_argument("--highstates", type=float, default=usual.highstates, metavar="SHARE", help="(%(default)s)")
    parser.add_argument("--states", type=int, default=usual.states, metavar="N", help="of each (%(default)s)")
    parser.add_argument("--burst", type=float, default=10_000.0, metavar="N", help="events a second (%(default)g)")
    parser.add_argument("--burst-seconds", type=float, default=60.0, metavar="N", help="(%(default)g)")
    parser.add_argument("--outage", type=float, default=3600.0, metavar="SECONDS", help="(%(default)g)")
    parser.add_argument("--writers", type=int, default=usual.writers, metavar="N", help="(%(default)s)")
    parser.add_argument("--concurrency", type=int, default=usual.concurrency, metavar="N", help="(%(default)s)")
    parser.add_argument("--replicas", type=int, default=usual.replicas, choices=(1, 3, 5), help="(%(default)s)")
    parser.add_argument("--confirm", default="broker", choices=("broker", "database"), help="(%(default)s)")
    parser.add_argument("--spool-gb", type=float, default=usual.spool / 1e9, metavar="N", help="(%(default).1f)")
    parser.add_argument("--stream-gb", type=float, default=usual.stream / 1e9, metavar="N", help="(%(default).0f)")
    parser.add_argument("--database-cores", type=float, default=machines.database_cores, metavar="N", help="(8)")
    parser.add_argument("--network-mb", type=float, default=machines.network / 1e6, metavar="N", help="MB/s (110)")
    parser.add_argument("--wal-mb", type=float, default=machines.wal / 1e6, metavar="N", help="MB/s (150)")
    parser.add_argument("--measure", action="store_true", help="measure the costs on this machine first")
    parser.add_argument("--compare", action="store_true", help="and compare a small fleet with the model")
    parser.add_argument("--costs", type=Path, metavar="FILE", help="costs that --save has written")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the costs here")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
