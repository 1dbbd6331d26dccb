"""
Write events into the database of a worker by the worker's own way: its rows, its receipts, and what it refuses alone.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace

from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.engine.plan import Planned
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import ConfigError, WorkerError
from salt_eventsd.workers.load import close
from salt_eventsd.workers.write import Batch, Refusal

#: How long to wait before each further try.
_AGAIN_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)


class Writer:
    """
    Writes batches of one life.

    :param planned: the worker.
    :raises ConfigError: it could not be made.
    """

    def __init__(self, planned: Planned) -> None:
        if planned.worker is None:
            raise ConfigError([planned.problem])
        self._made = planned.worker
        self._worker = planned.worker.hold()
        self._life = uuid.uuid4().hex
        self._number = 0

    def write(self, events: Sequence[Event]) -> dict[int, str]:
        """
        Write events, and return which of them were refused, by their positions, and why.

        :param events: of built-in tables.
        :raises WorkerError: the database took nothing, however often it was tried.
        """
        self._number += 1
        refused: dict[int, str] = {}

        def bury(refusals: Sequence[Refusal], _chunks: Collection[int] | None) -> None:
            refused.update(refusals)

        batch = Batch(self._life, ((self._number, len(events)),), events, self._number, False, bury)
        for wait in (*_AGAIN_SECONDS, None):
            refused.clear()
            try:
                write_batch(self._worker, batch)
                return refused
            except WorkerError:
                if wait is None:
                    raise
                # The answer to a commit may have been lost.
                batch = replace(batch, replay=True)
                time.sleep(wait)
        return refused

    def close(self) -> None:
        """Close the worker."""
        close(self._made)
