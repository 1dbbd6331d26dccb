"""Subjects of NATS, made of templates and of whatever is in events."""

from __future__ import annotations

import re

from salt_eventsd.exceptions import Refused
from salt_eventsd.language.template import Template

#: What would end a subject, or make a wildcard of it.
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\s*>]")
#: The server takes no line above 4096 bytes, by default; the reply's subject and the sizes stand in it, too.
_LONGEST_SUBJECT = 3000


def fit_subject(text: str) -> str:
    """
    Return a subject the server takes: blanks and wildcards, and what would be an empty token, become ``_``.

    :param text: from a template.
    :raises Refused: it is too long.
    """
    subject = ".".join(token or "_" for token in _UNFIT.sub("_", text).split("."))
    if subject.startswith("$"):
        # Those are the server's own.
        subject = f"_{subject[1:]}"
    if len(subject.encode()) > _LONGEST_SUBJECT:
        raise Refused(f"a subject of {len(subject.encode())} bytes is longer than {_LONGEST_SUBJECT}")
    return subject


def widest(template: Template) -> str:
    """
    Return the narrowest subject with wildcards that takes all subjects of a template.

    :param template: such as ``salt.{fun}``.
    """
    literal, field, _ = template.parts[0] if template.parts else ("", None, "")
    if field is None:
        return fit_subject(literal)
    tokens = literal.split(".")[:-1]
    return ".".join([*tokens, ">"])
