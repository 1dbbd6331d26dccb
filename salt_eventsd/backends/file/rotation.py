"""
Rotation of files: under which names they are moved away.

Such a name is one that no event can make, of any file worker of this process: ``<path>.1``, or ``<path>~.1`` if the
former might be another minion's file. A file that stands there and was not written by us stays where it is.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress

from salt_eventsd.config.language.template import MARK, Template

#: How a line of ours begins.
_OURS = re.compile(rb'\n?\{"id":"[0-9a-f]{32}",')
_LONGEST_BEGINNING = 128


def rotated_base(path: str, keep: int, templates: Iterable[Template]) -> str:
    """
    Return how the names of rotated files begin, before the dot and the number.

    :param path: the file.
    :param keep: how many rotated files there may be.
    :param templates: of the paths of all files that workers write.
    """
    taken = any(template.could_be(f"{path}.{number}") for template in templates for number in range(1, keep + 1))
    return f"{path}{MARK}" if taken else path


def make_room(path: str, keep: int, base: str) -> None:
    """
    Move a file to ``<base>.1``, that one to ``<base>.2`` and so on; the oldest is overwritten.

    :param path: the file.
    :param keep: how many rotated files there may be.
    :param base: from :func:`rotated_base`.
    """
    # Skip the numbers of files that are not ours.
    slots: list[str] = []
    number = 0
    while len(slots) < keep:
        number += 1
        if not os.path.lexists(name := f"{base}.{number}") or _is_ours(name):
            slots.append(name)
    free = next((at for at, name in enumerate(slots) if not os.path.lexists(name)), keep - 1)
    for at in range(free, 0, -1):
        os.replace(slots[at - 1], slots[at])
    os.replace(path, slots[0])


def _is_ours(path: str) -> bool:
    """Whether a file looks as if a file worker wrote it."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            beginning = os.read(descriptor, _LONGEST_BEGINNING) if stat.S_ISREG(found.st_mode) else b""
            return _OURS.match(beginning) is not None
        finally:
            os.close(descriptor)
    return False
