"""
A worker class of your own that was written for salt-eventsd 0.9.3, ported to Python 3.

:depends: whatever the class imports.

The class gets what it got then: ``setup(thread_id, **settings)`` once for each batch, on a new instance;
``send(entry, event_set)`` for each event, or ``send_batch([(entry, event_set), ...])`` once if the old event's config
says ``batch_mode: true``; then ``shutdown()``. ``entry`` is ``{"tag": ..., "data": {...}}``; ``event_set`` is what the
old config says of the event: a rule ``returns`` finds ``settings: events: returns``, its sub-event ``raid``
``settings: events: returns: subs: raid``; a rule that is not there gets ``{}``.

Events are delivered at least once: if the class raises an error, its batch comes again, whole or in part. An
``OSError`` means that the place is away; if the same batch meets it more than twice, its events are tried one by one.
Any other exception means that the class cannot take an event, if others can be written. There is no ``timeout``:
nothing can interrupt a class that hangs. The status names its batch, and no other worker waits for it. Give the class's
own client a time limit.

.. code-block:: yaml

    eventsd:
      workers:
        inventory:
          module: legacy
          backend: Inventory_Worker                 # the name of the class, and of its file: Inventory_Worker.py
          backend_dir: /etc/salt/eventsd_workers    # the folder with that file, and with what it imports
          settings:                                 # the old config: handed to setup(), and searched for event_set
            worker_credentials:
              Inventory_Worker: {username: salt, password: secret, hostname: db.example.com, database: salt}
            events:
              returns: {backend: Inventory_Worker, dict_name: data, fields: [jid, id], batch_mode: true}
      events:
        returns: {tag: salt/job/\\d+/ret/, worker: inventory}
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "legacy"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong, or the class cannot be loaded.
    """
    return backends.make(context, "legacy")
