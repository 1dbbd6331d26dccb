"""
The servers of a fleet in small, and what a load costs each of them: an engine's parts in this process, one NATS server,
one ``salt-eventsd-writer``, PostgreSQL.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa

from benchmarks import stages
from benchmarks.rig import Process, RigError
from salt_eventsd.event.parse import Event
from tests.support.central import SmallMaster, Writer
from tests.support.nats_cluster import NatsCluster
from tests.support.servers import PASSWORD, USER, PostgreSQL

_MASTER_NUMBERS = itertools.count(1)
_LOOK_SECONDS = 0.1
_LONGEST_SECONDS = 120.0
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

    def run(self, masters: Sequence[tuple[float, Sequence[Event]]]) -> Run:
        """
        Publish events, have one writer write them, and return what that has cost.

        :param masters: for each master, what its engine has spent on each event before, and its events.
        """
        count = sum(len(events) for _, events in masters)
        url = self.database.new_database()
        senders = [SmallMaster(self._folder, f"bench-{next(_MASTER_NUMBERS)}", self._target) for _ in masters]
        try:
            cpu = time.process_time()
            size = sum(self._keep(sender, events) for sender, (_, events) in zip(senders, masters))
            keeping = time.process_time() - cpu
            before, cpu = self._broker_seconds(), time.process_time()
            for sender in senders:
                sender.start()
            _until(lambda: not any(sender.waiting for sender in senders), "events that are published")
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
            broker=(self._broker_seconds() - before) / count * 1e6,
            spool=size / count,
            stream=state.bytes / count,
            **written,
        )

    def _keep(self, sender: SmallMaster, events: Sequence[Event]) -> int:
        for some in stages.parts(events, stages.CHUNK_EVENTS):
            sender.put(some)
        return sender.lane.backlog.bytes

    def _broker_seconds(self) -> float:
        return Process(self.broker.nodes[0].pid).cpu_seconds()

    def _write(self, url: str, count: int) -> dict[str, float]:
        sql = {"module": "sql", "url": url}
        name = f"writer-{next(self._numbers)}"
        writer = Writer(self._folder, name, {"source": self._source, "workers": {"history": sql}})
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:

            def ask(question: str) -> float:
                return float(connection.exec_driver_sql(question).scalar() or 0)

            def seen() -> tuple[float, float, float, float, float]:
                """When, how many events are written, and the CPU and the log that this took."""
                there = connection.exec_driver_sql("SELECT to_regclass('eventsd_returns')").scalar()
                rows = ask("SELECT max(id) FROM eventsd_returns") if there else 0.0
                spent = _cpu_seconds(writer.pid), _cpu_seconds(self.database.pid)
                return time.monotonic(), rows, *spent, ask("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")

            def queued() -> list[dict[int, tuple[int, int]]]:
                return [waits(pid) for pid in (writer.pid, self.database.pid)]

            writer.start()
            try:
                first = last = seen()
                queues = queued()
                end = time.monotonic() + _LONGEST_SECONDS
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
            crowd = sum(_crowded(before, after) for before, after in zip(queues, later))
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


def waits(pid: int) -> dict[int, tuple[int, int]]:
    """
    Return how many nanoseconds each thread of a process and of its children has run, and has waited for a processor.

    :param pid: of the process.
    """
    found = {}
    for process in _family(pid):
        for task in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
            with suppress(OSError, ValueError):
                run, waited, _ = task.read_text(encoding="utf-8").split()
                found[int(task.parent.name)] = int(run), int(waited)
    return found


def _crowded(before: dict[int, tuple[int, int]], after: dict[int, tuple[int, int]]) -> int:
    """How long the thread that has run most has waited."""
    spent = [
        (run - before.get(thread, (0, 0))[0], waited - before.get(thread, (0, 0))[1])
        for thread, (run, waited) in after.items()
    ]
    return max(spent, default=(0, 0))[1]


def _family(pid: int) -> list[Process]:
    return [Process(pid), *Process(pid).children()]


def _cpu_seconds(pid: int) -> float:
    """The CPU time of a process and its children; PostgreSQL ends some at any time."""
    spent = 0.0
    for process in _family(pid):
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(process.pid).cpu_times()
            spent += times.user + times.system
    return spent


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _LONGEST_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise RigError(f"no {what} within {_LONGEST_SECONDS:g} s")
        time.sleep(0.01)
