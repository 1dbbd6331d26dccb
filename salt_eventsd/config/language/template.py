"""
Templates: text with fields in braces, ``salt:{minion_id}:{data.fun}``, ``events-{stamp:%Y.%m.%d}``.

Backends make the names of files, keys, indexes, collections, subjects and metrics of them. An event that lacks a field
of its template cannot be written anywhere: it is refused before anything is written.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from salt_eventsd.config.language.fields import MISSING, Facts, Field, as_text, compile_field
from salt_eventsd.exceptions import Refused

#: Makes the text of one field harmless. Its second argument holds further characters that may not stay in it: they
#: separate this field from the next.
Clean = Callable[[str, str], str]

Part = tuple[str, "Field | None", str]

#: Roots whose text no minion can choose: it is the engine's own, has a fixed form, or the master has checked it.
_OURS = ("stamp", "received", "now", "rule", "master_id", "kind", "phase")
#: Stands before a digest, and nowhere else in what a field's text becomes.
MARK = "~"
#: One of these replaces a character that may not stand in a name: the first that does not separate two fields.
_FILLERS = "_-=+,@abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Template:
    """
    A compiled template.

    :param parts: literal text, each followed by a field (or None at the end) and how it is formatted.
    :param apart: for each part, the characters that its field's text may not hold because they separate it from its
        neighbours: otherwise two events with different fields could get the same name.
    """

    parts: tuple[Part, ...]
    apart: tuple[str, ...]

    def render(self, facts: Facts, clean: Clean | None = None) -> str:
        """
        Return the text for an event.

        :param facts: what is known of the event.
        :param clean: makes the text of each field harmless; the literal text stays as it is.
        :raises Refused: the event lacks a field, or has one that cannot be formatted so.
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
        """Whether the text is the same for all events."""
        return all(field is None for _, field, _ in self.parts)

    def could_be(self, text: str) -> bool:
        """
        Say whether the text may be that of some event, provided that no field's text has a slash.

        :param text: the text.
        """
        literals = [literal for literal, _, _ in self.parts]
        if self.parts and self.parts[-1][1] is not None:
            literals.append("")
        if self.is_constant or not text.startswith(literals[0]):
            return text == "".join(literals)
        at, end = len(literals[0]), len(text) - len(literals[-1])
        for literal in literals[1:-1]:
            # Taking the first place is safe: it leaves the most text for the literals that follow.
            if (found := text.find(literal, at, end)) < 0:
                return False
            at = found + len(literal)
        slashes = sum(literal.count("/") for literal in literals)
        return at <= end and text.endswith(literals[-1]) and text.count("/") == slashes


def compile_template(text: str) -> Template:
    """
    Compile a template; a brace that is meant literally is doubled.

    :param text: the template.
    :raises ValueError: says what is wrong with it.
    """
    parts: list[Part] = []
    for literal, name, spec, conversion in string.Formatter().parse(text):
        if conversion:
            raise ValueError(f"{text!r}: !{conversion} means nothing here")
        parts.append((literal, None if name is None else compile_field(name), spec or ""))
    return Template(tuple(parts), _apart(parts))


def tame(text: str, unfit: re.Pattern[str], apart: str, longest: int) -> str:
    """
    Return a field's text as part of a name. A text that has to be changed gets a digest of the original, so that no two
    texts become the same.

    :param text: the field's text.
    :param unfit: matches what may not stand in it, :data:`MARK` included.
    :param apart: further characters that may not stand in it.
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
        # The error's own text is left out: it may hold the value, which may be secret.
        raise Refused(f"{field.text} cannot be formatted with {spec!r}; it is {type(value).__name__}") from None


def _apart(parts: Sequence[Part]) -> tuple[str, ...]:
    """
    Return for each part which characters its field's text may not hold.

    ``a-b-c`` may be made of ``{minion_id}-{fun}`` in two ways. There is only one way if all fields but one hold none of
    the characters that stand between fields. That one is the minion's id, which the master has checked, or else the
    last field. A slash needs no such care where no field's text may hold one.
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
