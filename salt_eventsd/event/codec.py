"""
Codec: payloads from and to MessagePack, as Salt packs it, and to JSON text, as events are kept and written.

Anybody can fire events, so a payload may hold anything. No function here ever raises: what cannot be understood is kept
as text.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgpack
import msgspec
import orjson

_dumps = orjson.dumps
#: A payload as JSON text: all of it but its ``return``, and that, b"" if it has none.
Texts = tuple[bytes, bytes]

#: Salt packs a datetime as MessagePack extension type 78 (salt.payload).
_SALT_DATETIME = 78
#: The length of the text that Salt makes of a datetime.
_SALT_TIME_CHARS = len("20260102T03:04:05.678901")
#: A payload that is nested deeper becomes text. It is orjson's own limit, and databases refuse much deeper JSON.
_DEEPEST = 250
#: How much is kept, as text, of a payload that is not MessagePack, in bytes.
_MOST_UNDECODABLE = 256 * 2**10
#: All bytes but those with which a list begins in MessagePack.
_NO_LISTS = bytes(sorted({*range(256)} - {*range(0x90, 0xA0), 0xDC, 0xDD}))
#: msgspec takes lists as keys, and it is easy to find lists of numbers with the same hash: a mapping of many such keys
#: would take msgspec very long. Up to so many lists do no harm, and small payloads cannot hold more. What looks like
#: the beginning of a list is mostly part of a number, so a larger payload may have one more for so many bytes; but
#: never more than the last, as their number squared is what they cost: some 15 ms. Of lists that may be long it may
#: not, as each time all that is alike in them is compared.
_LONG_LISTS = (b"\xdc", b"\xdd")
_FEW_LISTS, _BYTES_A_LIST, _MOST_LISTS = 128, 256, 1024
FEW_BYTES = 1024


def decode(payload: bytes) -> Any:
    """
    Decode a payload. Never raises: in text that is not UTF-8, the bad bytes are escaped (``\\xff``), and what is not
    MessagePack at all becomes ``{"undecodable": <text>}``. All keys become text, and different keys stay different: the
    number 80 beside the text ``"80"`` becomes ``80 (number)``.

    :param payload: MessagePack, as Salt packs it.
    """
    # Whatever the fast decoder refuses, the slower one takes more, and in the end anything is kept as text.
    try:
        data = _decoded(payload)
        # In Python 1, 1.0 and True are one key, so of several keys that are not text only one may be left. orjson
        # refuses such keys, which is the cheapest way to find out whether there are any.
        orjson.dumps(data, default=_nothing)
    except Exception:
        return _decode_odd(payload)
    return data


def decode_as_texts(payload: bytes) -> tuple[Any, Texts | None]:
    """
    Decode a payload as :func:`decode` does, and return with it what :func:`encode` makes of it; None if that is still
    to be done. To find out how a payload is to be decoded is most of the work of encoding it. Its ``return`` comes
    last.

    :param payload: MessagePack, as Salt packs it.
    """
    try:
        data = _DECODER.decode(payload) if len(payload) <= FEW_BYTES else _decoded(payload)
        if type(data) is not dict or "return" not in data:
            return data, (_json(data), b"")
        value = data.pop("return")
        # As _json does it; this is done for each event.
        texts = b"%b" % _dumps(data, _plain), b"%b" % _dumps(value, _plain)
        data["return"] = value
    except Exception:
        return _decode_odd(payload), None
    return data, texts


def quoted(text: str) -> bytes:
    """
    Return a text as JSON text, as :func:`decode_as_texts` writes it.

    :param text: any text.
    """
    return _dumps(text)


def value_as_text(packed: bytes) -> bytes:
    """
    Return a value of a payload of no more than :data:`FEW_BYTES` as :func:`decode_as_texts` does.

    :param packed: the value, as MessagePack.
    :raises Exception: it is not just one value, or an odd one.
    """
    return b"%b" % _dumps(_DECODER.decode(packed), _plain)


def _decoded(payload: bytes) -> Any:
    if (size := len(payload)) <= FEW_BYTES:
        return _DECODER.decode(payload)
    lists = payload.translate(None, _NO_LISTS)
    most = min(_MOST_LISTS, _FEW_LISTS + size // _BYTES_A_LIST)
    if len(lists) <= most and sum(map(lists.count, _LONG_LISTS)) <= _FEW_LISTS:
        return _DECODER.decode(payload)
    return msgpack.unpackb(payload, raw=False, strict_map_key=False, timestamp=3, ext_hook=_ext)


def _decode_odd(payload: bytes) -> Any:
    with suppress(Exception):
        return msgpack.unpackb(
            payload,
            raw=False,
            unicode_errors="backslashreplace",
            strict_map_key=False,
            ext_hook=_ext,
            object_pairs_hook=_pairs,
        )
    text = payload[:_MOST_UNDECODABLE].decode("utf-8", "backslashreplace")
    left = len(payload) - _MOST_UNDECODABLE
    return {"undecodable": f"{text}... and {left} bytes more" if left > 0 else text}


def encode(data: Any) -> bytes:
    """
    Encode a payload as JSON text. Never raises: bytes and keys become text, what JSON has no type for becomes its
    ``str()``, and a structure that is nested too deeply for a database becomes text as a whole.

    :param data: what :func:`decode` returned.
    """
    try:
        return _json(data, orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError, RecursionError):
        try:
            return json.dumps(_cleaned(data, 0), ensure_ascii=False).encode("utf-8", "backslashreplace")
        except (TypeError, ValueError, RecursionError):
            return orjson.dumps({"undecodable": _as_text(data)})


def pack(data: Any) -> bytes:
    """
    Pack a payload as Salt does, for an event that does not come off the bus. Never raises: what MessagePack has no type
    for becomes its ``str()``, and a structure that is nested too deeply becomes text as a whole.

    :param data: a payload of any types.
    """
    try:
        packed: bytes = msgpack.packb(data, default=_packable, unicode_errors="surrogatepass")
    except (TypeError, ValueError, OverflowError, RecursionError):
        packed = msgpack.packb({"undecodable": _as_text(data)})
    return packed


def _packable(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else _plain(value)


def _ext(code: int, data: bytes | memoryview) -> Any:
    text = bytes(data).decode("utf-8", "backslashreplace")
    if code == _SALT_DATETIME and len(text) == _SALT_TIME_CHARS:
        try:
            return datetime.strptime(text, "%Y%m%dT%H:%M:%S.%f").isoformat()
        except ValueError:
            return text
    return text


#: Making one costs more than decoding a small payload.
_DECODER = msgspec.msgpack.Decoder(ext_hook=_ext)


def _json(data: Any, option: int | None = None) -> bytes:
    # The bytes that orjson returns occupy the whole buffer they were written into, 4 KiB and more; a copy does not.
    return b"%b" % orjson.dumps(data, default=_plain, option=option)


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)


def _nothing(_: Any) -> None:
    return None


def _pairs(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """Return a mapping with a different text for each key; a key that is text already keeps it, if it can."""
    texts = {key for key, _ in pairs if isinstance(key, str)}
    if len(texts) == len(pairs):
        return dict(pairs)
    found: dict[str, Any] = {}
    named: dict[tuple[str, str], str] = {}
    tried: dict[tuple[str, str], int] = {}
    for key, value in pairs:
        if isinstance(key, str) and key not in found:
            found[key] = value
            continue
        kind, text = _kind_of(key)
        name = named.get((kind, text))
        if name is None:
            name, number = text, tried.get((kind, text), 0)
            while name in texts:
                number += 1
                name = f"{text} ({kind})" if number == 1 else f"{text} ({kind} {number})"
            tried[kind, text] = number
            if kind != "text":
                named[kind, text] = name
            texts.add(name)
        found[name] = value
    return found


def _kind_of(key: Any) -> tuple[str, str]:
    """Return what kind of key it is, and its text. Two text keys can be equal: escaping bad bytes can make them so."""
    if isinstance(key, bool):
        return "boolean", "true" if key else "false"
    if isinstance(key, (int, float)):
        return "number", repr(key)
    if key is None:
        return "null", "null"
    if isinstance(key, str):
        return "text", key
    text = _plain(key)
    return (
        ("bytes", text) if isinstance(text, str) and isinstance(key, (bytes, bytearray)) else ("structure", str(text))
    )


def _as_text(data: Any) -> str:
    try:
        return repr(data).encode("utf-8", "backslashreplace").decode()
    except RecursionError:
        return "nested too deeply to be kept"


def _cleaned(value: Any, depth: int) -> Any:
    """Return the payload with text in place of all that JSON or UTF-8 cannot hold; needed only where orjson refuses."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if depth >= _DEEPEST:
        raise RecursionError
    if isinstance(value, dict):
        return {
            str(_cleaned(key if isinstance(key, str) else _plain(key), 0)): _cleaned(one, depth + 1)
            for key, one in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_cleaned(one, depth + 1) for one in value]
    return _cleaned(_plain(value), depth + 1)
