"""
A worker that does nothing with its events: the template for one of your own, and a way to measure the engine alone.

.. code-block:: yaml

    eventsd:
      workers:
        nothing: {module: noop}
"""

from salt_eventsd.workers import Batch, Context, Worker


def worker(context: Context) -> Worker:
    """
    Make the worker.

    :param context: a :class:`salt_eventsd.workers.Context`; ``context.known("host", "port")`` returns the options.
    """
    context.known()  # the names of its options would stand here; it has none
    return Noop()


class Noop:
    """Takes every batch."""

    def write(self, batch: Batch) -> None:
        """
        Write a batch; return once it is safe.

        :param batch: a :class:`salt_eventsd.workers.Batch`; each of ``batch.events`` has ``tag``, ``jid``,
            ``minion_id``, ``fun``, ``stamp`` and ``data``.
        """

    def check(self) -> str:
        """Return a line that says the backend can be reached, or raise."""
        return "takes everything"
