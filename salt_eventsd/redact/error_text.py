"""
Texts of errors for the log, the status and dead letters: one line of limited length, without passwords.

Database drivers append whole statements with their values, and libraries repeat their URL, including the password.
"""

from __future__ import annotations

import os
import re
import traceback
from functools import cache
from typing import TYPE_CHECKING

from salt_eventsd.exceptions import WorkerError

if TYPE_CHECKING:
    from salt_eventsd.redact.text import TextMasker

#: How many characters of an error's text are kept.
_LONGEST = 500
#: How many characters of it are searched for secrets: a driver may repeat a return of megabytes.
_LOOKED_AT = 2**17
#: A secret that is cut off there might not be recognized, so so many characters before the cut are left out.
_UNSURE = 2**12
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")


def one_line(error: BaseException) -> str:
    """Return an error's text in one line, after the name of its class unless it is a :class:`WorkerError`."""
    try:
        text = str(error).strip()
    except Exception:
        # The error is of somebody else's class, whose __str__ is broken.
        text = ""
    if not isinstance(error, WorkerError):
        text = f"{type(error).__name__}: {text or type(error).__name__}"
    told = " ".join(masked(text or type(error).__name__).split())[:_LONGEST]
    # A database repeats values, and what a terminal would obey in them was sent by a minion.
    told = _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", told)
    # Half of a surrogate pair cannot be encoded, and so not be written to a file.
    return told.encode("utf-8", "backslashreplace").decode()


def masked(text: str) -> str:
    """
    Return a text with its passwords masked. Of a very long text, the end is left out.

    :param text: a text of a library or of the configuration.
    """
    # What takes long to import is needed only where something has gone wrong.
    from salt_eventsd.redact.own_secrets import hidden

    if len(text) <= _LOOKED_AT:
        return _masker().looked_through(hidden(text))
    return f"{_masker().looked_through(hidden(text[:_LOOKED_AT]))[:-_UNSURE]}..."


def location(error: BaseException) -> str:
    """Return an error's class and where it was raised, without its text, which may hold data of an event."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def traceback_text(error: BaseException) -> str:
    """Return an error's whole traceback, with secrets masked, for developers who look for a bug."""
    return masked("".join(traceback.format_exception(error)))


@cache
def _masker() -> TextMasker:
    """Return a masker with the defaults: what the configuration adds concerns events only."""
    from salt_eventsd.redact.families import chosen
    from salt_eventsd.redact.text import TextMasker

    return TextMasker(*chosen(()))
