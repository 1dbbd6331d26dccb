"""The message of NATS that an event becomes, and the subjects that templates can make."""

from __future__ import annotations

import re
from typing import NamedTuple

from salt_eventsd.backends.shape import event_id, value_of
from salt_eventsd.config.language.fields import Facts, Field
from salt_eventsd.config.language.template import Template
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Refused

#: What would end a subject, or make a wildcard of it.
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\s*>]")
#: How long a subject may be, in bytes. By default the server takes no line above 4096, and the reply's subject and the
#: sizes stand in the same line.
_LONGEST_SUBJECT = 3000


class Message(NamedTuple):
    """
    A message.

    :param id: by which the stream drops a second copy.
    """

    subject: str
    payload: bytes
    id: str


def message(event: Event, subject: Template, value: Field | None, node_id: str) -> Message:
    """
    Return an event's message.

    :param event: the event.
    :param subject: of the message.
    :param value: the field that is sent; None for the whole event.
    :param node_id: the master's (or minion's) id.
    :raises Refused: the event lacks a field, or its subject is too long.
    """
    facts = Facts(event, node_id)
    name = fit_subject(subject.render(facts))
    return Message(name, value_of(value, facts, event, node_id), event_id(event, name))


def fit_subject(text: str) -> str:
    """
    Return a subject that the server takes: blanks and wildcards, and what would be an empty token, become ``_``.

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
    Return the narrowest subject with wildcards that covers all subjects of a template.

    :param template: such as ``salt.{fun}``.
    """
    literal, field, _ = template.parts[0] if template.parts else ("", None, "")
    if field is None:
        return fit_subject(literal)
    tokens = literal.split(".")[:-1]
    return ".".join([*tokens, ">"])
