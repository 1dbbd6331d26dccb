"""Run the checks, and print a line for each; what is broken is told in full."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable

from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.conformance.subject import Subject
from salt_eventsd.workers.conformance.verdict import Broken, Check, NotTried

_WIDTH = 120


def run(subject: Subject, checks: Iterable[Check], say: Callable[[str], object] = print) -> int:
    """
    Make checks, and say what each finds.

    :param subject: the worker module.
    :param checks: in this order.
    :param say: is given one line at a time.
    :returns: how many promises are broken.
    """
    held = broken = left = 0
    for one in checks:
        try:
            note = one(subject)
        except NotTried as exc:
            left += 1
            say(f"untried {one.text}: {exc}")
        except Broken as exc:
            broken += 1
            say(f"BROKEN  {one.text}")
            for title, text in (("expected", exc.expected), ("happened", exc.happened), ("right", exc.right)):
                for line in _indented(f"{title}:", text):
                    say(line)
        except Exception as exc:
            broken += 1
            say(f"BROKEN  {one.text}")
            for line in _indented("happened:", one_line(exc)):
                say(line)
        else:
            held += 1
            say(f"ok      {one.text}" + (f" ({note})" if note else ""))
    if subject.arrived is None:
        say("Nobody looked whether the events arrived; --arrived FILE does.")
    say(f"{held} promises are kept, {broken} are broken, {left} could not be tried")
    return broken


def _indented(title: str, text: str) -> list[str]:
    first = f"        {title:<11}"
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first)) or [first]
