"""
Handed over: what Salt gives to a job cache, as the events that the bus carries of the same.

The loads are those of events, and yet not the same: the master changes returns of states that have failed after it has
fired their event, and hands on the master's key and passwords with the load of a job. Pure: nothing here writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from salt_eventsd.event.outcome import STATE_SEPARATOR
from salt_eventsd.event.parse import text_of

#: Salt's own question whether a job still runs.
FIND_JOB = "saltutil.find_job"
#: The master's own key: whoever has it publishes as any user.
_SECRET = ("key",)
#: What a client that logs in hands to the master among the arguments of the publication.
_LOGIN = ("key", "token", "username", "password", "eauth")
#: What the master writes into each state that has failed; ``retcode`` is written into all of them.
_ADDED = ("jid", "id", "success", "return", "fun", "user", "_stamp")
#: What Salt says of each return, if the minion has said it.
_SAID = ("retcode", "success", "out")
#: All that salt-ssh hands over with a return. What it fires besides stands in what was returned.
_OF_SSH = frozenset(("jid", "id", "fun", "return"))
#: What a host may say there; it speaks for no other host, job or time.
_SAID_BY_HOST = ("fun", "fun_args", "retcode", "success", "out", "stdout", "stderr", "parsed", "_error")


def tag_of_load(jid: str) -> str:
    """
    Return the tag of a job's start.

    :param jid: the job id.
    """
    return f"salt/job/{jid}/new"


def is_return(load: Mapping[str, Any]) -> bool:
    """
    Say whether a load that is to be kept as a job's is that of a return.

    :param load: as Salt hands it over.
    """
    return "return" in load


def without_login(load: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a job's load without what its client has logged in with. The load itself is not changed.

    :param load: as Salt hands it over.
    """
    kept = {name: value for name, value in load.items() if name not in _SECRET}
    if isinstance(kwargs := kept.get("kwargs"), dict):
        kept["kwargs"] = {name: value for name, value in kwargs.items() if name not in _LOGIN}
    for name in ("arg", "kwargs"):
        if name in kept and kept[name] is None:
            # Salt cannot list jobs of which one has None there.
            del kept[name]
    return kept


def of_all_rounds(load: dict[str, Any], minions: Collection[str]) -> dict[str, Any]:
    """
    Return a job's load with the minions of all rounds of a batch as its target; any other load as it is.

    :param load: that of the first round; it is not changed.
    :param minions: to whom this master has sent the job, in all rounds.
    """
    target = load.get("tgt")
    if not minions or load.get("tgt_type") != "list" or not isinstance(target, list):
        return load
    names = {text_of(one) for one in target}
    return load if names.issuperset(minions) else {**load, "tgt": sorted(names.union(minions))}


def readable(load: dict[str, Any]) -> dict[str, Any]:
    """
    Return a load that Salt can list: one that it cannot read would end the whole list. A minion may return anything.

    :param load: a job's.
    """
    odd = {"user"} if load.get("user", "") is None else set()
    if "arg" in load and not isinstance(load["arg"], list):
        odd.add("arg")
    if "kwargs" in load and not isinstance(load["kwargs"], dict):
        odd.add("kwargs")
    return {name: value for name, value in load.items() if name not in odd} if odd else load


def answer_of(whole: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what Salt says of a return in a job's answers.

    :param whole: the return.
    """
    return {"return": whole.get("return"), **{name: whole[name] for name in _SAID if name in whole}}


def is_of_ssh(load: Mapping[str, Any]) -> bool:
    """
    Say whether a return is one that salt-ssh hands over.

    :param load: as Salt hands it over.
    """
    return load.keys() == _OF_SSH


def as_fired(load: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a return as its event has it, without what the master has written into it since. The load is not changed.

    :param load: as Salt hands it over.
    """
    returned = load.get("return")
    if is_of_ssh(load) and isinstance(returned, dict):
        return _as_fired_by_ssh(load, returned)
    if not isinstance(returned, dict) or not load.get("retcode"):
        return dict(load)
    fun = load.get("fun")
    if isinstance(fun, (list, tuple)):
        plain = {name: _plain_states(value, load) for name, value in returned.items()}
    else:
        plain = _plain_states(returned, load)
    return {**load, "return": plain}


def _as_fired_by_ssh(load: Mapping[str, Any], returned: Mapping[str, Any]) -> dict[str, Any]:
    """Return what salt-ssh makes of a host's answer: Salt's own, or what a command has printed."""
    is_printed = "return" not in returned
    if is_printed and not ("retcode" in returned and ("stdout" in returned or "stderr" in returned)):
        return dict(load)
    fired = {**load, **{name: returned[name] for name in _SAID_BY_HOST if name in returned}}
    if "retcode" in fired:
        fired.setdefault("success", fired["retcode"] == 0)
    if is_printed:
        first, second = ("stdout", "stderr") if fired.get("success") else ("stderr", "stdout")
        fired["return"] = returned.get(first, returned.get(second))
    else:
        fired["return"] = returned["return"]
    return fired


def told_by(load: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Yield the events that tell of a return, each with its tag: of a job's the return, of a runner's its start, too.

    :param load: a return as :func:`as_fired` has it, decoded.
    """
    if not isinstance(load, dict):
        return
    jid, inner = text_of(load.get("jid")), load.get("return")
    if kind := kind_of_runner(load):
        assert isinstance(inner, dict)
        start = {name: inner[name] for name in ("jid", "fun", "fun_args", "user", "_stamp") if name in inner}
        yield f"salt/{kind}/{jid}/new", {"jid": jid, **start}
        yield f"salt/{kind}/{jid}/ret", dict(inner)
    elif jid:
        yield f"salt/job/{jid}/ret/{text_of(load.get('id'))}", load


def kind_of_runner(load: Mapping[str, Any]) -> str:
    """
    Return ``run`` or ``wheel`` if a return is that of a runner or wheel, which hold all they say under ``return``.

    What a minion or a host of salt-ssh returns may look the same inside. Yet no return but a runner's is addressed to
    who sends it, without being a request to the master.

    :param load: of a return.
    """
    inner = load.get("return")
    jid = load.get("jid")
    if "cmd" in load or "_stamp" in load or "tgt" not in load or load["tgt"] != load.get("id"):
        return ""
    if not jid or not isinstance(inner, dict) or inner.get("jid") != jid:
        return ""
    kind = text_of(inner.get("fun")).partition(".")[0]
    return {"runner": "run", "wheel": "wheel"}.get(kind, "")


def _plain_states(returned: Any, load: Mapping[str, Any]) -> Any:
    if not isinstance(returned, dict) or not any(STATE_SEPARATOR in str(tag) for tag in returned):
        return returned
    return {tag: _plain_state(result, load) for tag, result in returned.items()}


def _plain_state(result: Any, load: Mapping[str, Any]) -> Any:
    if not isinstance(result, dict) or "retcode" not in result:
        return result
    has_failed = result.get("jid") == load.get("jid") and result.get("success") is False
    added = {"retcode", *_ADDED} if has_failed else {"retcode"}
    return {name: value for name, value in result.items() if name not in added}
