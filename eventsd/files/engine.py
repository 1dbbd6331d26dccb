"""
Check a config before it replaces the running one, and bring the engine to it: by a reload where that is enough, by a
restart of the master where it must be.

``engine.py check CONF_DIR USER FILE [NEW]`` checks what would replace a config file, from ``NEW`` or standard input;
``look CONF_DIR`` prints
what there is. ``apply``, ``clean`` and ``restart`` read what ``map.jinja`` found as JSON from standard input; the first
two print what a stateful ``cmd.run`` expects, with ``--test`` of what would happen. Runs in the master's Python.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import salt.config
import salt.loader
import salt.utils.user

#: The job's own return has to reach the master before the master goes away.
_RETURN_SECONDS = 5.0
#: Longer than any highstate should take.
_JOB_SECONDS = 3600.0
#: How long a master and its engine may take to come back.
_BACK_SECONDS = 90.0
_RECORD = "eventsd-formula.json"

Found = dict[str, Any]


def main() -> int:
    """Do what the arguments say; the exit code is that of the state."""
    verb = sys.argv[1]
    if verb == "check":
        return check(Path(sys.argv[2]), *sys.argv[3:])
    if verb == "look":
        return look(Path(sys.argv[2]))
    found = json.load(sys.stdin)
    if verb == "restart":
        return restart(found)
    act: Callable[[Found, bool], dict[str, Any]] = {"apply": apply, "clean": clean}[verb]
    told = act(found, "--test" in sys.argv)
    print(json.dumps({"changed": False, **told, "failed": None}))
    return 1 if told.get("failed") else 0


def check(conf_dir: Path, user: str, file: str, new: str = "") -> int:
    """
    Print what is wrong with a config; 1 if anything is. A database that is away is not wrong.

    :param conf_dir: the master's.
    :param user: whom the engine will run as; what root may do says little.
    :param file: the config file.
    :param new: a file with what it is to hold, "" for standard input.
    """
    text = Path(new).read_text(encoding="utf-8") if new else sys.stdin.read()
    if os.geteuid() == 0 and user != "root":
        salt.utils.user.chugid(user)
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as checked:
        checked.write(text)
        checked.flush()
        runners = _runners(conf_dir)
        if "eventsd.check" not in runners:
            print("eventsd.check is not there: salt-eventsd is not installed, or its runner was not synced")
            return 2
        told = runners["eventsd.check"](config=checked.name, replaces=file)
    if told["retcode"] < 2:
        return 0
    print("\n".join(told["problems"]))
    return 1


def look(conf_dir: Path) -> int:
    """
    Print whether an engine runs, and which files it keeps: what nobody can tell any more once its config is gone.

    :param conf_dir: the master's.
    """
    running = bool(_status({"conf_dir": str(conf_dir)}).get("running"))
    print(json.dumps({"running": running, "data": _data_of(conf_dir)}))
    return 0


def apply(found: Found, is_test: bool) -> dict[str, Any]:
    """
    Bring the engine to what is on disk.

    :param found: from ``map.jinja``; in a test ``config_changes`` says that the file would be another one.
    :param is_test: only say what would happen.
    :returns: ``changed``, ``comment``, ``failed``.
    """
    record = _record(found)
    if record.get("pid") and _is_alive(record["pid"]):
        return {"comment": "the master's restart is on its way already"}
    due, why = _due(found, is_test)
    if not due:
        return {"comment": why}
    if not found["settings"]["service"]["manage"]:
        verb = "salt-run eventsd.reload" if due == "reload" else f"a restart of {found['settings']['service']['name']}"
        return {"comment": f"{why}; service.manage is false, so this is due by hand: {verb}"}
    if is_test:
        done = "the engine would be reloaded" if due == "reload" else "the master would be restarted"
        return {"changed": True, "comment": f"{why}: {done}", due: why}
    if due == "reload":
        told = _runners(Path(found["conf_dir"]))["eventsd.reload"]()
        if told["retcode"] == 2:
            return {"failed": True, "comment": "\n".join(told.get("problems") or [told.get("problem", "")])}
        notes = [note for note in told.get("notes", ()) if "when the master is restarted" in note]
        if not notes:
            return {"changed": True, "comment": "the engine was reloaded", "reload": why}
        why = "; ".join(notes)
    elif record.get("failed", 0) > _disk_time(found):
        return {
            "failed": True,
            "comment": f"{record['comment']}. Nothing has changed since, so the master is not restarted again",
        }
    return _restart_when_due(found, why)


def clean(found: Found, is_test: bool) -> dict[str, Any]:
    """
    End the engine that still runs once its config is gone, and remove what it has kept if that is wanted.

    :param found: from ``map.jinja``.
    :param is_test: only say what would happen.
    :returns: ``changed``, ``comment``, ``failed``.
    """
    data, running = [path for path in found["data"] if os.path.exists(path)], found["running"]
    if not running and not data:
        return {"comment": "no engine runs, and there is nothing to remove"}
    todo = (["the master is restarted, to end the engine"] if running else []) + [f"{one} is removed" for one in data]
    if running and not found["settings"]["service"]["manage"]:
        return {"comment": f"service.manage is false, so this is due by hand: {', then '.join(todo)}"}
    if is_test:
        return {"changed": True, "comment": ", then ".join(todo), "clean": todo}
    if running:
        return _restart_when_due({**found, "remove": data}, "the engine is to end")
    return {"changed": True, "comment": ", ".join(todo), "removed": _remove(data)}


def restart(found: Found) -> int:
    """
    Restart the master once the job that asked for it is over, and remember how that went.

    :param found: as given to ``apply``, with ``job``, the file that is there as long as the job is.
    """
    _remember(found, {"pid": os.getpid()})
    until = time.monotonic() + _JOB_SECONDS
    while found["job"] and os.path.exists(found["job"]) and time.monotonic() < until:
        time.sleep(0.5)
    time.sleep(_RETURN_SECONDS)
    comment = _restarted(found)
    _remember(found, {"failed": time.time(), "comment": comment} if comment else {})
    return 1 if comment else 0


def _restart_when_due(found: Found, why: str) -> dict[str, Any]:
    """At once where no master waits for this job's return, else when the job is over."""
    if found["local"]:
        comment = _restarted(found)
        _remember(found, {"failed": time.time(), "comment": comment} if comment else {})
        if comment:
            return {"failed": True, "comment": comment}
        return {"changed": True, "comment": f"{why}: the master was restarted", "restart": why}
    given = json.dumps({**found, "job": _job_file(found)})
    with tempfile.TemporaryFile("w+", encoding="utf-8") as text:
        text.write(given)
        text.seek(0)
        # Neither the end of the job nor that of the minion may take it along.
        subprocess.Popen(
            [sys.executable, __file__, "restart"],
            stdin=text,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
    return {"changed": True, "comment": f"{why}: the master restarts when this job is over", "restart": why}


def _restarted(found: Found) -> str:
    """Restart the master now; return why it, or its engine, did not come back."""
    name, asked = found["settings"]["service"]["name"], time.time()
    opts = salt.config.minion_config(found["minion"]["conf_file"])
    opts["file_client"] = "local"
    opts["grains"] = salt.loader.grains(opts)
    functions = salt.loader.minion_mods(opts)
    try:
        if "service.restart" not in functions:
            return f"this machine has no service manager that Salt knows, so {name} cannot be restarted"
        if not functions["service.restart"](name):
            return f"service.restart of {name} failed"
    except Exception as exc:  # whatever the service manager says
        return f"service.restart of {name} failed: {exc}"
    if "remove" in found:
        _remove(found["remove"])
        return ""
    told: dict[str, Any] = {}
    while time.time() < asked + _BACK_SECONDS:
        told = _status(found)
        if told.get("running") and _engine(found).get("started", 0) >= asked:
            return ""
        time.sleep(1)
    why = "; ".join(told.get("notes", ()))
    return f"{name} was restarted, but no engine has come up within {_BACK_SECONDS:.0f} s: {why}"


def _due(found: Found, is_test: bool) -> tuple[str, str]:
    """Return "restart", "reload" or "", and why."""
    file = found["settings"]["config"]["file"]
    if is_test and found["package_changes"]:
        return "restart", "the package changes"
    told, engine = _compared(found), _engine(found)
    if not told:
        return "restart", "no engine runs"
    name = found["settings"]["package"]["name"]
    if _installed_at(name) > engine.get("started", 0):
        return "restart", f"the engine was started before {name} {metadata.version(name)} was installed"
    if is_test and found["config_changes"]:
        return ("restart" if found["config_restarts"] else "reload"), f"{file} changes"
    if told.get("same"):
        return "", f"the engine runs with {file} as it is"
    differs = ", ".join(told.get("differs", ())) or "an engine that is idle"
    if told.get("restart"):
        return "restart", f"{file} has changed: {differs}"
    return "reload", f"{file} has changed: {differs}"


def _compared(found: Found) -> dict[str, Any]:
    """What the engine says of the configuration on disk and its own; {} if there is none."""
    from salt_eventsd.config.load import state_file
    from salt_eventsd.engine.control import ask, socket_path
    from salt_eventsd.exceptions import EventsdError

    try:
        return dict(ask(socket_path(state_file(_opts(Path(found["conf_dir"])))), "compare"))
    except EventsdError:
        return {}


def _installed_at(name: str) -> float:
    try:
        files = metadata.files(name) or ()
    except metadata.PackageNotFoundError:
        return 0.0
    return max((Path(str(one.locate())).stat().st_mtime for one in files if one.name == "METADATA"), default=0.0)


def _status(found: Found) -> dict[str, Any]:
    runners = _runners(Path(found["conf_dir"]))
    return dict(runners["eventsd.status"]()) if "eventsd.status" in runners else {}


def _engine(found: Found) -> dict[str, Any]:
    """What the engine itself has written down last."""
    from salt_eventsd.config.load import state_file

    try:
        return dict(json.loads(Path(state_file(_opts(Path(found["conf_dir"])))).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _disk_time(found: Found) -> float:
    file = Path(found["settings"]["config"]["file"])
    return file.stat().st_mtime if file.exists() else 0.0


def _opts(conf_dir: Path) -> dict[str, Any]:
    return dict(salt.config.master_config(str(conf_dir / "master")))


def _runners(conf_dir: Path) -> Any:
    return salt.loader.runner(_opts(conf_dir))


def _job_file(found: Found) -> str:
    """What Salt keeps in the minion's ``proc`` folder for as long as this job has not returned."""
    import salt.payload

    ancestors, pid = set(), os.getpid()
    while pid > 1:
        ancestors.add(pid)
        stat = Path(f"/proc/{pid}/stat")
        pid = (
            int(stat.read_text().rpartition(")")[2].split()[1])
            if stat.exists()
            else os.getppid() * (pid == os.getpid())
        )
    for path in Path(found["minion"]["cachedir"], "proc").glob("*"):
        try:
            if salt.payload.loads(path.read_bytes()).get("pid") in ancestors:
                return str(path)
        except Exception:  # a job that has just ended, or is just beginning
            continue
    return ""


def _data_of(conf_dir: Path) -> list[str]:
    """Return the files and folders of the engine that are there: spool, status, SQLite histories."""
    try:
        from sqlalchemy.engine import make_url

        from salt_eventsd.config.load import load
        from salt_eventsd.exceptions import ConfigError
    except ImportError:
        return []
    try:
        config = load(_opts(conf_dir))
    except ConfigError:
        return []
    state_file = config.general.state_file
    paths = [config.general.spool.dir, state_file, f"{state_file}.control", f"{state_file}.rules"]
    for worker in config.workers.values():
        url = str(worker.options.get("url", ""))
        if url.startswith("sqlite:"):
            file = make_url(url).database or ""
            paths += [file, f"{file}-wal", f"{file}-shm"]
    return [path for path in paths if path and os.path.exists(path)]


def _remove(paths: list[str]) -> list[str]:
    for path in paths:
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink(missing_ok=True)
    return paths


def _record(found: Found) -> dict[str, Any]:
    try:
        return dict(json.loads(Path(found["minion"]["cachedir"], _RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _remember(found: Found, what: dict[str, Any]) -> None:
    path = Path(found["minion"]["cachedir"], _RECORD)
    path.write_text(json.dumps(what), encoding="utf-8")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
