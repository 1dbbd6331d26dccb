"""What the demo's master and minion are configured with: everything of theirs in one folder, and free ports."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path
from typing import Any

import salt.utils.yaml

from salt_eventsd.operate.demo import DemoError

MASTER_ID = "demo-master"
MINION_ID = "demo-minion"


def write_configuration(folder: Path, states: Path, sockets: Path) -> None:
    """
    Write ``etc/master`` and ``etc/minion``.

    :param folder: for keys, caches, logs and the configuration itself.
    :param states: what the master serves; made here.
    :param sockets: for Unix sockets; its path must be short.
    :raises DemoError: Salt could not run as this user.
    """
    publish_port, return_port = free_ports(2)
    for one in (folder / "etc", states, sockets / "master", sockets / "minion"):
        one.mkdir(parents=True)
    master = {
        "id": MASTER_ID,
        "interface": "127.0.0.1",
        "publish_port": publish_port,
        "ret_port": return_port,
        "auto_accept": True,
        "worker_threads": 2,
        "file_roots": {"base": [str(states)]},
        # All there is to it: the engine's defaults.
        "engines": ["eventsd"],
    }
    minion = {
        "id": MINION_ID,
        "master": "127.0.0.1",
        "master_port": return_port,
        "acceptance_wait_time": 1,
        "random_reauth_delay": 1,
        "enable_fqdns_grains": False,
    }
    for name, own in (("master", master), ("minion", minion)):
        text = salt.utils.yaml.safe_dump({**own, **_common(name, folder, sockets)}, default_flow_style=False)
        (folder / "etc" / name).write_text(text, encoding="utf-8")


def _common(name: str, folder: Path, sockets: Path) -> dict[str, Any]:
    return {
        "user": _user(),
        "root_dir": str(folder),
        "pki_dir": str(folder / "pki" / name),
        "cachedir": str(folder / "cache" / name),
        "sock_dir": str(sockets / name),
        "log_file": str(folder / f"{name}.log"),
        "log_level_logfile": "info",
        "pidfile": str(folder / f"{name}.pid"),
        # Longer keys take seconds to make.
        "keysize": 2048,
    }


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise DemoError(f"user id {os.geteuid()} has no name in the user database, and Salt needs one") from None


def free_ports(count: int) -> list[int]:
    """
    Return ports that nobody listens on just now.

    :param count: how many.
    """
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
