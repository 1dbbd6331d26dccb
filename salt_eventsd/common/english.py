"""Numbers in sentences: "1 event waits", "2 events wait"."""

from __future__ import annotations

_OF_MANY = {"is": "are", "was": "were", "waits": "wait"}


def counted(number: int, noun: str = "event", verb: str = "") -> str:
    """
    Return a number with a noun, and perhaps a verb, that fit it.

    :param number: how many.
    :param noun: of one; of many it has an s.
    :param verb: of one.
    """
    if number == 1:
        return f"1 {noun} {verb}".rstrip()
    return f"{number:,} {noun}s {_OF_MANY.get(verb, verb)}".rstrip()
