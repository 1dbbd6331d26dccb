"""
Events into MongoDB, a document each.

:depends: pymongo (``salt-pip install 'salt-eventsd[mongo]'``)

A document has ``_id``, ``tag``, ``stamp``, ``received``, ``jid``, ``minion_id``, ``fun``, ``kind``, ``phase``,
``rule``, ``master_id``, and the payload under ``data``. A dot in one of the payload's keys becomes a full-width dot
(U+FF0E), and a dollar at its beginning a full-width dollar (U+FF04).

.. code-block:: yaml

    eventsd:
      workers:
        documents:
          module: mongo
          url: mongodb://salt:secret@mongo1.example.com,mongo2.example.com/salt?replicaSet=rs0&authSource=admin
          # Or in parts; database, user and password may also stand beside a URL:
          #   host: 127.0.0.1
          #   port: 27017
          #   user: none
          #   password: none
          #   database: none            # no default
          #   auth_database: none       # which one knows the user; default: as the server says
          #   tls: false
          collection: events            # a template
          upsert: []                    # [minion_id, fun]: one document for each minion and function, the newest
          too_large: truncate           # or bury: what becomes of an event above 16 MiB
          timeout: 60                   # seconds; how long connecting may take, and each request

A document's id is made of the event (or of the fields of ``upsert``): an event that is sent twice is there once.
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "mongo"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong.
    :raises ImportError: pymongo is not installed.
    """
    return backends.make(context, "mongo")
