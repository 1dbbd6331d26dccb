"""
Clip: names that minions choose (tags, job ids, minion ids) are cut to a length that can be kept, looked up and shown.

Salt takes ``web1`` and ``web1`` with a blank behind it for two minions, and MySQL and MariaDB for one. So that none of
them passes for the other, an id that ends in blanks has a hash in their place, whatever the database.
"""

from __future__ import annotations

import hashlib

from salt_eventsd.common.globs import is_glob

#: Longer ids of jobs and minions are clipped, in characters; Salt's own are far shorter.
LONGEST_NAME = 4096
#: Longer tags are clipped, in bytes.
LONGEST_TAG = 16 * 2**10
_MARK = "...sha256:"
_DIGITS = 32
#: With more blanks at its end than this, an id is not found out from its hash.
_MOST_BLANKS = 100


def clipped(text: str, longest: int) -> str:
    """
    Return a text; of one that is too long, its beginning and a hash of all of it, so that two different texts stay
    different.

    :param text: any text.
    :param longest: how many characters it may have, at least 43.
    """
    if len(text) <= longest:
        return text
    return _with_hash(text, text, longest)


def named(text: str) -> str:
    """
    Return the id of a job or a minion as it is kept: not too long, and without blanks at its end.

    :param text: the id.
    """
    if text[-1:] != " ":
        return clipped(text, LONGEST_NAME)
    return _with_hash(text.rstrip(" "), text, LONGEST_NAME)


def meant(text: str) -> str:
    """
    Return the id of a minion as it is kept, of one that somebody asks for; a glob as it is.

    :param text: as it was typed.
    """
    return text if is_glob(text) else named(text)


def spelled(text: str) -> str:
    """
    Return the id of a minion as the minion spells it, with the blanks at its end.

    :param text: the id as it is kept.
    """
    name = text[: -len(_MARK) - _DIGITS]
    if text[len(name) : -_DIGITS] != _MARK:
        return text
    told = (name + " " * count for count in range(1, _MOST_BLANKS))
    return next((one for one in told if named(one) == text), text)


def clipped_bytes(text: bytes, longest: int) -> bytes:
    """
    Return bytes, clipped in the same way.

    :param text: any bytes.
    :param longest: how many bytes they may be, at least 43.
    """
    if len(text) <= longest:
        return text
    return text[: longest - len(_MARK) - _DIGITS] + f"{_MARK}{_hash(text)}".encode()


def _with_hash(kept: str, text: str, longest: int) -> str:
    return f"{kept[: longest - len(_MARK) - _DIGITS]}{_MARK}{_hash(text.encode('utf-8', 'backslashreplace'))}"


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:_DIGITS]
