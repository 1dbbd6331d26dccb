"""
What a return says of its outcome: return code, success, whether it was a dry run, and which states ran.

Salt has many shapes for it. Several functions in one job have mappings or lists in ``fun``, ``retcode`` and
``success``; what ``salt-call`` returns has no ``success``; a runner has its code inside of what it returned; Windows
has codes of 32 bits without a sign. Rows, conditions and columns of the user's own all read it here, and so agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

#: What a state's tag in a return has between its parts.
STATE_SEPARATOR = "_|-"
#: The largest code that is kept, and with a minus the smallest.
LARGEST_CODE = 2**63 - 1
#: How deep codes are looked for in lists and mappings.
_DEEPEST = 3
#: No code, and no word for true or false, has more characters.
_LONGEST_WORD = 24
_DIGITS = re.compile(r"\s*[+-]?\d{1,18}\s*\Z")
_HEXADECIMAL = re.compile(r"\s*0[xX][0-9a-fA-F]{1,8}\s*\Z")
#: Functions that run states: a list of texts in place of results says why they could not. Where ``test`` may stand by
#: position, it is told.
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
#: Those that never change anything.
_ALWAYS_TEST = frozenset(("state.test", "state.request"))
_FALSE_WORDS = frozenset(("false", "no", "off", "n", ""))
_NULL_WORDS = frozenset(("none", "null", "~"))
_TRUE_WORDS = frozenset(("true", "yes", "on", "y"))


class Part(NamedTuple):
    """
    One function of a return.

    :param fun: its name.
    :param value: what it returned.
    :param test: whether it was called as a test; None if the return does not tell how it was called.
    """

    fun: str
    value: Any
    test: bool | None


class Outcome(NamedTuple):
    """
    The outcome of a return.

    :param retcode: the largest code of its functions, None if it tells none.
    :param success: whether all went well, None if it does not tell.
    :param test: whether it was a dry run, None if it does not tell.
    """

    retcode: int | None
    success: bool | None
    test: bool | None


def parts_of(fun: Any, arguments: Any, returned: Any) -> list[Part]:
    """
    Return the functions of a return, each with what it returned.

    :param fun: as in the payload: a name, or several.
    :param arguments: as in the payload: of one function, or a list for each of several.
    :param returned: as in the payload: of one function, or by name or place of several.
    """
    if not isinstance(fun, (list, tuple)):
        name = fun if isinstance(fun, str) else ""
        return [Part(name, returned, is_test(name, arguments))]
    if len(fun) == 1 and isinstance(fun[0], str) and isinstance(returned, Mapping) and fun[0] not in returned:
        return parts_of(fun[0], arguments, returned)
    found: list[Part] = []
    seen: set[str] = set()
    for place, one in enumerate(fun):
        name = one if isinstance(one, str) else ""
        if isinstance(returned, Mapping):
            if name in seen or name not in returned:
                continue
            seen.add(name)
            value = returned[name]
        elif isinstance(returned, (list, tuple)) and place < len(returned):
            value = returned[place]
        else:
            value = None
        own = arguments[place] if isinstance(arguments, (list, tuple)) and place < len(arguments) else None
        found.append(Part(name, value, is_test(name, own)))
    return found


def read(parts: Sequence[Part], retcode: Any, success: Any, of_runner: bool = False) -> Outcome:
    """
    Return the outcome.

    :param parts: from :func:`parts_of`.
    :param retcode: as in the payload.
    :param success: as in the payload.
    :param of_runner: it is a runner's, which has its code in what it returned.
    """
    code = code_of(retcode)
    if code is None and of_runner and len(parts) == 1 and isinstance(parts[0].value, Mapping):
        code = code_of(parts[0].value.get("retcode"))
    told = _truth(success)
    failed = bool(code) or told is False
    ran = would = did = False
    for part in parts:
        value = part.value
        if isinstance(value, Mapping):
            for _, results in runs_of(value, "", of_runner):
                for _, result in states_of(results):
                    ran = True
                    done = result.get("result", True)
                    if done is False:
                        failed = True
                    elif done is None:
                        would = True
                        continue
                    did = did or bool(result.get("changes"))
        elif isinstance(value, (list, tuple)) and _is_refusal(part.fun, value):
            failed = True
    if failed:
        well: bool | None = False
    elif told is not None:
        well = told
    else:
        well = True if code is not None or ran else None
    # A minion with ``test: true`` in its configuration does not say so, but its states do.
    if any(part.test for part in parts) or (would and not did and not of_runner):
        return Outcome(code, well, True)
    return Outcome(code, well, None if not parts or (any(part.test is None for part in parts) and not ran) else False)


def of_payload(data: Mapping[Any, Any], of_runner: bool = False) -> Outcome:
    """
    Return the outcome of a decoded return.

    :param data: the payload, with its ``return``.
    :param of_runner: it is a runner's.
    """
    arguments = data.get("fun_args")
    parts = parts_of(data.get("fun"), data.get("arg") if arguments is None else arguments, data.get("return"))
    return read(parts, data.get("retcode"), data.get("success"), of_runner)


def runs_of(returned: Mapping[Any, Any], minion_id: str, of_runner: bool) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """
    Yield state results by whose they are. Only a runner, an orchestration, speaks for others: it returns the states of
    a master one level down.

    :param returned: what a function returned.
    :param minion_id: of whom it came from.
    :param of_runner: that is a runner.
    """
    inner = returned.get("data") if of_runner else None
    if not isinstance(inner, Mapping) or any(isinstance(key, str) and STATE_SEPARATOR in key for key in inner):
        yield minion_id, returned
        return
    for name, results in inner.items():
        if isinstance(results, Mapping):
            yield str(name), results


def states_of(results: Mapping[Any, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """
    Yield the state results in what a function returned, each with its tag.

    :param results: by tag; what else is in there is passed over.
    """
    for tag, result in results.items():
        if isinstance(tag, str) and STATE_SEPARATOR in tag and isinstance(result, Mapping):
            yield tag, result


def code_of(value: Any, depth: int = 0) -> int | None:
    """
    Return a return code, the largest of several; where none is above 0, one below.

    :param value: as in the payload.
    """
    if isinstance(value, int):
        # True and False are 1 and 0.
        return max(-LARGEST_CODE, min(int(value), LARGEST_CODE))
    if isinstance(value, str):
        word = value[:_LONGEST_WORD]
        if _DIGITS.match(word):
            return int(word)
        return int(word, 16) if _HEXADECIMAL.match(word) else None
    if isinstance(value, float):
        return code_of(int(value)) if value.is_integer() else None
    if isinstance(value, (Mapping, list, tuple)) and depth < _DEEPEST:
        inner = value.values() if isinstance(value, Mapping) else value
        codes = [code for one in inner if (code := code_of(one, depth + 1)) is not None]
        return (max(codes) or min(codes)) if codes else None
    return None


def is_test(fun: str, arguments: Any) -> bool | None:
    """
    Return whether a function was called as a test, None if that is not told.

    :param fun: its name.
    :param arguments: what it was called with.
    """
    if fun in _ALWAYS_TEST:
        return True
    found = _test_argument(fun, arguments)
    return None if found is None and not isinstance(arguments, (list, tuple)) else bool(found)


def _test_argument(fun: str, arguments: Any) -> bool | None:
    """What ``test`` among the arguments comes to, None if it is not there."""
    if not isinstance(arguments, (list, tuple)):
        return None
    module, _, name = fun.removeprefix("runner.").rpartition(".")
    of_states = module == "state"
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
    """Salt's state functions take anything but null and false for true; others take what YAML does."""
    if isinstance(value, str):
        word = value[:_LONGEST_WORD].strip().lower()
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


def _truth(value: Any, depth: int = 0) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return bool(value) if value in (0, 1) else None
    if isinstance(value, str):
        word = value[:_LONGEST_WORD].strip().lower()
        return True if word == "true" else False if word == "false" else None
    if isinstance(value, (Mapping, list, tuple)) and depth < _DEEPEST:
        inner = value.values() if isinstance(value, Mapping) else value
        found = [truth for one in inner if (truth := _truth(one, depth + 1)) is not None]
        return all(found) if found else None
    return None


def _is_refusal(fun: str, value: Sequence[Any]) -> bool:
    """Whether a function that runs states has returned why it could not: ``["Rendering SLS ... failed"]``."""
    module, _, name = fun.removeprefix("runner.").rpartition(".")
    return module == "state" and name in _RUNS_STATES and bool(value) and all(isinstance(one, str) for one in value)


#: What may be asked of a return by these names.
FIELDS = Outcome._fields


def field_of(data: Mapping[Any, Any], name: str, of_runner: bool) -> Any:
    """
    Return one of :data:`FIELDS` of a decoded return, None if it does not tell.

    :param data: the payload, with its ``return``.
    :param name: of the field.
    :param of_runner: it is a runner's.
    """
    told = data.get(name)
    if name == "retcode" and type(told) is int and abs(told) <= LARGEST_CODE:
        return told
    if name == "success":
        if told is False:
            return False
        if told is True and data.get("retcode") == 0 and not isinstance(data.get("return"), (Mapping, list, tuple)):
            return True
    return getattr(of_payload(data, of_runner), name)
