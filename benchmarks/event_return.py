"""
The same burst into Salt's own solution: ``event_return`` with the pgjsonb returner, on the same PostgreSQL.

The tables are those of the returner's documentation. With a queue, it writes when the queue is full or the master shuts
down in order. So up to one queue of events (999) counts as lost here, though it may still be written later.
"""

from __future__ import annotations

import time

import sqlalchemy as sa

from benchmarks import fire
from benchmarks.carry import Figures, Subject, carry
from benchmarks.databases import reader
from benchmarks.fire import Gun
from benchmarks.rig import Master, master

#: A queue as large as a batch of ours, and Salt's default: none.
QUEUES = (1000, 0)
_WARM_UP_RATE = 200

_TABLES = (
    "CREATE SEQUENCE seq_salt_events_id",
    """CREATE TABLE salt_events (
        id BIGINT NOT NULL UNIQUE DEFAULT nextval('seq_salt_events_id'),
        tag varchar(255) NOT NULL,
        data jsonb NOT NULL,
        alter_time TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
        master_id varchar(255) NOT NULL)""",
    "CREATE INDEX idx_salt_events_tag on salt_events (tag)",
    "CREATE INDEX idx_salt_events_data ON salt_events USING gin (data) with (fastupdate=on)",
)


def burst(url: str, events: int, queue: int) -> Figures:
    """
    Run the burst.

    :param url: of an empty PostgreSQL database.
    :param events: how many returns.
    :param queue: ``event_return_queue``.
    """
    frames = fire.returns(events)
    database = reader(url)
    try:
        with database.begin() as connection:
            for statement in _TABLES:
                connection.exec_driver_sql(statement)
        with master(_options(database.url, queue)) as running:
            gun = Gun(running.pull_socket)
            process = running.child("EventReturn")
            subject = Subject(process, database, "salt_events", ("tag",), _number_of, "tag LIKE 'salt/job/%%/ret/%%'")
            _warm(running, gun, subject, queue)
            return carry(subject, lambda: gun.burst(frames), events)
    finally:
        database.dispose()


def _options(url: sa.URL, queue: int) -> dict[str, object]:
    parts = {"host": url.host, "user": url.username, "pass": url.password, "db": url.database, "port": url.port}
    return {
        "event_return": "pgjsonb",
        "event_return_queue": queue,
        **{f"returner.pgjsonb.{key}": value for key, value in parts.items() if value is not None},
    }


def _warm(running: Master, gun: Gun, subject: Subject, queue: int) -> None:
    """Fire other events slowly until some are stored, which shows that the returner listens."""
    some = [fire.frame("bench/warm-up", {})] * (_WARM_UP_RATE if queue else 20)
    running.wait_for(lambda: gun.steady(some, _WARM_UP_RATE) and subject.newest(), "stored event")
    # Events on their way must not count for the burst.
    time.sleep(1.0)


def _number_of(tag: str) -> int:
    _, _, jid, _, minion_id = tag.split("/")
    return fire.number_of(jid, minion_id)
