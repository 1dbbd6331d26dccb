"""
Conditions: what a rule asks of an event besides its tag: the minion, and fields of the payload.

``where: {data.retcode: 0}`` takes an event if all of its fields have the values said; ``unless`` leaves one out if all
of its fields have. A value is compared as it is, and a list means one of several values. A mapping holds operators:
``{match: <expression>}``, ``{glob: web*}``, ``{not: ...}``, ``{above: 5}``, ``{below: 5}``, ``{exists: false}``.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from salt_eventsd.common.patterns import compile_pattern
from salt_eventsd.config.language.fields import EARLY_ROOTS, MISSING, Field, compile_field, dig, outcome_of

#: Says whether a value meets a condition.
Test = Callable[[Any], bool]


class Subject(msgspec.Struct, frozen=True, gc=False):
    """
    What is known of an event before it is kept; conditions look at this.

    :param tag: the tag, without a syndic's prefix.
    :param fun: the function, "" if it has none.
    :param jid: the job id, "" if it has none.
    :param minion_id: the minion id, "" if it has none.
    :param data: its payload, decoded.
    :param full_tag: the tag as it came off the bus, with a syndic's prefix.
    """

    tag: str
    fun: str
    jid: str
    minion_id: str
    data: Any
    full_tag: str = ""

    def value(self, field: Field) -> Any:
        """Return the value of a field, :data:`salt_eventsd.config.language.fields.MISSING` if it has none."""
        if field.outcome:
            found = outcome_of(self.data, field, self.tag.startswith("salt/run/"))
            if found is not MISSING:
                return found
        return dig(self.data, field.path) if field.root == "data" else getattr(self, field.root)


@dataclass(frozen=True)
class Conditions:
    """
    Conditions that must all hold.

    :param tests: fields, each with the test of its value.
    """

    tests: tuple[tuple[Field, Test], ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields that the conditions look at."""
        return tuple(field for field, _ in self.tests)

    def hold(self, subject: Subject) -> bool:
        """Say whether all of them hold for an event."""
        return all(test(subject.value(field)) for field, test in self.tests)


def compile_conditions(block: Mapping[str, Any]) -> Conditions:
    """
    Compile a ``where`` or ``unless`` block.

    :param block: field expression -> what its value must be.
    :raises ValueError: says what is wrong: ``<key>: ...``.
    """
    tests = []
    for key, wanted in block.items():
        try:
            field = compile_field(str(key), EARLY_ROOTS)
            if field.as_json:
                raise ValueError("a condition looks at the value itself; leave out | json")
            tests.append((field, _test(wanted)))
        except ValueError as exc:
            raise ValueError(f"{key}: {exc}") from None
    return Conditions(tuple(tests))


def minion_condition(globs: Sequence[str]) -> Conditions:
    """
    Return the condition that an event comes from one of these minions.

    :param globs: minion ids, with ``*`` and ``?`` as in a shell.
    """
    return Conditions(((compile_field("minion_id"), _glob(list(globs))),))


def _test(wanted: Any) -> Test:
    if wanted in ({}, [], ()):
        raise ValueError("expected a value, several, or an operator such as {exists: true}; got none")
    if isinstance(wanted, Mapping):
        tests = [_operator(str(name), operand) for name, operand in wanted.items()]
        return lambda value: all(test(value) for test in tests)
    if isinstance(wanted, (list, tuple)):
        some = [_test(one) for one in wanted]
        return lambda value: any(test(value) for test in some)
    return lambda value: _same(value, wanted)


def _operator(name: str, operand: Any) -> Test:
    if name not in _OPERATORS:
        raise ValueError(f"no operator {name!r}; there are {', '.join(_OPERATORS)}")
    return _OPERATORS[name](operand)


def _same(value: Any, wanted: Any) -> bool:
    """Compare two values as YAML does: 1 is not true, and 1.0 is 1."""
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _match(operand: Any) -> Test:
    if not isinstance(operand, str):
        raise ValueError(f"match: expected a regular expression, got {operand!r}")
    try:
        pattern = compile_pattern(operand)
    except ValueError as exc:
        raise ValueError(f"match: {exc}") from None
    return lambda value: isinstance(value, str) and pattern.match(value) is not None


def _glob(operand: Any) -> Test:
    globs = [operand] if isinstance(operand, str) else operand
    if not (isinstance(globs, list) and all(isinstance(one, str) for one in globs)):
        raise ValueError(f"glob: expected text such as web*, or a list of such, got {operand!r}")
    pattern = compile_pattern("|".join(fnmatch.translate(one) for one in globs))
    return lambda value: isinstance(value, str) and pattern.match(value) is not None


def _not(operand: Any) -> Test:
    test = _test(operand)
    return lambda value: not test(value)


def _exists(operand: Any) -> Test:
    if not isinstance(operand, bool):
        raise ValueError(f"exists: expected true or false, got {operand!r}")
    return lambda value: (value is not MISSING) is operand


def _compared(name: str, compare: Callable[[Any, Any], bool]) -> Callable[[Any], Test]:
    def make(operand: Any) -> Test:
        if isinstance(operand, bool) or not isinstance(operand, (int, float)):
            raise ValueError(f"{name}: expected a number, got {operand!r}")
        return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and compare(value, operand)

    return make


_OPERATORS: dict[str, Callable[[Any], Test]] = {
    "match": _match,
    "glob": _glob,
    "not": _not,
    "above": _compared("above", lambda value, operand: value > operand),
    "below": _compared("below", lambda value, operand: value < operand),
    "exists": _exists,
}
