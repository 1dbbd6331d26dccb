"""
An event as a document of a search index, which knows one type a field.

Salt's payloads have any type anywhere: what ``test.ping`` returns is true or false, what ``cmd.run`` returns is text.
So only what is plain at the first level of a payload is kept as it is. What a function returned, and everything that
has an inside, becomes JSON text, unless the index is said to be made for it.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

from salt_eventsd.backends.envelope import head
from salt_eventsd.event.parse import Event
from salt_eventsd.language.template import MARK

_ENCODER = msgspec.json.Encoder()
_PAYLOAD = msgspec.json.Decoder(dict[str, msgspec.Raw])
#: No part of an index's name may be ...
_UNFIT = re.compile(r'[\\/*?"<>| ,#:\x00-\x1f\x7f]')
_LONGEST_NAME = 255


def document(event: Event, node_id: str, deep: bool) -> bytes:
    """
    Return an event's document as JSON text in one line.

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
    Return a name an index may have: in lower case, ``_`` for what may not stand in it, not too long.

    :param text: from a template.
    """
    name = _UNFIT.sub("_", text.lower()).lstrip("-_+.") or "unnamed"
    return name.encode()[:_LONGEST_NAME].decode("utf-8", "ignore")
