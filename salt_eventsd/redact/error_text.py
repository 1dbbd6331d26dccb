"""
How errors are told, in the log, the status and dead letters: in one line of bearable length, and without passwords.

Drivers append whole statements with their values, and libraries repeat the URL they were given, password and all.
"""

from __future__ import annotations

import os
import traceback
from functools import cache

from salt_eventsd.exceptions import WorkerError
from salt_eventsd.redact.families import chosen
from salt_eventsd.redact.own_secrets import hidden
from salt_eventsd.redact.text import TextMasker

#: What is kept of an error's text, in characters.
_LONGEST = 500
#: What is looked at of it, in characters: a driver may repeat a return of megabytes.
_LOOKED_AT = 2**17
#: A secret that is cut off there might be taken for none, so this much of the end is not told, in characters.
_UNSURE = 2**12


def one_line(error: BaseException) -> str:
    """Return an error's text in one line, with its kind where the text alone does not tell."""
    try:
        text = str(error).strip()
    except Exception:
        # An error of somebody else's that cannot even say what it is.
        text = ""
    if not isinstance(error, WorkerError):
        text = f"{type(error).__name__}: {text or type(error).__name__}"
    told = " ".join(masked(text or type(error).__name__).split())[:_LONGEST]
    # Half of a surrogate pair fits into no file.
    return told.encode("utf-8", "backslashreplace").decode()


def masked(text: str) -> str:
    """
    Return a text without the passwords that stand in it, and without the end of one that is very long.

    :param text: what a library says, or what the configuration has.
    """
    if len(text) <= _LOOKED_AT:
        return _masker().looked_through(hidden(text))
    return f"{_masker().looked_through(hidden(text[:_LOOKED_AT]))[:-_UNSURE]}..."


def location(error: BaseException) -> str:
    """Return an error's kind and where it was raised, and nothing of its text, which may hold what was in an event."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def traceback_text(error: BaseException) -> str:
    """Return an error's whole traceback, for those who have to find a bug."""
    return masked("".join(traceback.format_exception(error)))


@cache
def _masker() -> TextMasker:
    """What is secret by default; what a configuration adds is about events."""
    return TextMasker(*chosen(()))
