"""
Events into Elasticsearch or OpenSearch, as documents.

:depends: requests, which Salt brings (``salt-pip install 'salt-eventsd[elasticsearch]'``)

A document has ``@timestamp``, ``tag``, ``stamp``, ``received``, ``jid``, ``minion_id``, ``fun``, ``kind``, ``phase``,
``rule``, ``master_id``, and the payload under ``data``. An index knows one type for each field, and a field of Salt's
payloads has any. So ``data.return``, and each list or mapping in ``data``, is kept as JSON text.

.. code-block:: yaml

    eventsd:
      workers:
        search:
          module: elasticsearch
          url: [https://es1.example.com:9200, https://es2.example.com:9200]  # one or several; default: one on this host
          user: salt                    # default: none
          password: secret              # default: none
          #   api_key: none             # instead of them: as the server gave it encoded, or id:key
          #   ca_file: none             # who signed the server's certificate; default: the usual ones
          verify: true                  # false: take any certificate
          index: salt-{stamp:%Y.%m.%d}  # a template; a forbidden sign becomes _
          op: create                    # or index: replace a document of the same id
          deep: false                   # true: keep the payload's structure, in an index whose mapping is made for it
          timeout: 60                   # seconds; how long connecting may take, and each request

A document's id is made of the event: an event that is sent twice is there once, as long as its index is the same.
"""

from salt_eventsd import backends
from salt_eventsd.workers import Context, Worker

__virtualname__ = "elasticsearch"


def __virtual__() -> str:
    return __virtualname__


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`.
    :raises salt_eventsd.exceptions.ConfigError: an option is wrong.
    :raises ImportError: requests is not installed.
    """
    return backends.make(context, "elasticsearch")
