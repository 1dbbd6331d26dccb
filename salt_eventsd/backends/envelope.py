"""An event as one JSON object, for backends that keep it as a document or a message."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec

from salt_eventsd.event.parse import Event

_ENCODER = msgspec.json.Encoder()


def head(event: Event, node_id: str) -> dict[str, Any]:
    """
    Return what is known of an event besides its payload; times are in UTC.

    :param event: the event.
    :param node_id: the master's (or minion's) id.
    """
    return {
        "tag": event.tag,
        "stamp": datetime.fromtimestamp(event.stamp, timezone.utc),
        "received": datetime.fromtimestamp(event.received, timezone.utc),
        "jid": event.jid,
        "minion_id": event.minion_id,
        "fun": event.fun,
        "kind": event.kind,
        "phase": event.phase,
        "rule": event.rule,
        "master_id": node_id,
    }


def envelope(event: Event, node_id: str) -> bytes:
    """
    Return an event as JSON text: :func:`head` and, under ``data``, the payload as it came. Times are in ISO 8601.

    :param event: the event.
    :param node_id: the master's (or minion's) id.
    """
    return b'%s,"data":%s}' % (_ENCODER.encode(head(event, node_id))[:-1], event.json())
