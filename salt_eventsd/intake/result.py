"""
Result: what becomes of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from salt_eventsd.event.codec import Texts
from salt_eventsd.event.parse import Event
from salt_eventsd.rules.rule import Route


class Result(msgspec.Struct, frozen=True, gc=False):
    """
    What becomes of a frame.

    :param destinations: where the event goes, and the event as it is kept there; empty if nobody gets it.
    :param event: the event as the first destination gets it; None if nobody does and it was not to be shown.
    :param data: the payload of the event, redacted and without its ``return``.
    :param returned: the payload's ``return``, redacted.
    :param forged: why the event is not what its tag says, redacted; "" if it is.
    :param withheld: why the event is kept without its payload; "" if it is kept with it.
    :param copied: the event without its payload, if another master of the cluster has copied it to this one and its
        own engine keeps it.
    :param peer: the id of that master; "" if it can be none.
    """

    destinations: Sequence[tuple[Route, Event]] = ()
    event: Event | None = None
    data: Any = None
    returned: Any = None
    forged: str = ""
    withheld: str = ""
    copied: Event | None = None
    peer: str = ""


class Unusual(NamedTuple):
    """
    What is known of a frame that has been decoded and turned out to be no usual return, for whoever takes it then.

    :param data: its payload.
    :param texts: the same as JSON text, if that is known.
    :param is_found: a pattern of ``redact: values`` finds something in it.
    """

    data: Any
    texts: Texts | None
    is_found: bool = False


#: No rule takes the event.
IGNORED = Result()
