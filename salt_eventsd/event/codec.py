"""
Decode and encode: MessagePack as Salt packs it, and JSON text as it is kept and written.

Payloads come from whoever fires events, so neither ever raises: what cannot be understood is kept as text.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgpack
import msgspec
import orjson

#: Salt packs a datetime as MessagePack extension type 78 (salt.payload).
_SALT_DATETIME = 78
#: What Salt makes of a datetime.
_SALT_TIME_CHARS = len("20260102T03:04:05.678901")
#: No payload deeper than this is kept as a structure; it is orjson's own limit, and databases refuse much deeper JSON.
_DEEPEST = 250
#: So much is kept, as text, of what is no MessagePack, in bytes.
_MOST_UNDECODABLE = 256 * 2**10
#: All bytes but those with which a list begins.
_NO_LISTS = bytes(sorted({*range(256)} - {*range(0x90, 0xA0), 0xDC, 0xDD}))
#: A list may be a key to msgspec, and lists of numbers that hash alike are quickly found. So many do no harm.
_FEW_LISTS = 128
_FEW_BYTES = 1024


def decode(payload: bytes) -> Any:
    """
    Decode a payload. Never raises: text that is not UTF-8 comes with its bad bytes escaped (``\\xff``), and what is no
    MessagePack at all comes as ``{"undecodable": <text>}``. Keys are text, each one of its own: beside ``"80"``, the
    number is ``80 (number)``.

    :param payload: MessagePack, as Salt packs it.
    """
    # Any refusal at all: the next, slower reader takes more, and the last resort takes anything.
    try:
        if len(payload) <= _FEW_BYTES or len(payload.translate(None, _NO_LISTS)) <= _FEW_LISTS:
            data = _DECODER.decode(payload)
        else:
            data = msgpack.unpackb(payload, raw=False, strict_map_key=False, timestamp=3, ext_hook=_ext)
        # Keys that are no text may have become one by now, as 1, 1.0 and true do. This is the cheapest way to find out
        # whether there are any.
        orjson.dumps(data, default=_nothing)
    except Exception:
        return _decode_odd(payload)
    return data


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
    Encode a payload as JSON text. Never raises: bytes become text, keys become strings, what JSON has no word for
    becomes its ``str()``; a structure too deep for a database becomes text.

    :param data: what :func:`decode` returned.
    """
    try:
        # A copy has the length it needs; what orjson returns keeps the 4 KiB and more it was written into.
        return bytes(memoryview(orjson.dumps(data, default=_plain, option=orjson.OPT_NON_STR_KEYS)))
    except (TypeError, ValueError, RecursionError):
        try:
            return json.dumps(_cleaned(data, 0), ensure_ascii=False).encode("utf-8", "backslashreplace")
        except (TypeError, ValueError, RecursionError):
            return orjson.dumps({"undecodable": _as_text(data)})


def pack(data: Any) -> bytes:
    """
    Pack a payload as Salt does, for an event that does not come off the bus. Never raises: what MessagePack has no type
    for becomes its ``str()``; a structure that is too deep becomes text.

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


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)


def _nothing(_: Any) -> None:
    return None


def _pairs(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """A mapping with names for keys, and no two keys under one name. Keys that are text keep it, as far as they can."""
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
    """What kind of key it is, and its text. Text comes twice where bytes that are no UTF-8 were made readable."""
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
    """The payload with everything JSON or UTF-8 has no word for as text; only for payloads the fast path refuses."""
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
