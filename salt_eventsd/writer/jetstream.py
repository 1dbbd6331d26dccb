"""The broker of a writer that is configured with ``source``: NATS JetStream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salt_eventsd.backends.broker.interface import Consumer, Letters, Publisher
from salt_eventsd.backends.broker.jetstream.options import Naming, Source, Target
from salt_eventsd.exceptions import ConfigError

if TYPE_CHECKING:
    from salt_eventsd.backends.broker.jetstream.letters import JetStreamLetters
    from salt_eventsd.backends.broker.jetstream.publisher import JetStreamPublisher

_NAMING = Naming("source.")


class Servers:
    """
    The servers that a configuration names.

    :param options: what stands under ``source``.
    :raises ConfigError: the client's library is missing.
    """

    def __init__(self, options: Source) -> None:
        try:
            import nats  # noqa: F401 - only to see whether it exists
        except ImportError as exc:
            what = f"needs a library that is missing: {exc}; pip install 'salt-eventsd[nats]'"
            raise ConfigError([f"eventsd: source: {what}"]) from exc
        self._options = options
        self._letters: JetStreamLetters | None = None
        self._publisher: JetStreamPublisher | None = None

    def consumer(self, worker: str) -> Consumer:
        """
        Return what pulls for a worker.

        :param worker: its name.
        """
        from salt_eventsd.backends.broker.jetstream.consumer import JetStreamConsumer

        return JetStreamConsumer(self._options, worker, _NAMING)

    def publisher(self) -> Publisher:
        """Return what puts dead letters back; the stream is as the masters have made it."""
        from salt_eventsd.backends.broker.jetstream.publisher import JetStreamPublisher

        if self._publisher is None:
            same = {key: getattr(self._options, key) for key in Source.__struct_fields__}
            self._publisher = JetStreamPublisher(Target(**same), _NAMING)
        return self._publisher

    def dead_letters(self) -> Letters:
        """Return the dead letters of all writers."""
        from salt_eventsd.backends.broker.jetstream.letters import JetStreamLetters

        if self._letters is None:
            self._letters = JetStreamLetters(self._options, _NAMING)
        return self._letters

    def close(self) -> None:
        """Close the connections of the publisher and the letters; each consumer is closed by who has it."""
        if self._letters is not None:
            self._letters.close()
        if self._publisher is not None:
            self._publisher.close()
