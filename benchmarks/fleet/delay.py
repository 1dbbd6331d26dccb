"""
How long an event takes from the moment in which a master has read it to the commit that has it in PostgreSQL: two
masters with batches of a second, three nodes, three copies.

The database says when it committed (``track_commit_timestamp``), by the clock that the masters read as well.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import sqlalchemy as sa

from benchmarks.carry import Figures
from benchmarks.fleet.spent import until
from salt_eventsd.event.parse import Event
from tests.support.central import WORKER, SmallMaster, Writer
from tests.support.nats_cluster import NatsCluster
from tests.support.servers import PASSWORD, USER, PostgreSQL

_MASTERS, _WRITERS, _NODES = 2, 2, 3
_BATCH_SECONDS = 1.0
#: How often an engine spools what it has read.
_COMMIT_SECONDS = 0.1
_DELAYS = (
    "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin)) - extract(epoch FROM received AT TIME ZONE 'UTC')"
    " FROM eventsd_returns"
)


def delays(events: Sequence[Event], per_second: int, say: Callable[[str], None]) -> list[Figures]:
    """
    Return a row that says how long events have taken.

    :param events: the first of them warm up what there is, and are not counted.
    :param per_second: how many of them each master reads.
    :param say: prints what is going on.
    """
    say(f"{len(events)} events, {per_second} a second on each of {_MASTERS} masters, {_NODES} nodes ...")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-", ignore_cleanup_errors=True)))
        cluster = stack.enter_context(NatsCluster(_NODES))
        database = stack.enter_context(PostgreSQL(track_commit_timestamp="on"))
        login = {"url": cluster.addresses, "user": USER, "password": PASSWORD, "stream": "DELAY"}
        url = database.new_database()
        target = {**login, "replicas": _NODES}
        senders = [
            SmallMaster(folder, f"master-{number}", target, seconds=_BATCH_SECONDS) for number in range(_MASTERS)
        ]
        eventsd = {"source": login, "workers": {WORKER: {"module": "sql", "url": url}}}
        takers = [Writer(folder, f"writer-{number}", eventsd) for number in range(_WRITERS)]
        for sender in senders:
            stack.callback(sender.close)
            sender.start()
        for taker in takers:
            stack.callback(taker.close)
            taker.start()
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        stack.callback(engine.dispose)

        def ask(question: str) -> list[float]:
            with engine.connect() as connection:
                if not connection.exec_driver_sql("SELECT to_regclass('eventsd_returns')").scalar():
                    return []
                return [float(row[0]) for row in connection.exec_driver_sql(question)]

        def written() -> float:
            return sum(ask("SELECT count(*) FROM eventsd_returns"))

        first = per_second * _MASTERS
        _fire(senders, events[:first], per_second)
        until(lambda: written() >= first, "events of the beginning")
        warm = ask("SELECT coalesce(max(id), 0) FROM eventsd_returns")[0]
        _fire(senders, events[first:], per_second)
        until(lambda: written() >= len(events), "events that are written")
        found = sorted(ask(f"{_DELAYS} WHERE id > {warm:.0f}"))
    return [
        {
            "events": len(found),
            "events/s": per_second * _MASTERS,
            "median, s": statistics.median(found),
            "p99, s": found[int(len(found) * 0.99)],
            "longest, s": found[-1],
        }
    ]


def _fire(senders: Sequence[SmallMaster], events: Sequence[Event], per_second: int) -> None:
    threads = [
        threading.Thread(target=_read, args=(sender, events[at :: len(senders)], per_second))
        for at, sender in enumerate(senders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _read(sender: SmallMaster, events: Sequence[Event], per_second: int) -> None:
    """Spool events as an engine does: each was read at a moment of its own, and they are kept together."""
    began = time.time()
    done = 0
    while done < len(events):
        time.sleep(_COMMIT_SECONDS)
        due = min(len(events), int((time.time() - began) * per_second))
        if due > done:
            sender.put(
                [
                    msgspec.structs.replace(event, received=began + number / per_second)
                    for number, event in enumerate(events[done:due], done)
                ]
            )
        done = due
