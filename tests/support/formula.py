"""
A separate Salt for the tests of the formula: a master and a minion under a service manager, in an environment without
the package.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pytestshellutils.utils import ports

from tests.support.docs import ROOT
from tests.support.salt import wait_until

#: Starts and stops daemons like a distribution's init script; Salt finds it like any other service.
_INIT_SCRIPT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:
# Required-Stop:
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: a salt-master of a test
### END INIT INFO
case "$1" in
  start) start-stop-daemon --start --quiet --oknodo --background --make-pidfile --pidfile {pidfile} \\
           --startas {python} -- {bin}/salt-master -c {conf} ;;
  stop) start-stop-daemon --stop --quiet --oknodo --retry TERM/20/KILL/5 --remove-pidfile --pidfile {pidfile} ;;
  restart) "$0" stop && "$0" start ;;
  status) start-stop-daemon --status --pidfile {pidfile} ;;
esac
"""


def shared_python() -> str:
    """Return a Python like this one that every user may run; "" if there is none."""
    own = os.path.realpath(sys.executable)
    for path in (own, f"/usr/bin/python3.{sys.version_info[1]}"):
        if os.path.exists(path) and all(one.stat().st_mode & 0o001 for one in (Path(path), *Path(path).parents)):
            return path
    return ""


def environment(folder: Path) -> Path:
    """
    Copy this Python environment without salt-eventsd; return the folder. Every user may run the copy, if possible.

    :param folder: the folder for the copy. On the same disk, the copy shares its files with the original.
    """
    source = Path(sys.prefix)
    try:
        shutil.copytree(source, folder, symlinks=True, copy_function=os.link)
    except (shutil.Error, OSError):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder, symlinks=True)
    python = folder / "bin" / "python"
    if shared := shared_python():
        python.unlink()
        python.symlink_to(shared)
        for name in ("python3", f"python3.{sys.version_info[1]}"):
            (folder / "bin" / name).unlink(missing_ok=True)
            (folder / "bin" / name).symlink_to("python")
        config = folder / "pyvenv.cfg"
        config.unlink()
        config.write_text(f"home = {os.path.dirname(shared)}\ninclude-system-site-packages = false\n", encoding="utf-8")
    for script in (folder / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        text = script.read_bytes()
        if text.startswith(b"#!" + str(source).encode()):
            mode = script.stat().st_mode
            # The file may be a hard link to the original, so it is replaced and not changed.
            script.unlink()
            script.write_bytes(text.replace(str(source).encode(), str(folder).encode(), 1))
            script.chmod(mode)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "uninstall", "--quiet", "--yes", "salt-eventsd"], check=True, capture_output=True)
    return folder


def wheel(folder: Path, version: str) -> Path:
    """
    Build the package with a given version, and return the wheel.

    :param folder: the folder to build in.
    :param version: the version.
    """
    copy = folder / "source"
    # Whatever runs beside this changes its cache.
    caches = (".*_cache", ".hypothesis", "__pycache__")
    ignored = shutil.ignore_patterns(".git", ".venv", ".tox", ".build", "build", "*.egg-info", "tests", *caches)
    shutil.copytree(ROOT, copy, ignore=ignored)
    init = copy / "salt_eventsd" / "__init__.py"
    lines = init.read_text(encoding="utf-8").splitlines()
    lines = [f'__version__ = "{version}"' if line.startswith("__version__") else line for line in lines]
    init.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(copy)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


class Site:
    """
    A machine with a master and a minion, without salt-eventsd.

    :param folder: contains everything; its name is short because of the sockets.
    :param user: the user that the master runs as.
    :param service: the name of the master's service.
    """

    def __init__(self, folder: Path, user: str, service: str) -> None:
        self.folder, self.user, self.service = folder, user, service
        self.conf = folder / "etc"
        self.file = self.conf / "master.d" / "eventsd.conf"
        self.env = environment(folder / "venv")
        self.pidfile = folder / "master.pid"
        self._script = Path("/etc/init.d", service)
        self._minion: subprocess.Popen[bytes] | None = None
        # Salt gives its user only the last folder of each path; a package makes the folders above it.
        of_master = ("etc/salt/pki/master", "var/cache/salt/master", "var/log/salt", "var/run")
        for name in ("etc/master.d", "roots", "pillar", *(f"root/{one}" for one in of_master)):
            (folder / name).mkdir(parents=True)
        (folder / "roots" / "eventsd").symlink_to(ROOT / "eventsd")
        publish, ret = (ports.get_unused_localhost_port() for _ in range(2))
        common = {"log_level_logfile": "warning"}
        master = {
            "root_dir": str(folder / "root"),
            "sock_dir": str(folder / "root" / "s"),
            "interface": "127.0.0.1",
            "publish_port": publish,
            "ret_port": ret,
            "user": user,
            "worker_threads": 3,
            "auto_accept": True,
            "file_roots": {"base": [str(folder / "roots")]},
            "pillar_roots": {"base": [str(folder / "pillar")]},
        }
        minion = {
            "root_dir": str(folder / "minion"),
            "master": "127.0.0.1",
            "master_port": ret,
            "id": "m",
            "acceptance_wait_time": 1,
            "random_reauth_delay": 1,
            # What a master that restarts was asked is never answered, and the minion waits a minute for it by default.
            "request_channel_timeout": 20,
            "sock_dir": str(folder / "t"),
            "return_retry_timer": 1,
            # Salt prefers an installed systemd, even if it does not run.
            "disable_modules": ["systemd_service"],
            "return_retry_timer_max": 3,
        }
        (self.conf / "master").write_text(yaml.safe_dump({**common, **master}), encoding="utf-8")
        (self.conf / "minion").write_text(yaml.safe_dump({**common, **minion}), encoding="utf-8")
        (folder / "pillar" / "top.sls").write_text("base: {'*': [eventsd]}\n", encoding="utf-8")
        self.pillar({})
        self._script.write_text(
            _INIT_SCRIPT.format(
                name=service,
                pidfile=self.pidfile,
                python=self.env / "bin" / "python",
                bin=self.env / "bin",
                conf=self.conf,
            ),
            encoding="utf-8",
        )
        self._script.chmod(0o755)
        folder.chmod(0o755)

    def pillar(self, eventsd: Any, **lookup: Any) -> None:
        """
        Write the minion's pillar.

        :param eventsd: the block; None for no such pillar.
        :param lookup: settings of the formula, added to those that this machine needs.
        """
        block = eventsd
        if isinstance(eventsd, dict):
            own = {"config": {"file": str(self.file)}, "service": {"name": self.service}}
            block = {**eventsd, "lookup": {**own, **lookup}}
        text = yaml.safe_dump({} if eventsd is None else {"eventsd": block})
        (self.folder / "pillar" / "eventsd.sls").write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Start the daemons and wait until the minion answers."""
        if self.user != "root":
            subprocess.run(["chown", "-R", self.user, str(self.folder / "root"), str(self.conf)], check=True)
        subprocess.run([str(self._script), "start"], check=True)
        with open(self.folder / "minion.out", "wb") as out:
            command = [str(self.env / "bin" / "salt-minion"), "-c", str(self.conf)]
            self._minion = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        wait_until(lambda: self.salt("test.ping") is True, "answer of the minion", 120)

    def stop(self) -> None:
        """End all processes that were started, and delete all files."""
        if self._minion:
            with suppress(ProcessLookupError):
                os.killpg(self._minion.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._minion.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(self._minion.pid, signal.SIGKILL)
        subprocess.run([str(self._script), "stop"], check=False)
        self._script.unlink(missing_ok=True)
        subprocess.run(["update-rc.d", self.service, "remove"], check=False, capture_output=True)

    def cli(self, program: str, *args: str) -> subprocess.CompletedProcess[str]:
        """
        Run a program of this Salt.

        :param program: its name.
        :param args: its arguments.
        """
        command = [str(self.env / "bin" / program), "-c", str(self.conf), *args]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    def salt(self, *args: str) -> Any:
        """
        Have the minion run a function; return its answer, None if it does not answer.

        :param args: the function and its arguments.
        """
        done = self.cli("salt", "m", *args, "--out=json", "--static", "--timeout=20")
        try:
            return json.loads(done.stdout)["m"]
        except (ValueError, KeyError):
            return None

    def apply(self, sls: str = "eventsd", **kwargs: Any) -> States:
        """
        Apply states, as an administrator does from the master.

        :param sls: the states.
        :param kwargs: arguments of ``state.apply``.
        """
        args = [f"{key}={value}" for key, value in kwargs.items()]
        done = self.cli("salt", "m", "state.apply", sls, *args, "--out=json", "--static", "--timeout=60")
        try:
            return States(json.loads(done.stdout)["m"], done.stdout + done.stderr)
        except (ValueError, KeyError):
            raise AssertionError(f"state.apply {sls} answered:\n{done.stdout}\n{done.stderr}") from None

    def status(self) -> dict[str, Any]:
        """Return what ``salt-run eventsd.status`` says; {} if there is no such runner."""
        done = self.cli("salt-run", "eventsd.status", "--out=json")
        try:
            found = json.loads(done.stdout)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def wait_for_engine(self, after: int = 0) -> dict[str, Any]:
        """
        Wait until an engine runs and reads the bus, and return its status.

        :param after: the pid of an earlier engine, which does not count.
        """

        def look() -> dict[str, Any]:
            found = self.status()
            listening = found.get("running") and found.get("bus", {}).get("connected")
            return found if listening and found["pid"] != after else {}

        return wait_until(look, "engine", 120)


class States:
    """
    The result of a state run.

    :param returned: the results by state id, as Salt returns them.
    :param text: everything that was printed.
    """

    def __init__(self, returned: Any, text: str) -> None:
        assert isinstance(returned, dict), f"no states were run: {returned}"
        self.text = text
        self._states = {key.split("_|-")[1]: state for key, state in returned.items()}

    def __repr__(self) -> str:
        told = {key: (one["result"], one["comment"], one["changes"]) for key, one in self._states.items()}
        return textwrap.indent(json.dumps(told, indent=1), "  ")

    @property
    def well(self) -> bool:
        """Whether all states succeeded (or would, in a test)."""
        return all(one["result"] is not False for one in self._states.values())

    @property
    def changed(self) -> set[str]:
        """The ids of the states that changed something, or would."""
        return {key for key, one in self._states.items() if one["changes"]}

    def comments(self) -> str:
        """Return the comments of the states."""
        return "\n".join(str(one["comment"]) for one in self._states.values())

    def failed(self) -> str:
        """Return the names and comments of the states that failed."""
        return "\n".join(f"{one['name']}: {one['comment']}" for one in self._states.values() if one["result"] is False)


def short_folder() -> Path:
    """Return a new folder with a name so short that paths of sockets fit."""
    folder = Path(f"/tmp/ef-{os.getpid()}-{time.monotonic_ns() % 10**6}")
    folder.mkdir()
    return folder
