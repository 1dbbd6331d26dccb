"""
Metrics of events, sent to Graphite's carbon, or to another server that takes its protocols over TCP.

:depends: nothing else.

A metric counts events, or takes a number out of them. Counters are summed by ``interval``, and each batch sends the sum
so far; Graphite keeps the last. If a number comes twice within a second, Graphite keeps the later one.

In a metric's path, fields stand in braces. Signs of a field's value that have a meaning to Graphite (dots, blanks)
become ``_``: ``web1.example.com`` is ``web1_example_com``. An event that lacks a metric's number, or a field of its
path, does not count for that metric.

.. code-block:: yaml

    eventsd:
      workers:
        graphs:
          module: graphite
          host: carbon.example.com
          port: 2003                    # 2004 if the protocol is pickle
          protocol: plaintext           # or pickle
          timeout: 60                    # seconds; how long connecting may take, and each request
          prefix: ''                    # before each path: prod.{master_id}
          interval: 60                  # seconds; that of the finest retention, if that is more
          metrics:                      # path: what
            salt.events.{rule}: 1                            # a number: counted up by so much for each event
            salt.returns.{fun}.retcode_{data.retcode}: 1
            # salt.minions.{minion_id}.retcode: data.retcode # a field: its number, with the event's time
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "graphite"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong.
    """
    return backends.make(context, "graphite")
