"""
Names that minions choose, made short enough to be kept, looked up and shown: tags, functions, ids.
"""

from __future__ import annotations

import hashlib

#: Longer names of jobs and minions are clipped, in characters; Salt's own are far shorter.
LONGEST_NAME = 4096
#: Longer tags are clipped, in bytes.
LONGEST_TAG = 16 * 2**10
_MARK = "...sha256:"
_DIGITS = 32


def clipped(text: str, longest: int) -> str:
    """
    Return a text, or the beginning of a longer one with a hash of all of it: two that differ still do.

    :param text: anything.
    :param longest: how many characters it may have, more than 42.
    """
    if len(text) <= longest:
        return text
    return f"{text[: longest - len(_MARK) - _DIGITS]}{_MARK}{_hash(text.encode('utf-8', 'backslashreplace'))}"


def clipped_bytes(text: bytes, longest: int) -> bytes:
    """
    Return bytes clipped in the same way.

    :param text: anything.
    :param longest: how many bytes it may have, more than 42.
    """
    if len(text) <= longest:
        return text
    return text[: longest - len(_MARK) - _DIGITS] + f"{_MARK}{_hash(text)}".encode()


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:_DIGITS]
