"""
Copy our modules from the master's file server to the master, where the file server has them and the master has others.

``sync.py CONF_DIR SALTENV [--test]`` prints what a stateful ``cmd.run`` expects. Runs in the master's Python.
"""

from __future__ import annotations

import filecmp
import json
import sys
from pathlib import Path
from typing import Any

import salt.config
import salt.fileclient
import salt.utils.extmods

#: Kinds of Salt's modules, as the file server and ``extension_modules`` name them, and which of them are ours.
KINDS = {"engines": "eventsd.py", "runners": "eventsd.py", "returners": "eventsd.py", "eventsd_workers": "*.py"}


def main() -> int:
    """Do what the arguments say; the exit code is that of the state."""
    conf_dir, saltenv, is_test = Path(sys.argv[1]), sys.argv[2], "--test" in sys.argv
    opts = salt.config.master_config(str(conf_dir / "master"))
    opts["file_client"] = "local"
    stale = [kind for kind in KINDS if is_stale(opts, kind, saltenv)]
    if not is_test:
        for kind in stale:
            salt.utils.extmods.sync(opts, kind, saltenv=saltenv)
    told: dict[str, Any] = {"changed": bool(stale), "comment": "the master has the modules of its file server"}
    if stale:
        told.update(
            comment=f"{'would be ' if is_test else ''}copied from the file server: {', '.join(stale)}", synced=stale
        )
    print(json.dumps(told))
    return 0


def is_stale(opts: dict[str, Any], kind: str, saltenv: str) -> bool:
    """
    Say whether the file server has modules of ours that the master has not, or has others of.

    :param opts: the master's.
    :param kind: of module.
    :param saltenv: the environment.
    """
    there = Path(opts["extension_modules"], kind)
    with salt.fileclient.get_file_client(opts) as client:
        for path in client.file_list(saltenv, prefix=f"_{kind}"):
            name = Path(path)
            if name.parent != Path(f"_{kind}") or not name.match(KINDS[kind]) or name.name == "__init__.py":
                continue
            cached = client.cache_file(f"salt://{path}", saltenv)
            mine = there / name.name
            if not mine.is_file() or not filecmp.cmp(cached, mine, shallow=False):
                return True
    return False


if __name__ == "__main__":
    sys.exit(main())
