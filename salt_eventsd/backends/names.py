"""Names: a template rendered for an event, with nothing in a field's value that means something to the backend."""

from __future__ import annotations

from collections.abc import Callable

from salt_eventsd.exceptions import Refused
from salt_eventsd.fields import MISSING, Facts, Template, as_text


def render(template: Template, facts: Facts, clean: Callable[[str], str]) -> str:
    """
    Return a template's text for an event.

    :param template: from :func:`salt_eventsd.fields.compile_template`.
    :param facts: of the event.
    :param clean: makes the text of one field harmless; the template's own text stays as it is.
    :raises Refused: the event has not got a field of it.
    """
    made = []
    for literal, field, spec in template.parts:
        made.append(literal)
        if field is not None:
            value = field.of(facts)
            if value is MISSING:
                raise Refused(f"the event has no {field.text}")
            try:
                made.append(clean(format(value, spec) if spec else as_text(value)))
            except (TypeError, ValueError) as exc:
                raise Refused(f"{field.text} cannot be formatted with {spec!r}: {exc}") from None
    return "".join(made)
