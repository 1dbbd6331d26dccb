"""
Events into Redis: as keys, in lists, in streams, or published.

:depends: redis-py (``salt-pip install 'salt-eventsd[redis]'``)

A batch is one transaction (MULTI ... EXEC) and one round trip. What is written is the event as JSON (``tag``,
``stamp``, ``received``, ``jid``, ``minion_id``, ``fun``, ``kind``, ``phase``, ``rule``, ``master_id``, ``data``), or a
field of it. Keys and channels are templates.

.. code-block:: yaml

    eventsd:
      workers:
        cache:
          module: redis
          url: redis://salt:secret@redis.example.com:6379/0  # rediss:// for TLS, unix:///run/redis/redis.sock
          # Or in parts; db, user and password may also stand beside a URL:
          #   host: 127.0.0.1
          #   port: 6379
          #   db: 0
          #   user: none                # default: the server's default user
          #   password: none
          #   tls: false
          timeout: 60                   # seconds; how long connecting may take, and each request
          actions:                      # one or several, done for each event in this order; no default
            - set: "salt:{jid}:{minion_id}"     # SET a key ...
              value: data.return        # ... to a field; default: the whole event
              expire: 604800            # ... for so many seconds; default: for ever
            - list: salt:events         # RPUSH
              maxlen: 10000             # keep the newest of them; default: all
            - stream: salt:{fun}        # XADD; the event is in the entry's field `event`
              maxlen: 100000            # keep about so many; default: all
            - publish: "salt/{minion_id}"       # PUBLISH

Every event is written at least once: if the answer to a batch is lost, the batch comes again. A key is then set to the
same value again; a list or a stream may hold the event twice.
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "redis"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong.
    :raises ImportError: redis-py is not installed.
    """
    return backends.make(context, "redis")
