"""
Events to a web server: a webhook, a log collector, a service of one's own.

:depends: requests, which comes with Salt: ``salt-pip install salt-eventsd[http]``

A batch is one POST, with an array of JSON objects or a line of JSON for each event; or each event is a POST of its own.
An object has the event's ``id``, ``tag``, ``stamp``, ``received``, ``jid``, ``minion_id``, ``fun``, ``kind``,
``phase``, ``rule`` and ``master_id``, and the payload under ``data``. A batch that comes again has the same header
``Idempotency-Key``.

What the server's answers mean: after 2xx, it has the batch. After 408, 423, 425, 429, 502, 503, 504, 507, the batch
comes again, when ``Retry-After`` says so. After 409, 421 and other 5xx, too, and the third try splits the batch. After
413, the batch is split, and an event that is too large by itself becomes a dead letter. After other 4xx, the batch is
split until the bad events stand alone; they become dead letters if others are taken. 401, 404, 405 and the like, and
redirects, hold the worker.

.. code-block:: yaml

    eventsd:
      workers:
        hook:
          module: http
          url: https://hooks.example.com/salt
          body: json                # or ndjson, or single: a request for each event
          timeout: 60               # seconds; how long connecting may take, and each request
          gzip: false
          verify: true              # false: any certificate will do
          ca_file: ''               # a file of certificates to trust instead of the system's
          # Neither is sent unless given:
          headers: {X-Api-Key: 'sdb://vault/hook?key'}
          auth: {user: salt, password: 'sdb://vault/hook?password'}    # or {bearer: 'sdb://vault/hook?token'}
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "http"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong, or requests is missing.
    """
    return backends.make(context, "http")
