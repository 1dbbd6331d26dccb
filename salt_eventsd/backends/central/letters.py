"""The dead letters of writers, as the master of a central worker lists them and puts them back."""

from __future__ import annotations

from salt_eventsd.backends.broker.jetstream.letters import JetStreamLetters
from salt_eventsd.backends.broker.jetstream.options import Naming
from salt_eventsd.backends.broker.jetstream.publisher import JetStreamPublisher
from salt_eventsd.backends.central.options import CentralOptions
from salt_eventsd.backends.options import read_options
from salt_eventsd.workers.write import Context


class Center:
    """
    The broker of a central worker.

    :param context: the worker's options and its name.
    :raises ConfigError: an option is wrong.
    """

    def __init__(self, context: Context) -> None:
        self.worker = context.name
        options = read_options(context, CentralOptions)
        naming = Naming(f"workers.{context.name}.")
        self._letters = JetStreamLetters(options, naming)
        self._publisher = JetStreamPublisher(options, naming)

    def dead_letters(self) -> JetStreamLetters:
        """Return the dead letters of all writers."""
        return self._letters

    def publisher(self) -> JetStreamPublisher:
        """Return what puts them back."""
        return self._publisher

    def close(self) -> None:
        """Close the connections."""
        self._letters.close()
        self._publisher.close()
