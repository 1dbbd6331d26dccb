"""Numbers in sentences: "1 event waits", "2 events wait"."""

from __future__ import annotations

_OF_MANY = {"is": "are", "was": "were", "waits": "wait"}


def counted(number: int, noun: str = "event", verb: str = "") -> str:
    """
    Return a number with a noun, and perhaps a verb, in the singular or plural.

    :param number: how many.
    :param noun: in the singular; the plural adds an s.
    :param verb: in the singular.
    """
    if number == 1:
        return f"1 {noun} {verb}".rstrip()
    return f"{number:,} {noun}s {_OF_MANY.get(verb, verb)}".rstrip()
