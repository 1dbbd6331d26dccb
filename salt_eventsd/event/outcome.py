"""
Outcome: what a return says of itself: return code, success, whether it was a dry run, and which states ran.

Salt has many shapes for it. A return of several functions has mappings or lists in ``fun``, ``retcode`` and
``success``; a return of ``salt-call`` has no ``success``; a runner has its code inside of what it returned; Windows has
codes of 32 bits without a sign. Our own tables, conditions and the columns of users all read the outcome here, so that
they agree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from salt_eventsd.event.dry_run import LONGEST_WORD, is_test, runs_states

#: What stands between the parts of a state's tag in a return.
STATE_SEPARATOR = "_|-"
#: The largest code that is kept; the smallest is its negative.
LARGEST_CODE = 2**63 - 1
#: How deep codes are looked for in lists and mappings.
_DEEPEST = 3
#: Of which types durations are.
_NUMBERS = {float, int}
_DIGITS = re.compile(r"\s*[+-]?\d{1,18}\s*\Z")
_HEXADECIMAL = re.compile(r"\s*0[xX][0-9a-fA-F]{1,8}\s*\Z")


class Part(NamedTuple):
    """
    One function of a return.

    :param fun: its name.
    :param value: what it returned.
    :param test: whether it was called as a test; None if the return does not say how it was called.
    """

    fun: str
    value: Any
    test: bool | None


class PlainRun(NamedTuple):
    """
    What the states of a run say.

    :param failed: whether the result of one of them is false.
    :param would: whether the result of one of them is null, which is that of a test.
    :param seconds: how long they took together.
    """

    failed: bool
    would: bool
    seconds: float


class Outcome(NamedTuple):
    """
    The outcome of a return.

    :param retcode: the largest code of its functions; None if it has none.
    :param success: whether all went well; None if it does not say.
    :param test: whether it was a dry run; None if it does not say.
    """

    retcode: int | None
    success: bool | None
    test: bool | None


def parts_of(fun: Any, arguments: Any, returned: Any) -> list[Part]:
    """
    Return the functions of a return, each with what it returned.

    :param fun: as in the payload: one name, or several.
    :param arguments: as in the payload: those of the function, or of several functions a list each.
    :param returned: as in the payload: what the function returned, or several functions by name or in their order.
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
    Return the outcome of a return, from its parts.

    :param parts: from :func:`parts_of`.
    :param retcode: as in the payload.
    :param success: as in the payload.
    :param of_runner: whether it is a runner's, which has its code in what it returned.
    """
    code = code_of(retcode)
    if code is None and of_runner and len(parts) == 1 and isinstance(parts[0].value, Mapping):
        code = code_of(parts[0].value.get("retcode"))
    failed = ran = would = did = False
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
    # A minion with ``test: true`` in its configuration does not say so, but the results of its states show it.
    test: bool | None = any(part.test for part in parts) or (would and not did and not of_runner)
    if not test and (not parts or (any(part.test is None for part in parts) and not ran)):
        test = None
    return Outcome(code, _success_of(code, success, failed, ran), test)


def of_results(test: bool | None, results: Sequence[bool | None], did: bool, retcode: Any, success: Any) -> Outcome:
    """
    Return the outcome of a return of one function, from the results of its states.

    :param test: whether it was called as a test; None if the return does not say.
    :param results: each state's, at least one.
    :param did: whether one of them has changed something.
    :param retcode: as in the payload.
    :param success: as in the payload.
    """
    code = code_of(retcode)
    is_test = bool(test) or (None in results and not did)
    return Outcome(code, _success_of(code, success, False in results, True), is_test)


def _success_of(code: int | None, success: Any, failed: bool, ran: bool) -> bool | None:
    told = _truth(success)
    if failed or code or told is False:
        return False
    if told is not None:
        return told
    return True if code is not None or ran else None


def of_payload(data: Mapping[Any, Any], of_runner: bool = False) -> Outcome:
    """
    Return the outcome of a decoded return.

    :param data: the payload, with its ``return``.
    :param of_runner: whether it is a runner's.
    """
    arguments = data.get("fun_args")
    parts = parts_of(data.get("fun"), data.get("arg") if arguments is None else arguments, data.get("return"))
    return read(parts, data.get("retcode"), data.get("success"), of_runner)


def runs_of(returned: Mapping[Any, Any], minion_id: str, of_runner: bool) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """
    Yield the results of states, each mapping with the id of the minion or master they ran on. Only a runner can return
    results of others: an orchestration has them one level down, under the id of the master.

    :param returned: what a function returned.
    :param minion_id: who returned it.
    :param of_runner: whether the function is a runner's.
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
    Yield the results of states, each with its tag.

    :param results: what a function returned; anything in it that is no result of a state is skipped.
    """
    for tag, result in results.items():
        # Most are plain, and to ask the class of all mappings takes much longer.
        if isinstance(tag, str) and STATE_SEPARATOR in tag and isinstance(result, (dict, Mapping)):
            yield tag, result


def plain_run(returned: Any) -> PlainRun | None:
    """
    Return what the states of a run say where all of it is plain, which takes a fraction of the time of
    :func:`states_of`; None if something is odd, or there are no states.

    :param returned: what a function returned.
    """
    if type(returned) is not dict:
        return None
    failed = would = False
    durations: list[Any] = []
    try:
        for tag, state in returned.items():
            if STATE_SEPARATOR in tag:
                result = state["result"]
                if result is not True:
                    if result is False:
                        failed = True
                    elif result is None:
                        would = True
                    else:
                        return None
                durations.append(state["duration"])
        seconds = sum(map(float, durations)) / 1000
    except (TypeError, ValueError, KeyError, OverflowError):
        return None
    if not (durations and _NUMBERS.issuperset(map(type, durations)) and min(durations) >= 0 and seconds < math.inf):
        return None
    return PlainRun(failed, would, seconds)


def of_plain(test: bool | None, run: PlainRun, returned: Mapping[Any, Any], retcode: Any, success: Any) -> Outcome:
    """
    Return the outcome of a return of one function that has run states.

    :param test: whether it was called as a test; None if the return does not say.
    :param run: from :func:`plain_run`.
    :param returned: what the function returned.
    :param retcode: as in the payload.
    :param success: as in the payload.
    """
    code, is_test = code_of(retcode), bool(test)
    if run.would and not is_test:
        is_test = not any(one.get("changes") for _, one in states_of(returned) if one["result"] is not None)
    return Outcome(code, _success_of(code, success, run.failed, True), is_test)


def code_of(value: Any, depth: int = 0) -> int | None:
    """
    Return a return code as a number: of several codes the largest, and if none is above 0, the smallest; None if the
    value holds no code.

    :param value: as in the payload.
    """
    if isinstance(value, int):
        # bool is a kind of int in Python: True becomes 1, False becomes 0.
        return max(-LARGEST_CODE, min(int(value), LARGEST_CODE))
    if isinstance(value, str):
        word = value[:LONGEST_WORD]
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


def _truth(value: Any, depth: int = 0) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return bool(value) if value in (0, 1) else None
    if isinstance(value, str):
        word = value[:LONGEST_WORD].strip().lower()
        return True if word == "true" else False if word == "false" else None
    if isinstance(value, (Mapping, list, tuple)) and depth < _DEEPEST:
        inner = value.values() if isinstance(value, Mapping) else value
        found = [truth for one in inner if (truth := _truth(one, depth + 1)) is not None]
        return all(found) if found else None
    return None


def _is_refusal(fun: str, value: Sequence[Any]) -> bool:
    """Say whether a function that runs states has returned why it could not: ``["Rendering SLS ... failed"]``."""
    return bool(value) and runs_states(fun) and all(isinstance(one, str) for one in value)


#: The fields of an outcome that conditions and columns may ask for, as ``data.<name>``.
FIELDS = Outcome._fields


def field_of(data: Mapping[Any, Any], name: str, of_runner: bool) -> Any:
    """
    Return one field of the outcome of a decoded return; None if the return does not say.

    :param data: the payload, with its ``return``.
    :param name: one of :data:`FIELDS`.
    :param of_runner: whether it is a runner's.
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
