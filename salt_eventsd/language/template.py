"""
Templates: text with fields in braces, ``salt:{minion_id}:{data.fun}``, ``events-{stamp:%Y.%m.%d}``.

Names of files, keys, indexes, collections, subjects and metrics are made of them. An event that does not fit one has
nothing to be written to: it is refused, before anything is written.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from salt_eventsd.exceptions import Refused
from salt_eventsd.language.fields import MISSING, Facts, Field, as_text, compile_field

#: Makes the text of one field harmless; it is also told which signs would make it run into its neighbours.
Clean = Callable[[str, str], str]

Part = tuple[str, "Field | None", str]

#: Roots whose text no minion chooses freely: it is ours, of a fixed form, or checked by the master.
_OURS = ("stamp", "received", "now", "rule", "master_id", "kind", "phase")
#: Stands before a digest, and in nothing else that a field's text becomes.
MARK = "~"
#: What stands for a sign that may not stand in a name; it must not be one itself that parts two fields.
_FILLERS = "_-=+,@abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Template:
    """
    A compiled template.

    :param parts: literal text, each followed by a field (or None at the end) and how it is formatted.
    :param apart: for each part, the signs that would make its field's text run into its neighbour's, so that two events
        of different fields would have the same name.
    """

    parts: tuple[Part, ...]
    apart: tuple[str, ...]

    def render(self, facts: Facts, clean: Clean | None = None) -> str:
        """
        Return the text for an event.

        :param facts: of the event.
        :param clean: makes the text of each field harmless; the template's own text stays as it is.
        :raises Refused: the event has not got a field of it, or one that cannot be formatted so.
        """
        made = []
        for (literal, field, spec), apart in zip(self.parts, self.apart):
            made.append(literal)
            if field is not None:
                text = _text(field, spec, facts)
                made.append(clean(text, apart) if clean else text)
        return "".join(made)

    @property
    def is_constant(self) -> bool:
        """Whether it is the same text for all events."""
        return all(field is None for _, field, _ in self.parts)

    def could_be(self, text: str) -> bool:
        """
        Say whether some event may have a text, where no field's text has a slash.

        :param text: the text.
        """
        literals = [literal for literal, _, _ in self.parts]
        if self.parts and self.parts[-1][1] is not None:
            literals.append("")
        if self.is_constant or not text.startswith(literals[0]):
            return text == "".join(literals)
        at, end = len(literals[0]), len(text) - len(literals[-1])
        for literal in literals[1:-1]:
            # The first place is as good as any: what comes before it is all the shorter.
            if (found := text.find(literal, at, end)) < 0:
                return False
            at = found + len(literal)
        slashes = sum(literal.count("/") for literal in literals)
        return at <= end and text.endswith(literals[-1]) and text.count("/") == slashes


def compile_template(text: str) -> Template:
    """
    Compile a template; braces that are meant as such are doubled.

    :param text: the template.
    :raises ValueError: what is wrong with it.
    """
    parts: list[Part] = []
    for literal, name, spec, conversion in string.Formatter().parse(text):
        if conversion:
            raise ValueError(f"{text!r}: !{conversion} means nothing here")
        parts.append((literal, None if name is None else compile_field(name), spec or ""))
    return Template(tuple(parts), _apart(parts))


def tame(text: str, unfit: re.Pattern[str], apart: str, longest: int) -> str:
    """
    Return a field's text as part of a name; what has to be changed gets a digest, so that no other becomes the same.

    :param text: of the field.
    :param unfit: what may not stand in it, :data:`MARK` among it.
    :param apart: further signs that may not.
    :param longest: how many characters of it are kept.
    """
    if len(text) <= longest and unfit.search(text) is None:
        for sign in apart:
            if sign in text:
                break
        else:
            return text
    filler = next(sign for sign in _FILLERS if sign not in apart)
    made = unfit.sub(filler, text[:longest])
    for sign in apart:
        made = made.replace(sign, filler)
    return f"{made}{MARK}{blake2b(text.encode('utf-8', 'backslashreplace'), digest_size=8).hexdigest()}"


def _text(field: Field, spec: str, facts: Facts) -> str:
    value = field.of(facts)
    if value is MISSING:
        raise Refused(f"the event has no {field.text}")
    if not spec:
        return as_text(value)
    try:
        return format(value, spec)
    except (TypeError, ValueError, OverflowError):
        # The error's own text may hold the value.
        raise Refused(f"{field.text} cannot be formatted with {spec!r}; it is {type(value).__name__}") from None


def _apart(parts: Sequence[Part]) -> tuple[str, ...]:
    """
    Return for each part which signs its field must not bring along.

    Where does ``a-b-c`` of ``{minion_id}-{fun}`` part? There is one answer if all fields but one keep off the signs
    that stand between them. That one is the minion's id, which the master has checked, else the last. A slash parts
    fields by itself wherever no field may have one.
    """
    free = [at for at, (_, field, _) in enumerate(parts) if field is not None and field.root not in _OURS]
    between = [literal for literal, field, _ in parts[1:] if field is not None]
    signs = "".join(sorted({sign for literal in between if literal and "/" not in literal for sign in _ends(literal)}))
    whole = next((at for at in free if _is_minion(parts[at][1])), free[-1] if free else -1)
    return tuple(signs if at in free and at != whole else "" for at in range(len(parts)))


def _ends(literal: str) -> str:
    return literal[0] + literal[-1]


def _is_minion(field: Field | None) -> bool:
    return field is not None and (field.root, *field.path) in (("minion_id",), ("data", "id"))
