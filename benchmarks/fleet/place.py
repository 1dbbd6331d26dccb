"""
The servers of a fleet in small, and what a load costs each of them: an engine's parts in this process, one NATS server,
one ``salt-eventsd-writer``, PostgreSQL.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import stages
from benchmarks.fleet.spent import LONGEST_SECONDS, cpu_seconds, crowded, until, waits
from benchmarks.rig import Process, RigError
from salt_eventsd.event.parse import Event
from tests.support.central import WORKER, SmallMaster, Writer
from tests.support.nats_cluster import NatsCluster
from tests.support.servers import PASSWORD, USER, PostgreSQL

_MASTER_NUMBERS = itertools.count(1)
_LOOK_SECONDS = 0.1
_STREAM = "FLEET"
_SIZE = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname LIKE 'eventsd%%' AND relkind = 'r'"


@dataclass(frozen=True)
class Run:
    """
    What one load has cost, for each event.

    :param engine: microseconds of processor for matching and spooling.
    :param publish: for publishing.
    :param broker: for the NATS server.
    :param writer: for the writer.
    :param database: for PostgreSQL.
    :param turn: how many microseconds passed while the writer wrote one, but for those in which a process that had
        something to do waited for a processor: others may need the machine, too.
    :param spool: bytes.
    :param stream: bytes.
    :param wal: bytes.
    :param rows: bytes.
    """

    engine: float
    publish: float
    broker: float
    writer: float
    database: float
    turn: float
    spool: float
    stream: float
    wal: float
    rows: float


class Place:
    """
    The servers, and a folder.

    :param broker: one NATS server.
    :param database: PostgreSQL.
    :param folder: for spools, configurations and logs.
    """

    def __init__(self, broker: NatsCluster, database: PostgreSQL, folder: Path) -> None:
        self.broker, self.database, self._folder = broker, database, folder
        login = {"url": broker.addresses, "user": USER, "password": PASSWORD, "stream": _STREAM}
        self._source, self._target = login, {**login, "replicas": 1}
        self._numbers = itertools.count(1)

    def sender(self, options: Mapping[str, Any] | None = None, module: str = "central") -> SmallMaster:
        """
        Return a master, which is not started.

        :param options: of its worker; None for those of ``central``.
        :param module: of its worker.
        """
        return SmallMaster(self._folder, f"bench-{next(_MASTER_NUMBERS)}", options or self._target, module)

    def taker(self, url: str) -> Writer:
        """
        Return a writer, which is not started.

        :param url: of the database.
        """
        eventsd = {"source": self._source, "workers": {WORKER: {"module": "sql", "url": url}}}
        return Writer(self._folder, f"writer-{next(self._numbers)}", eventsd)

    def run(self, masters: Sequence[tuple[float, Sequence[Event]]]) -> Run:
        """
        Publish events, have one writer write them, and return what that has cost.

        :param masters: for each master, what its engine has spent on each event before, and its events.
        """
        count = sum(len(events) for _, events in masters)
        url = self.database.new_database()
        senders = [self.sender() for _ in masters]
        try:
            cpu = time.process_time()
            size = sum(keep(sender, events) for sender, (_, events) in zip(senders, masters))
            keeping = time.process_time() - cpu
            before, cpu = self.broker_seconds(), time.process_time()
            for sender in senders:
                sender.start()
            until(lambda: not any(sender.waiting for sender in senders), "events that are published")
            publishing = time.process_time() - cpu
        finally:
            for sender in senders:
                sender.close()
        state = self.broker.ask(lambda js: js.stream_info(_STREAM)).state
        written = self._write(url, count)
        engine = sum(spent * len(events) for spent, events in masters) / count
        return Run(
            engine=engine + keeping / count * 1e6,
            publish=publishing / count * 1e6,
            broker=(self.broker_seconds() - before) / count * 1e6,
            spool=size / count,
            stream=state.bytes / count,
            **written,
        )

    def broker_seconds(self) -> float:
        """Return the CPU time of the broker."""
        return sum(Process(node.pid).cpu_seconds() for node in self.broker.nodes)

    def _write(self, url: str, count: int) -> dict[str, float]:
        writer = self.taker(url)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:

            def ask(question: str) -> float:
                return float(connection.exec_driver_sql(question).scalar() or 0)

            def seen() -> tuple[float, float, float, float, float]:
                """When, how many events are written, and the CPU and the log that this took."""
                there = connection.exec_driver_sql("SELECT to_regclass('eventsd_returns')").scalar()
                rows = ask("SELECT max(id) FROM eventsd_returns") if there else 0.0
                spent = cpu_seconds(writer.pid), cpu_seconds(self.database.pid)
                return time.monotonic(), rows, *spent, ask("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")

            def queued() -> list[dict[int, tuple[int, int]]]:
                return [waits(pid) for pid in (writer.pid, self.database.pid)]

            writer.start()
            try:
                first = last = seen()
                queues = queued()
                end = time.monotonic() + LONGEST_SECONDS
                while last[1] < count:
                    if time.monotonic() > end or not writer.running:
                        raise RigError(f"{last[1]:.0f} of {count} events written\n{writer.log.read_text()[-2000:]}")
                    time.sleep(_LOOK_SECONDS)
                    last = seen()
                    if not first[1]:
                        # What comes before the first rows is the start of the writer, and the making of tables.
                        first, queues = last, queued()
                later = queued()
            finally:
                writer.close()
            if last[1] == first[1]:
                raise RigError("all was written at once: too few events to measure anything")
            # Writer and database take turns; of each, the thread counts that does most.
            crowd = sum(crowded(before, after) for before, after in zip(queues, later))
            passed, events, by_writer, by_database, log = (b - a for a, b in zip(first, last))
            kept = ask(_SIZE)
        engine.dispose()
        each = 1e6 / events
        return {
            "turn": (passed - crowd / 1e9) * each,
            "writer": by_writer * each,
            "database": by_database * each,
            "wal": log / events,
            "rows": kept / count,
        }


@contextmanager
def place() -> Iterator[Place]:
    """Start the servers."""
    with (
        tempfile.TemporaryDirectory(prefix="fleet-", ignore_cleanup_errors=True) as folder,
        NatsCluster(1) as broker,
        # Waits for the disk at each commit, as it does by default.
        PostgreSQL(fsync="on", full_page_writes="on", synchronous_commit="on", shared_buffers="128MB") as database,
    ):
        yield Place(broker, database, Path(folder))


def keep(sender: SmallMaster, events: Sequence[Event]) -> int:
    """
    Put events into a master's spool, in chunks as an engine makes them; return how many bytes they take there.

    :param sender: the master.
    :param events: all of them.
    """
    for some in stages.parts(events, stages.CHUNK_EVENTS):
        sender.put(some)
    return sender.lane.backlog.bytes
