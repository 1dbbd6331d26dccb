"""The options of a central worker."""

from __future__ import annotations

from typing import Literal

from salt_eventsd.backends.broker.jetstream.options import Target


class CentralOptions(Target, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a central worker.

    :param confirm: who has to have an event before it is forgotten here: the ``broker``, or the ``database`` as well.
    """

    confirm: Literal["broker", "database"] = "broker"
