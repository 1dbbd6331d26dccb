"""
The shapes in which an event leaves: JSON text, a document of a search index, or one of its fields; and its id.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from datetime import datetime, timezone
from hashlib import blake2b
from typing import Any

import msgspec

from salt_eventsd.config.language.fields import MISSING, Facts, Field, as_text
from salt_eventsd.config.language.template import MARK, Template
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Refused

_ENCODER = msgspec.json.Encoder()
_PAYLOAD = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MOMENT = struct.Struct("<d")
#: What may not stand in an index's name.
_UNFIT = re.compile(r'[\\/*?"<>| ,#:\x00-\x1f\x7f]')
#: How long an index's name may be, in bytes.
_LONGEST_NAME = 255


def event_id(event: Event, scope: str = "") -> str:
    """
    Return an id of 32 hexadecimal digits that is the same whenever an event comes again, in whatever batch.

    It is made of what the event holds and of the time it was read. Two events that are alike to the last byte and were
    read in the same microsecond would be taken for one.

    :param event: the event.
    :param scope: within which the id is unique, if not everywhere: the same event has another id in another scope.
    """
    digest = blake2b(digest_size=16)
    digest.update(_MOMENT.pack(event.received))
    for part in (scope.encode("utf-8", "backslashreplace"), event.tag.encode(), event.body, event.returned):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def events_id(ids: Iterable[str]) -> str:
    """
    Return an id of 32 hexadecimal digits for several events together.

    :param ids: the events' ids, in order.
    """
    return blake2b("".join(ids).encode(), digest_size=16).hexdigest()


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


def with_id(event: Event, id_: str, node_id: str) -> bytes:
    """
    Return the same with the event's ``id`` before the rest.

    :param event: the event.
    :param id_: from :func:`event_id`.
    :param node_id: the master's (or minion's) id.
    """
    return b'{"id":"%s",%s' % (id_.encode(), envelope(event, node_id)[1:])


def value_of(field: Field | None, facts: Facts, event: Event, node_id: str) -> bytes:
    """
    Return what the option ``value`` of a worker asks for: one field of an event as text, or the whole event as JSON.

    :param field: the field; None for the whole event.
    :param facts: of the event.
    :param event: the event.
    :param node_id: the master's (or minion's) id.
    :raises Refused: the event does not have the field.
    """
    if field is None:
        return envelope(event, node_id)
    if (value := field.of(facts)) is MISSING:
        raise Refused(f"the event has no {field.text}")
    return as_text(value).encode()


def sample_of(template: Template) -> str:
    """
    Return a name such as an event would make of a template, for a check that tries whether such names are permitted.

    :param template: of a key or a collection.
    """
    return "".join(f"{literal}{'eventsd-check' if field else ''}" for literal, field, *_ in template.parts)


def document(event: Event, node_id: str, deep: bool) -> bytes:
    """
    Return an event as a document of a search index: JSON text in one line.

    An index knows one type for each field, and a field of Salt's payloads has any: ``test.ping`` returns true or false,
    ``cmd.run`` returns text. So only the plain values at the first level of a payload are kept as they are. What a
    function returned, and each list or mapping, becomes JSON text, unless the index is said to be made for them.

    :param event: the event.
    :param node_id: the master's (or minion's) id.
    :param deep: keep the payload's structure.
    """
    fields = head(event, node_id)
    fields = {"@timestamp": fields["stamp"], **fields}
    if deep:
        return b'%s,"data":%s}' % (_ENCODER.encode(fields)[:-1], event.json())
    return _ENCODER.encode({**fields, "data": _flat(event)})


def _flat(event: Event) -> dict[str, object]:
    try:
        body = _PAYLOAD.decode(event.body)
    except msgspec.ValidationError:
        # The payload is no mapping.
        return {"value": event.body.decode()}
    data: dict[str, object] = {}
    for key, raw in body.items():
        text = bytes(raw)
        # A dot in a name would make an object of what stands before it.
        name = key.replace(".", "_") or "_"
        if name in data or (name != key and name in body):
            name = f"{name}{MARK}{blake2b(key.encode(), digest_size=8).hexdigest()}"
        data[name] = text.decode() if text[:1] in (b"{", b"[") else raw
    if event.returned:
        data["return"] = event.returned.decode()
    return data


def fit_index(text: str) -> str:
    """
    Return a name that an index may have: in lower case, ``_`` for each forbidden sign, not too long.

    :param text: from a template.
    """
    name = _UNFIT.sub("_", text.lower()).lstrip("-_+.") or "unnamed"
    return name.encode()[:_LONGEST_NAME].decode("utf-8", "ignore")
