"""
Workers: what a worker is, how its module is found, and which of its events a place refuses.

A user's own module imports from here and from :mod:`salt_eventsd.exceptions`, and from nowhere else. This room has no
worker of its own (the rooms ``backends`` and ``database`` have them), and does not decide when one writes (the room
``dispatch`` does).

``write``
    The contract: what a worker is given and what it promises. Pure.
``isolate``
    Which events of a batch are refused: by splitting it, or one by one where the place says so of each.
``load``
    Salt's loader finds a module, and a worker is made of it.
``sync``
    Copy users' own modules from Salt's file server to where the loader finds them.
``conformance``
    The contract as a suite, to be run against any module.
"""

from salt_eventsd.workers.isolate import bury, is_split, make_each
from salt_eventsd.workers.write import Batch, Context, Refusal, Worker

__all__ = ["Batch", "Context", "Refusal", "Worker", "bury", "is_split", "make_each"]
