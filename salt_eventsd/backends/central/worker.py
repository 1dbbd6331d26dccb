"""
The chunks of a batch become parcels, which a broker keeps until a writer has them in the database.

A batch is never refused as a whole: an event that no parcel has room for is told by its position, and whatever else
happens says nothing of single events. So the engine does not split these batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from salt_eventsd.backends.broker.interface import Publisher
from salt_eventsd.backends.broker.jetstream.access import files
from salt_eventsd.backends.broker.jetstream.names import token
from salt_eventsd.backends.broker.jetstream.options import Naming
from salt_eventsd.backends.broker.jetstream.publisher import JetStreamPublisher
from salt_eventsd.backends.broker.parcel import Parcel, Part, fingerprint
from salt_eventsd.backends.central.committed import Committed
from salt_eventsd.backends.central.options import CentralOptions
from salt_eventsd.backends.central.packing import Packed, Packing
from salt_eventsd.backends.central.unconfirmed import Unconfirmed
from salt_eventsd.backends.options import check_file, read_options
from salt_eventsd.exceptions import Cut, Held, SpoolError, Transient, WorkerError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.isolate import bury, is_split
from salt_eventsd.workers.write import Batch, Behind, Context, Refusal


class Central:
    """
    The worker.

    :cvar takes_tables: rules may have ``table`` and ``statement``: the writer has them as well.
    :cvar behind: larger batches are fewer parcels, and one waits for the broker while another is made.
    :param publisher: the broker.
    :param look: returns a line that says how the broker is.
    :param packing: makes parcels.
    :param committed: waits until what was published is in the database; None if nobody waits for that.
    :param unconfirmed: what the broker has and no writer has confirmed.
    """

    takes_tables: ClassVar[bool] = True
    behind: ClassVar[Behind] = Behind(overlap=1, times=4)

    def __init__(
        self,
        publisher: Publisher,
        look: Callable[[], str],
        packing: Packing,
        committed: Committed | None,
        unconfirmed: Unconfirmed,
    ) -> None:
        self._publisher = publisher
        self._look = look
        self._packing = packing
        self._committed = committed
        self._unconfirmed = unconfirmed
        self._is_prepared = False

    @property
    def lost(self) -> int:
        """How many events were lost with the broker before a writer had confirmed them, as far as it is known."""
        return self._unconfirmed.lost

    def write(self, batch: Batch) -> None:
        """
        Send a batch, and wait until it is as safe as it is asked to be.

        :param batch: the batch.
        :raises WorkerError: it is not, or it is not known.
        """
        if is_split(batch):
            raise Held("a part of a batch came, and parcels are made of whole chunks")
        try:
            refusals = self._send(batch)
        except Cut as exc:
            # Only what is too large would end a connection, and that is not sent.
            raise Transient(str(exc)) from exc
        except (WorkerError, SpoolError, OSError):
            raise
        except Exception as exc:
            raise Held(one_line(exc)) from exc
        bury(batch, refusals)

    def _send(self, batch: Batch) -> list[Refusal]:
        if not self._is_prepared:
            self._unconfirmed.load()
            self._publisher.prepare()
            self._is_prepared = True
        groups = list(self._packing.parts(batch))
        if self._committed is not None:
            return self._committed.commit(groups, self._pack)
        refusals: list[Refusal] = []
        packed: list[Packed] = []
        for head, parts in groups:
            some, refused = self._pack(head, parts)
            packed += some
            refusals += refused
        if packed:
            self._unconfirmed.note(packed, self._publisher.publish([one.sent for one in packed]))
        return refusals

    def _pack(self, head: Parcel, parts: list[tuple[Part, int]]) -> tuple[list[Packed], list[Refusal]]:
        return self._packing.pack(head, parts, self._publisher.largest)

    def check(self) -> str:
        """
        Return a line that says that the broker can be reached.

        :raises WorkerError: it cannot, or the stream is not as it is to be.
        """
        return self._look()

    def close(self) -> None:
        """Close the connection."""
        self._unconfirmed.close()
        self._publisher.close()


def make(context: Context) -> Central:
    """
    Make the worker.

    :param context: its options, its name and its rules.
    :raises ConfigError: an option is wrong.
    """
    options = read_options(context, CentralOptions)
    for key, path in files(options):
        check_file(context, key, path)
    publisher = JetStreamPublisher(options, Naming(f"workers.{context.name}."))
    rules = {name: fingerprint(rule) for name, rule in context.rules.items()}
    packing = Packing(context.name, context.node_id, rules)
    committed = Committed(publisher, context.name, options.timeout) if options.confirm == "database" else None
    file = context.folder / f"unconfirmed-{token(context.name)}.db" if context.folder else None
    unconfirmed = Unconfirmed(publisher, context.name, options.stream, file)
    return Central(publisher, publisher.look, packing, committed, unconfirmed)
