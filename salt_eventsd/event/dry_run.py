"""
Dry runs: whether a function was called as a test, as its arguments say it (``test=True``).

Salt's state functions take the argument by its name or by its position, and more values for true than YAML does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: No word for true or false, and no return code, has more characters.
LONGEST_WORD = 24
#: The functions of the module ``state`` that run states, each with the position at which ``test`` may stand among its
#: arguments; None where it may stand only by its name.
_RUNS_STATES: Mapping[str, int | None] = {
    "apply": None,
    "apply_": None,
    "high": 1,
    "highstate": 0,
    "low": None,
    "orch": None,
    "orchestrate": None,
    "orchestrate_high": None,
    "orchestrate_single": None,
    "pkg": None,
    "request": None,
    "run_request": None,
    "single": 2,
    "sls": 1,
    "sls_id": 2,
    "template": None,
    "template_str": None,
    "test": None,
    "top": 1,
}
#: Functions that never change anything.
_ALWAYS_TEST = frozenset(("state.test", "state.request"))
_FALSE_WORDS = frozenset(("false", "no", "off", "n", ""))
_NULL_WORDS = frozenset(("none", "null", "~"))
_TRUE_WORDS = frozenset(("true", "yes", "on", "y"))


def runs_states(fun: str) -> bool:
    """
    Say whether a function runs states.

    :param fun: its name.
    """
    return _state_function(fun) in _RUNS_STATES


def is_test(fun: str, arguments: Any) -> bool | None:
    """
    Return whether a function was called as a test; None if its arguments are not known.

    :param fun: its name.
    :param arguments: what it was called with, as it stands in the payload.
    """
    if fun in _ALWAYS_TEST:
        return True
    found = _test_argument(fun, arguments)
    return None if found is None and not isinstance(arguments, (list, tuple)) else bool(found)


def _test_argument(fun: str, arguments: Any) -> bool | None:
    """Return what ``test`` among the arguments says, None if it is not there or is null."""
    if not isinstance(arguments, (list, tuple)):
        return None
    name = _state_function(fun)
    of_states = bool(name)
    found: bool | None = None
    for argument in arguments:
        if isinstance(argument, Mapping):
            for key, value in argument.items():
                if isinstance(key, str) and len(key) == 4 and key.lower() == "test":
                    found = _as_salt_sees_it(value, of_states)
        elif isinstance(argument, str) and argument[:5].lstrip()[:4].lower() == "test":
            key, is_pair, value = argument.partition("=")
            if is_pair and key.strip().lower() == "test":
                found = _as_salt_sees_it(value.strip(), of_states)
    if found is None and of_states and (place := _RUNS_STATES.get(name)) is not None:
        plain = [one for one in arguments if not isinstance(one, Mapping) and not (isinstance(one, str) and "=" in one)]
        if place < len(plain) and isinstance(plain[place], bool):
            found = plain[place]
    return found


def _as_salt_sees_it(value: Any, of_states: bool) -> bool | None:
    """Return a value of ``test`` as Salt reads it: its state functions take all but null and false for true."""
    if isinstance(value, str):
        word = value[:LONGEST_WORD].strip().lower()
        if word in _NULL_WORDS:
            return None
        if word in _FALSE_WORDS:
            return False
        return of_states or word in _TRUE_WORDS or (word.isdecimal() and int(word) > 0)
    if value is None or isinstance(value, bool):
        return value
    if of_states:
        return True
    return isinstance(value, (int, float)) and value > 0


def _state_function(fun: str) -> str:
    """Return the name of a function of the module or runner ``state``, "" for any other function."""
    module, _, name = fun.removeprefix("runner.").rpartition(".")
    return name if module == "state" else ""
