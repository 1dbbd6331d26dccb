"""
The runs with the engine in a master, each in a master of its own:

- *burst*: small returns as fast as the bus takes them, with the engine's default rules;
- *latency*: small returns at a steady rate that keeps nothing busy, so that the figure is the engine's own delay;
- *prio*: a few events of a rule with ``prio: 1`` beside that same steady rate;
- *highstate*: returns of state runs, 100 KB each, as fast as the bus takes them. Each is some 260 rows. In the first
  run every state has changed something, in the second one in twenty has, as is usual.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from benchmarks import fire
from benchmarks.carry import Figures, Subject, carry, returns_of
from benchmarks.databases import reader
from benchmarks.fire import Fired, Gun
from benchmarks.rig import Master, Process, master

#: How many events are fired first, so that the engine makes its tables and opens its connections.
WARM_UP = 50
STEADY_RATE = 500
PRIO_RATE = 20
HIGHSTATE_BYTES = 100_000
#: As many have that size, if few have changed something.
HIGHSTATE_STATES = 266
#: How often the database is asked for new returns: each look takes it some 0.2 ms, of a machine that has none to spare.
_HIGHSTATE_POLL_SECONDS = 0.02

_PRIO_RULES = {
    "jobs": {"tag": r"salt/job/\d+/new", "worker": "history", "into": "jobs"},
    "returns": {"tag": r"salt/job/\d+/ret/", "worker": "history", "into": "returns"},
    "alarms": {"tag": "company/alarm/", "worker": "history", "into": "events", "prio": 1},
}


def burst(url: str, events: int, server: Process | None = None) -> Figures:
    """
    Run *burst*.

    :param url: of an empty database.
    :param events: how many returns.
    :param server: of the database.
    """
    frames = fire.returns(events + WARM_UP)
    with _engine(url) as (running, database):
        gun = Gun(running.pull_socket)
        subject = _warm(running, gun, database, frames, server)
        return carry(subject, lambda: gun.burst(frames[:events]), events)


def latency(url: str, seconds: float) -> Figures:
    """
    Run *latency*.

    :param url: of an empty database.
    :param seconds: for how long.
    """
    events = int(STEADY_RATE * seconds)
    frames = fire.returns(events + WARM_UP)
    with _engine(url) as (running, database):
        gun = Gun(running.pull_socket)
        subject = _warm(running, gun, database, frames)
        return carry(subject, lambda: gun.steady(frames[:events], STEADY_RATE), events)


def prio(url: str, seconds: float) -> Figures:
    """
    Run *prio*; the figures are those of the prio events.

    :param url: of an empty database.
    :param seconds: for how long.
    """
    events = int(PRIO_RATE * seconds)
    background = fire.returns(int(STEADY_RATE * seconds) + WARM_UP)
    frames = fire.alarms(events + 1)
    with _engine(url, events=_PRIO_RULES) as (running, database):
        gun, beside = Gun(running.pull_socket), Gun(running.pull_socket)
        process = _warm(running, gun, database, background).process
        subject = Subject(process, database, "eventsd_events", ("data",), _number_of_alarm)
        gun.burst(frames[events:])
        running.wait_for(lambda: subject.count(0) == 1, "first prio event")

        def both() -> Fired:
            load = threading.Thread(target=beside.steady, args=(background[:-WARM_UP], STEADY_RATE), daemon=True)
            load.start()
            fired = gun.steady(frames[:events], PRIO_RATE)
            load.join()
            return fired

        figures = carry(subject, both, events, poll_seconds=0.001)
    # The process works for the other events, too.
    return {key: value for key, value in figures.items() if key != "CPU us/event"}


def highstate(url: str, events: int, usual: bool = False, server: Process | None = None) -> Figures:
    """
    Run *highstate*.

    :param url: of an empty database.
    :param events: how many returns.
    :param usual: one state in twenty has changed something, else all have.
    :param server: of the database.
    """
    frames = fire.usual_highstates(events, HIGHSTATE_STATES) if usual else fire.highstates(events, HIGHSTATE_BYTES)
    warm_up = fire.returns(events + WARM_UP)[-WARM_UP:]
    with _engine(url) as (running, database):
        gun = Gun(running.pull_socket)
        subject = _warm(running, gun, database, warm_up, server)
        figures = carry(subject, lambda: gun.burst(frames), events, poll_seconds=_HIGHSTATE_POLL_SECONDS)
        with database.connect() as connection:
            states = connection.exec_driver_sql("SELECT count(*) FROM eventsd_states").scalar()
    megabytes = sum(map(len, frames)) / 1e6
    return {
        **figures,
        "rows of states": states,
        "fired MB/s": megabytes / events * figures["fired/s"],
        "stored MB/s": megabytes * figures["stored"] / events / figures["stored after s"],
        "CPU ms/MB": figures["CPU us/event"] * events / megabytes / 1000,
    }


@contextmanager
def _engine(url: str, **options: Any) -> Iterator[tuple[Master, sa.Engine]]:
    eventsd = {"workers": {"history": {"url": url}}, "state_timer": 1, **options}
    with master({"engines": ["eventsd"], "eventsd": eventsd}) as running:
        database = reader(url)
        try:
            yield running, database
        finally:
            database.dispose()


def _warm(
    running: Master, gun: Gun, database: sa.Engine, frames: list[bytes], server: Process | None = None
) -> Subject:
    """Fire the last frames, wait until the engine has stored them, and return the engine as a subject."""
    subject = returns_of(running.engine(), database, server)
    gun.burst(frames[-WARM_UP:])

    def stored() -> bool:
        try:
            return subject.count(0) >= WARM_UP
        except DBAPIError:
            return False

    running.wait_for(stored, "first events in the database")
    return subject


def _number_of_alarm(data: Any) -> int:
    found: int = (json.loads(data) if isinstance(data, str) else data)["number"]
    return found
