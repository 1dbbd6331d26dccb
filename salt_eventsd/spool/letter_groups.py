"""
Dead letters in groups: letters of the same worker and rule that were refused for the same reason. One column that is
too short makes thousands of letters, and one group.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from salt_eventsd.common.grouping import grouped
from salt_eventsd.spool.dead_letters import Filter
from salt_eventsd.spool.letter_rows import events_of, find, opened

#: So many groups are told apart; what comes beyond them is one more.
MOST_GROUPS = 1000
OTHERS = "other errors"
#: So much of a letter's error tells its group, in characters.
_LONGEST_ERROR = 500
#: How many letters, and bytes of them, are read at a time.
_STEP_LETTERS, _STEP_BYTES = 100, 2**20
#: What differs from letter to letter in errors of one kind: values between quotation marks, and numbers.
_OWN = re.compile(r"\"[^\"]*\"|'[^']*'|\b0x[0-9a-f]+\b|\d+")


class Group(msgspec.Struct):
    """
    Letters that were refused for one reason.

    :param rule: the rule that took the events; "" where none is noted.
    :param into: the built-in table they go into, or :data:`salt_eventsd.event.chunk.OWN`.
    :param reason: the error, with dots in place of values and numbers.
    :param error: of the latest letter, as it is.
    :param letters: how many they are.
    :param bytes: what they take.
    :param first: when the first was buried, in seconds since 1970 UTC.
    :param last: when the last was buried.
    :param id: of the latest letter.
    """

    worker: str
    rule: str
    into: str
    reason: str
    error: str = ""
    letters: int = 0
    bytes: int = 0
    first: float = 0.0
    last: float = 0.0
    id: int = 0


def groups(folder: Path, which: Filter) -> list[Group]:
    """
    Return dead letters in groups, the largest first.

    :param folder: the spool's.
    :param which: which letters.
    :raises SpoolError: the spool cannot be read.
    """
    found: dict[tuple[str, str, str, str], Group] = {}
    with opened(folder) as db:
        letters = find(db, which.worker, which.contains, which.ids)
        for some in grouped(letters, lambda letter: letter.bytes, _STEP_BYTES, _STEP_LETTERS):
            events = events_of(db, some)
            for letter in some:
                if event := events.get(letter.id):
                    key = letter.worker, event.rule, event.into, reason_of(letter.error)
                    if key not in found and len(found) >= MOST_GROUPS:
                        key = letter.worker, "", "", OTHERS
                    group = found.setdefault(key, Group(*key, first=letter.buried))
                    group.error, group.id = letter.error[:_LONGEST_ERROR], letter.id
                    group.letters, group.bytes = group.letters + 1, group.bytes + letter.bytes
                    group.first, group.last = min(group.first, letter.buried), max(group.last, letter.buried)
    return sorted(found.values(), key=lambda group: (-group.letters, group.id))


def reason_of(error: str) -> str:
    """
    Return an error without what belongs to one event only.

    :param error: the error, in one line.
    """
    return _OWN.sub("...", error[:_LONGEST_ERROR])
