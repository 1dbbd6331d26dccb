"""Jobs of known age, as a master would have kept them, and a purge of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.retention.keep import Keep
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.purge import Purge
from salt_eventsd.event.parse import Event
from tests.support.events import fired, job_data, return_data, state_result
from tests.support.stores import Database

_NUMBERS = count(1)


@dataclass(frozen=True)
class Answer:
    """
    What a minion answered.

    :param minion: its id.
    :param days: how long ago.
    :param failed: whether it failed.
    :param states: how many states it tells of; the last of them failed where the answer did.
    """

    minion: str
    days: float
    failed: bool = False
    states: int = 0


def stamp(days: float) -> str:
    """Return the time so many days ago as Salt writes it."""
    return (datetime.now(timezone.utc) - timedelta(days=days)).replace(tzinfo=None).isoformat(timespec="microseconds")


def jid_of(days: float) -> str:
    """Return a job id of so many days ago; no two are the same."""
    when = datetime.now(timezone.utc) - timedelta(days=days)
    return f"{when:%Y%m%d%H%M%S}{next(_NUMBERS):06}"


def job_events(jid: str, days: float, *answers: Answer, is_told: bool = True) -> list[Event]:
    """Return the events of a job; without its start if it is not told."""
    found = []
    if is_told:
        data = job_data(jid, minions=[one.minion for one in answers], _stamp=stamp(days))
        found.append(fired(f"salt/job/{jid}/new", data))
    return [*found, *(answer_event(jid, one) for one in answers)]


def answer_event(jid: str, one: Answer) -> Event:
    """Return the event of an answer."""
    outcome: dict[str, Any] = {"success": not one.failed, "retcode": int(one.failed), "_stamp": stamp(one.days)}
    value: Any = True
    if one.states:
        last = one.states - 1
        value = {
            f"file_|-x{number}_|-/x{number}_|-managed": state_result(
                f"/x{number}", number, result=not (one.failed and number == last)
            )
            for number in range(one.states)
        }
    fun = "state.apply" if one.states else "test.ping"
    return fired(f"salt/job/{jid}/ret/{one.minion}", return_data(value, jid, one.minion, fun, **outcome))


@contextmanager
def purging(database: Database, keep: Mapping[str, str], pace: Pace | None = None) -> Iterator[Purge]:
    """A purge of a database that rests as little as it can."""
    engine = make_engine(SqlOptions(url=database.url))
    try:
        yield Purge(engine, Keep(**keep), pace or Pace(share=1))
    finally:
        engine.dispose()


def purge(database: Database, keep: Mapping[str, str]) -> dict[tuple[str, str], int]:
    """Purge, having seen that a count beforehand tells the same; return the counts."""
    with purging(database, keep) as one:
        counted = one.count()
    with purging(database, keep) as one:
        purged = one.run()
    assert counted == purged
    return dict(purged)
