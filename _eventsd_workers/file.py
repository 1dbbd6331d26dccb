"""
Events in files, a line of JSON each, for a log shipper, ``jq``, a person.

:depends: nothing else.

A line has the event's ``id``, ``tag``, ``stamp``, ``received``, ``jid``, ``minion_id``, ``fun``, ``kind``, ``phase``,
``rule`` and ``master_id``, and the payload under ``data``. Lines are written whole or not at all; if a crash has left
half a line, it is ended before the next line begins. If logrotate moves a file away, a new one is made.

.. code-block:: yaml

    eventsd:
      workers:
        lines:
          module: file
          # Fields stand in braces; a slash in a field's value becomes _. Missing folders are made.
          path: /var/log/salt/events-{stamp:%Y-%m-%d}.jsonl
          mode: '0600'              # of files made here
          fsync: false              # true: a batch outlives a power failure
          # Not rotated unless given. The file is moved to <path>.1 before it grows beyond this.
          rotate:
            bytes: 100MiB
            keep: 10
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "file"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong.
    """
    return backends.make(context, "file")
