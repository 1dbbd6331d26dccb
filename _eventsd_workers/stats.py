"""
The engine's own counters, or the numbers of other events, into a table or into Graphite.

:depends: what ``sql`` needs for a database; nothing for Graphite.

Once in twelve ``state_timer``, which is every minute by default, the engine makes an event of what it has read,
written, kept waiting and lost, with the tag ``eventsd/stats``. This worker gets the event without a rule, if no rule
names the worker. A number's name is made of the keys that lead to it: ``workers.history.written``, ``spool.bytes``,
``process.rss_bytes``.

In a database they become rows (master_id, stamp, name, value) of the table ``eventsd_stats``, which is made if it is
missing:

.. code-block:: yaml

    eventsd:
      workers:
        counters:
          module: stats
          url: postgresql://salt:secret@db.example.com:5432/salt    # or in parts, as for sql
          connect_seconds: 5            # how long a connection may take to be made
          timeout: 60                   # how long a statement may take, in seconds
          keep: 7d                      # how long a row stays: 12h, 30d, 1y ..., or forever

Or they become metrics in Graphite. In the name of a worker, each sign that is no letter or digit becomes ``_``:

.. code-block:: yaml

    eventsd:
      workers:
        counters:
          module: stats
          host: carbon.example.com
          port: 2003                    # 2004 if the protocol is pickle
          protocol: plaintext           # or pickle
          timeout: 60                    # seconds; how long connecting may take, and each request
          prefix: eventsd.{master_id}   # before each name
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "stats"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong or a driver is missing.
    """
    return backends.make(context, "stats")
