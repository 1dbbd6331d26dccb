r"""
The job history in a SQL database (SQLite, PostgreSQL, MySQL or MariaDB), each event exactly once; and tables and
statements of your own.

:depends: SQLAlchemy; psycopg2 for PostgreSQL and PyMySQL for MySQL and MariaDB come with salt-eventsd.

The tables (``eventsd_jobs``, ``eventsd_returns``, ``eventsd_states``, ``eventsd_events``, ``eventsd_minions``) are made
if they are missing. The administrator makes the database and its user (``CREATE DATABASE salt``).

.. code-block:: yaml

    eventsd:
      workers:
        history:
          module: sql
          # SQLAlchemy's URL of an SQLite, PostgreSQL, MySQL or MariaDB database. postgresql:// means psycopg2,
          # mysql:// and mariadb:// mean PyMySQL.
          url: postgresql://salt:secret@db.example.com:5432/salt
          # Or in parts; what a URL leaves out is taken from them too:
          #   driver: postgresql        # sqlite, postgresql, mysql, mariadb, or dialect+driver
          #   host: db.example.com
          #   port: 5432
          #   user: salt
          #   password: sdb://vault/salt?db
          #   database: salt
          connect_seconds: 5            # how long a connection may take to be made
          timeout: 60                   # how long a statement may take, in seconds
          too_large: truncate           # or bury: what becomes of a value the server has no room for
          states: all                   # or changed_or_failed, none: which results of states get a row
          load: true                    # false: the whole of a job or return is not kept a second time
          partitions: none              # or month, day: large tables in parts, which a purge drops (not on SQLite)
          keep: {returns: 90d, failed: 1y, events: 14d}   # what is older goes each night; else everything stays
          batch:                        # a batch is written at whichever comes first
            events: 1000
            bytes: 8MiB
            seconds: 1
          concurrency: 1                # batches in flight at once
      events:
        returns:
          tag: salt/job/[^/]+/ret/
          worker: history
          into: returns                 # jobs, returns, states, events or minions; the tag decides without it
          subs:
            raid:
              fun: wputil\.check_raid
              table: raid_state         # or a table of your own, which must be there; also schema.table
              columns:                  # column: what goes into it
                servername: minion_id
                raid_state: data.return
                checked: now
                source: "'salt'"        # a constant
              upsert: [servername]      # replace the row of this primary or unique key
            exim:
              fun: eximq\.status
              # Or a statement of your own; values are bound, so no quotes around :names.
              statement: INSERT INTO eximq (srv, state) VALUES (:srv, :state)
              fields: {srv: minion_id, state: data.return | json}
              missing: refuse           # or null: what an event without such a field becomes
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "sql"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong or a driver is missing.
    """
    return backends.make(context, "sql")
