r"""
Events into a broker, from which ``salt-eventsd-writer`` takes them: many masters write one history.

:depends: nats-py (``salt-pip install 'salt-eventsd[central]'``); NATS servers with JetStream, 2.9 or later

Chunks of the spool travel as parcels, compressed, in a stream that the first master makes. Any number of writers pull
them and write them into a database, each event exactly once. Rules and redaction stay here; the block of the worker
moves to the writers' configuration, under the same name.

.. code-block:: yaml

    eventsd:
      workers:
        history:
          module: central
          url: [nats://nats1.example.com:4222, nats://nats2.example.com:4222]  # one or several; tls:// for TLS
          user: salt                    # default: none
          password: secret              # default: none
          #   token: none               # instead of user and password
          #   credentials: none         # instead of them: a file with a JWT and its nkey, or an nkey alone
          #   ca_file: none             # who signed the servers' certificates; default: as the system says
          #   cert_file: none           # the certificate to show to the servers, and
          #   key_file: none            # ... its key
          stream: EVENTSD               # the stream of all masters and writers; it is made if it is missing
          replicas: 3                   # on how many servers each parcel is kept; default: as the stream has it, else 1
          max_bytes: 200GiB             # how large the stream may become; default: as the stream has it, else no limit
          duplicate_seconds: 600        # how long the stream recognises a second copy; default: as the stream has it
          confirm: broker               # or database: an event is forgotten here when a writer has committed it
          timeout: 60                   # seconds; how long connecting may take, each request, and waiting for writers
      events:
        returns: {tag: salt/job/\d+/ret/, worker: history}
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "central"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong.
    :raises ImportError: nats-py is not installed.
    """
    return backends.make(context, "central")
