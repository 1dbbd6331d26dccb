"""
The command ``python -m salt_eventsd.control``: ask an engine where there is no ``salt-run``, as on a minion.

It has to be run by the engine's user or by root, and prints the answer as JSON.
"""

from __future__ import annotations

import sys

import msgspec

from salt_eventsd.engine.control import ask, socket_path
from salt_eventsd.exceptions import EventsdError

_USAGE = "usage: python -m salt_eventsd.control VERB STATE_FILE [NAME=VALUE ...]"
_EXAMPLE = "such as: python -m salt_eventsd.control reload /var/cache/salt/minion/eventsd/status.json"


def main(arguments: list[str]) -> int:
    """
    Ask an engine.

    :param arguments: the verb, the engine's state file, and what the verb takes, each as ``name=value``.
    :returns: the exit code, as a runner's.
    """
    verb, state_file, *rest = [*arguments, "", ""][: max(2, len(arguments))]
    takes = dict(one.split("=", 1) for one in rest if "=" in one)
    if not state_file or len(takes) != len(rest):
        print(_usage())
        return 2
    try:
        answer = ask(socket_path(state_file), verb, **takes)
    except EventsdError as exc:
        answer = {"problems": [str(exc)], "retcode": 2}
    print(msgspec.json.format(msgspec.json.encode(answer)).decode())
    return int(answer.get("retcode", 2))


def _usage() -> str:
    # The table needs the whole engine, which takes a second to import.
    from salt_eventsd.engine.control.verbs import VERBS

    lines = [_USAGE, _EXAMPLE, "", "verbs:"]
    for name, verb in VERBS.items():
        lines.append(f"  {name:<14} {verb.about}")
        lines += [f"  {'':<14}   {taken}=...  {meaning}" for taken, meaning in verb.takes.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
