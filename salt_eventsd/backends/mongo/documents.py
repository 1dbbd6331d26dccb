"""An event as a document of MongoDB, encoded, and the names that MongoDB takes for collections."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import bson
import msgspec
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from salt_eventsd.backends.shape import head
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Refused

#: The usual limit of a document.
LARGEST = 16 * 2**20
#: How much is kept of a value that is too large, in bytes.
_TRUNCATED_HEAD = 65_536
#: The server takes 100 levels; some of them are around the payload.
_DEEPEST = 90
_LONGEST_NAME = 120
_BIGGEST = 2**63
_PLAIN = frozenset((str, int, float, bool, type(None)))
#: To MongoDB a dot means a path, and a dollar an operator. These two look alike and mean nothing.
_DOT, _DOLLAR = "\uff0e", "\uff04"


class Documents:
    """
    Makes documents.

    :param node_id: the master's (or minion's) id.
    :param truncate: keep the beginning of a payload that is too large; otherwise refuse its event.
    """

    def __init__(self, node_id: str, truncate: bool = True) -> None:
        self._node_id = node_id
        self._truncate = truncate
        #: How large a document may be, in bytes; the server says so.
        self.largest = LARGEST

    def make(self, event: Event, id_: Any) -> RawBSONDocument:
        """
        Return an event's document.

        :param event: the event.
        :param id_: the document's ``_id``.
        :raises Refused: it is too large.
        """
        head_bytes = min(_TRUNCATED_HEAD, self.largest // 4)
        whole: list[Callable[[], Any]] = [lambda: event.data]
        if self._truncate:
            if event.returned:
                whole.append(
                    lambda: {**msgspec.json.decode(event.body), "return": _beginning(event.returned, head_bytes)}
                )
            whole.append(lambda: _beginning(event.json(), head_bytes))
        size = 0
        for data in whole:
            document = {"_id": id_, **head(event, self._node_id), "data": fit(data())}
            try:
                encoded = _encode(document)
            except (BSONError, RecursionError) as exc:
                raise Refused(f"no document can be made of it: {exc}") from exc
            size = len(encoded)
            if size <= self.largest:
                return RawBSONDocument(encoded)
        raise Refused(f"a document of {size} bytes, and MongoDB takes {self.largest}")


def fit(value: Any, depth: int = 0) -> Any:
    """
    Return a value as MongoDB takes it: no dots, dollars and NULs in keys, not too deep.

    :param value: decoded JSON.
    :param depth: how deep it is in the payload.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if depth >= _DEEPEST:
        return msgspec.json.encode(value).decode()
    # The two tests that come first are cheap, and enough for most keys and values.
    if kind is dict:
        return {
            key if key.isidentifier() else fit_key(key): one if type(one) in _PLAIN else fit(one, depth + 1)
            for key, one in value.items()
        }
    return [one if type(one) in _PLAIN else fit(one, depth + 1) for one in value]


def fit_numbers(value: Any) -> Any:
    """
    Return a value with numbers above 64 bits as text.

    :param value: from :func:`fit`.
    """
    if isinstance(value, dict):
        return {key: fit_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [fit_numbers(one) for one in value]
    if isinstance(value, int) and not -_BIGGEST <= value < _BIGGEST:
        return str(value)
    return value


def fit_key(key: str) -> str:
    """
    Return a key without signs that have a meaning to MongoDB: a dot and a leading dollar become full-width ones.

    :param key: of a mapping.
    """
    if "." in key:
        key = key.replace(".", _DOT)
    if key.startswith("$"):
        key = _DOLLAR + key[1:]
    return key.replace("\0", "\\0") if "\0" in key else key


def fit_collection(text: str) -> str:
    """
    Return a name that a collection may have: ``_`` for each forbidden sign, not too long.

    :param text: from a template.
    """
    name = re.sub(r"\.\.+", ".", re.sub(r"[$\x00-\x1f\x7f]", "_", text))
    name = name.encode()[:_LONGEST_NAME].decode("utf-8", "ignore").strip(".") or "unnamed"
    return f"_{name}"[:_LONGEST_NAME] if name.startswith("system.") else name


def _encode(document: dict[str, Any]) -> bytes:
    try:
        encoded: bytes = bson.encode(document)
    except OverflowError:
        encoded = bson.encode({**document, "data": fit_numbers(document["data"])})
    return encoded


def _beginning(text: bytes, most: int) -> dict[str, Any]:
    beginning = text[:most].decode("utf-8", "ignore")
    return {"eventsd_truncated": True, "bytes": len(text), "beginning": beginning}
