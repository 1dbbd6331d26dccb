"""
How errors are told, in the log, the status and dead letters: in one line of bearable length, and without passwords.

Drivers append whole statements with their values, and libraries repeat the URL they were given, password and all.
"""

from __future__ import annotations

import os
import re
import traceback

from salt_eventsd.exceptions import WorkerError

#: What is kept of an error's text, in characters.
_LONGEST = 500
_MASK = "***"
#: The password in user:password@host, up to the last @ there is: some put one into a password without escaping it.
_IN_URL = re.compile(r"""(://[^\s:/@'"]*:)[^\s'"]*@""")
#: In a connection string, a query, or a piece of configuration; not in MySQL's "using password: YES".
_ASSIGNED = re.compile(
    r"""(?i)((?:password|passwd|pwd|secret|token|api_?key|private_key)["']?(?:=|:[ ]+(?!(?:YES|NO)\b)))"""
    r"""(?:"[^"]*"|'[^']*'|[^\s&,;)]+)"""
)


def brief(error: BaseException) -> str:
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
    """Return a text without the passwords that stand in it as they do in URLs and connection strings."""
    return _ASSIGNED.sub(rf"\g<1>{_MASK}", _IN_URL.sub(rf"\g<1>{_MASK}@", text))


def place(error: BaseException) -> str:
    """Return an error's kind and where it was raised, and nothing of its text, which may hold what was in an event."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def story(error: BaseException) -> str:
    """Return an error's whole traceback, for those who have to find a bug."""
    return masked("".join(traceback.format_exception(error)))
