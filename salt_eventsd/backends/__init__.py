"""
Backends: where workers write, one file or folder each, and what they share.

Salt's loader finds the modules of ``_eventsd_workers/``: each has the documentation of one worker, and hands its
context to :func:`make`. The backend of the same name stands in here; its function ``make(context)`` returns the worker.
A backend turns events into what its server takes, and the server's answers into the errors of
:mod:`salt_eventsd.exceptions`. It knows no spool, no lane and no bus.

Shared by several backends:

``options``
    Read a worker's options into a frozen struct; secrets, templates, fields, files, missing libraries.
``shape``
    An event as JSON, as a document or as one field of it, with the id by which a server knows it again.
``connections``
    Socket options, time limits, and connections that are closed after a failure.
``ahead``
    Which events of a batch have been written, for servers that cannot tell a second copy from the first.

``broker``
    What carries parcels of chunks from masters to writers. ``central`` publishes into it, and the room ``writer`` takes
    from it; ``nats`` shares the connection to a NATS server.

The backends: ``central`` (for writers elsewhere, through a broker), ``elasticsearch``, ``file``, ``graphite``,
``http``, ``legacy`` (classes written for salt-eventsd 0.9.3), ``mongo``, ``nats``, ``redis``, ``sql`` (its
worker is the room ``database``) and ``stats``. In a folder, ``worker`` writes and ``options`` holds the options; the
other files are named by what they know: what an answer means, which names are valid.
"""

from __future__ import annotations

import importlib

from salt_eventsd.backends.options import missing_library
from salt_eventsd.workers.write import Context, Worker

#: Backends whose client library is an extra of this package with the backend's name.
EXTRAS = frozenset(("central", "elasticsearch", "http", "mongo", "nats", "redis"))


def make(context: Context, backend: str) -> Worker:
    """
    Make the worker of a backend; it opens nothing yet. Only now is the backend's client library imported.

    :param context: what the worker is made from.
    :param backend: the name of a module or package in here.
    :raises ConfigError: an option is wrong.
    :raises ImportError: a library is not installed; the text says how to install it.
    """
    try:
        found = importlib.import_module(f"{__name__}.{backend}")
    except ImportError as exc:
        raise (missing_library(exc, backend) if backend in EXTRAS else exc) from exc
    worker: Worker = found.make(context)
    return worker
