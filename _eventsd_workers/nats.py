"""
Events into NATS, as messages that a JetStream stream keeps.

:depends: nats-py (``salt-pip install 'salt-eventsd[nats]'``); a NATS server with JetStream

A message is the event as JSON (``tag``, ``stamp``, ``received``, ``jid``, ``minion_id``, ``fun``, ``kind``, ``phase``,
``rule``, ``master_id``, ``data``), or a field of it. The subject is a template; a forbidden sign becomes ``_``. A batch
is written when the stream has acknowledged each of its messages.

.. code-block:: yaml

    eventsd:
      workers:
        messages:
          module: nats
          url: [nats://nats1.example.com:4222, nats://nats2.example.com:4222]  # one or several; tls:// for TLS
          user: salt                    # default: none
          password: secret              # default: none
          #   token: none               # instead of user and password
          #   credentials: none         # instead of them: a file with a JWT and its nkey, or an nkey alone
          #   ca_file: none             # who signed the server's certificate; default: as the system says
          #   cert_file: none           # the certificate to show to the server, and
          #   key_file: none            # ... its key
          subject: salt.{minion_id}     # default: salt.events
          value: data                   # a field of the event; default: the whole event
          stream: SALT                  # the stream that is to take them; default: any
          create_stream: true           # make it if it is missing; default: false
          subjects: [salt.>]            # of the stream that is made; default: those that subject can become
          max_bytes: 4GiB               # ... how large it may become; default: without limit
          max_age_seconds: 604800       # ... how long it keeps a message; default: without limit
          duplicate_seconds: 600        # ... how long it recognises a second copy
          timeout: 60                   # seconds; how long connecting may take, and each request

Every event is sent at least once, with an id (``Nats-Msg-Id``) by which the stream drops a second copy that comes
within ``duplicate_seconds``.
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "nats"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong.
    :raises ImportError: nats-py is not installed.
    """
    return backends.make(context, "nats")
