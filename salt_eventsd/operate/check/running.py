"""
Whether an engine runs, and with which configuration.

The engine itself compares the two configurations, so that no secret has to leave it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.common import moments
from salt_eventsd.config.load import state_file
from salt_eventsd.engine.control import ask, socket_path
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.status import read


def running(opts: Mapping[str, Any]) -> str:
    """
    Return the end of a sentence that begins with "switched on" or "not switched on".

    :param opts: Salt's options.
    """
    path = state_file(opts)
    try:
        told = ask(socket_path(path), "compare")
    except EventsdError:
        return ", runs but does not answer" if read(Path(path)).get("running") else ", not running"
    if "same" not in told:
        return ", running, of another version"
    if told["idle"]:
        return ", running, but idle: " + "; ".join(told["idle"])
    loaded = moments.told(told["loaded"])
    since = f", running, with its configuration of {loaded}"
    if told["problems"]:
        return f"{since}; what is on disk now is wrong, and would not be taken"
    if told["same"]:
        return f"{since}, which is the one on disk"
    how = "a restart of the master" if told["restart"] else "salt-run eventsd.reload"
    return f"{since}; on disk is another one ({', '.join(told['differs'])}): it takes {how}"
