"""
What is old goes into a file, and from the database only once the file is whole: what is deleted is what the file has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database import migrate
from salt_eventsd.database.archive import gather
from salt_eventsd.database.archive.file import FORMAT, VERSION, BadArchive, Head
from salt_eventsd.database.archive.lines import TABLES, Line, read, value_of
from salt_eventsd.database.archive.reading import Reading
from salt_eventsd.database.archive.writing import Writing
from salt_eventsd.database.retention.aged_jobs import JOBS, RETURNS, STATES
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.steps import Steps

#: So much of the file is looked at for one step, in bytes.
_STEP_BYTES = 8 * 2**20


@dataclass
class Told:
    """
    What was done.

    :param archived: how many rows of each table are in the file.
    :param deleted: how many of them were deleted from the database.
    """

    archived: Mapping[str, int] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)


class Archive:
    """
    Archives what is old in one database.

    :param engine: of the database; one that only reads is enough unless rows are to be deleted.
    :param before: what is older is old, in UTC.
    :param pace: how much a step takes, and when to stop.
    """

    def __init__(self, engine: Engine, before: datetime, pace: Pace | None = None) -> None:
        self._steps = Steps(engine, pace)
        self._before = before
        self.told = Told()

    def count(self) -> Mapping[str, int]:
        """
        Return how many rows an archive would have, by table.

        :raises WorkerError: the database is away, or its tables are of another version.
        """
        with self._steps.looking():
            return gather.count(self._steps, self._before)

    def write(self, path: Path, worker: str, *, purges: bool) -> Told:
        """
        Write the file; delete what is in it if that is asked for. :attr:`told` says what was done even after an error.

        :param path: of a file that is not there yet.
        :param worker: whose history it is.
        :param purges: delete what is in the file.
        :raises Busy: rows are to be deleted, and a purge of this database is running.
        :raises BadArchive: there is such a file, or it cannot be written.
        :raises WorkerError: the database is away, or refuses; there is no file unless :attr:`told` says so.
        """
        if not purges:
            with self._steps.looking():
                self._write(path, worker)
            return self.told
        with self._steps.changing():
            self._write(path, worker)
            self._delete(path)
        return self.told

    def _write(self, path: Path, worker: str) -> None:
        head = Head(
            format=FORMAT,
            version=VERSION,
            tables=migrate.HEAD,
            before=self._before.isoformat(),
            made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            worker=worker,
        )
        try:
            with Writing(path, head) as file:
                for name, line in gather.gather(self._steps, self._before):
                    file.add(name, line)
        except OSError as exc:
            raise BadArchive(f"to: {path}: {exc.strerror or exc}") from None
        self.told.archived = dict(file.rows)

    def _delete(self, path: Path) -> None:
        file = Reading(path)
        try:
            # What the disk has is what counts, and not what was sent there.
            file.verify()
            for some in self._groups(file):
                for name, rows in self._steps.change(_delete, some).items():
                    self.told.deleted[name] = self.told.deleted.get(name, 0) + rows
        finally:
            file.close()

    def _groups(self, file: Reading) -> Iterator[list[bytes]]:
        yield from grouped(file.lines(), len, _STEP_BYTES, self._steps.pace.rows)


def _delete(connection: Connection, texts: Sequence[bytes]) -> tuple[Mapping[str, int], int]:
    """
    Delete the rows of some lines, in the order of the lines: a job comes after its returns. Return how many of each
    table are gone, and how many in all.
    """
    counts: dict[str, int] = {}
    lines = [(text, read(text)) for text in texts]
    for name in ("events", "states", "returns", "jobs"):
        some = [(text, line) for text, line in lines if line.table == name]
        if some:
            counts[name] = connection.execute(_deletion(connection, name, some)).rowcount
    return {name: rows for name, rows in counts.items() if rows}, sum(counts.values())


def _deletion(connection: Connection, name: str, some: Sequence[tuple[bytes, Line]]) -> sa.Delete:
    table, place = TABLES[name], gather.place_of(name)
    keys = [tuple(value_of(table.c[column], line.row[column]) for column in place) for _, line in some]
    if name == "jobs":
        # Somebody may have told more of a job since.
        same = set(gather.lines_of(connection, name, keys, locks=True)).intersection(text for text, _ in some)
        jids = [value_of(JOBS.c.jid, read(text).row["jid"]) for text in same]
        has_rows = (sa.exists().where(one.c.jid == JOBS.c.jid) for one in (RETURNS, STATES))
        return sa.delete(JOBS).where(JOBS.c.jid.in_(jids), *(~one for one in has_rows))
    deletion = sa.delete(table).where(gather.which(name, keys))
    if name == "returns":
        # Where the table has partitions, only some are looked into.
        deletion = deletion.where(RETURNS.c.jid.in_({value_of(RETURNS.c.jid, line.row["jid"]) for _, line in some}))
    return deletion
