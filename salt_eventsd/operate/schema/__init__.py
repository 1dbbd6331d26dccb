"""
The tables of sql workers: ``salt-run eventsd.schema ACTION``, a file for each.

``look``
    Says which version the tables are of, what they take, and what of them is missing (``show``, ``version``).
``upgrade``
    Makes the tables, or brings them to this release's version.
``copy``
    Copies all of them into the database of another worker.
``partition``
    Turns the large ones into tables of partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from salt_eventsd.config.explain import meant
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.schema.copy import copy
from salt_eventsd.operate.schema.look import show, version
from salt_eventsd.operate.schema.partition import partition
from salt_eventsd.operate.schema.upgrade import upgrade

#: Is told of progress, a line each.
Tell = Callable[[str], None]

#: Action -> what does it with Salt's options, and the names of its arguments.
ACTIONS: dict[str, tuple[Callable[..., dict[str, Any]], tuple[str, ...]]] = {
    "show": (show, ("worker",)),
    "version": (version, ("worker",)),
    "upgrade": (upgrade, ("worker", "to")),
    "copy": (copy, ("worker", "to", "dry_run")),
    "partition": (partition, ("worker", "by")),
}
#: Actions that take long, and tell how far they are.
_LONG = ("copy",)


def schema(opts: Mapping[str, Any], action: Any, arguments: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """
    Do something with the tables of sql workers.

    :param opts: Salt's options.
    :param action: one of :data:`ACTIONS`.
    :param arguments: its arguments by name; None, or False, is one that was not given.
    :param tell: is told of progress.
    """
    if not isinstance(action, str) or action not in ACTIONS:
        hint = meant(str(action), list(ACTIONS))
        return {"problem": f"action: expected one of {', '.join(ACTIONS)}, got {action!r}{hint}", "retcode": 2}
    work, names = ACTIONS[action]
    given = {name: value for name, value in arguments.items() if value is not None and value is not False}
    if strange := sorted(given.keys() - set(names)):
        listed = ", ".join(names)
        return {"problem": f"{strange[0]}: {action} has no such argument; it has {listed}", "retcode": 2}
    try:
        return work(opts, **given, **({"tell": tell} if action in _LONG else {}))
    except EventsdError as exc:
        return {"problem": "; ".join(str(exc).splitlines()), "retcode": 2}
