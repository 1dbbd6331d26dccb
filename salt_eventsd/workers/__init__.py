"""
What a worker is, and how Salt's loader finds its module.

Modules of users' own import from here and from :mod:`salt_eventsd.exceptions`, and from nowhere else.
"""

from salt_eventsd.workers.write import Batch, Context, Refusal, Worker

__all__ = ["Batch", "Context", "Refusal", "Worker"]
