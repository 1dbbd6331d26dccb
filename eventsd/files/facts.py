"""
What ``map.jinja`` asks at each rendering: is the pillar right, and what is there on this machine.

Reads a question as JSON from its standard input and prints the answer as JSON. Runs in the minion's Python.
"""

from __future__ import annotations

import copy
import grp
import json
import pwd
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import salt.config
import salt.utils.yaml

#: Workers whose backend brings a client library of its own; the extra is called like the worker's module.
BACKENDS = ("central", "elasticsearch", "http", "mongo", "nats", "redis")
_FIXED = (("eventsd", "spool", "dir"), ("eventsd", "state_file"))
_SERVERS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
_NO_PILLAR = "eventsd: there is no such pillar for this minion; expected one, such as eventsd: {} for all defaults"
_EXPECTED = {bool: "true or false", list: "a list", str: "text", type(None): "text"}


def main() -> None:
    """Answer one question."""
    asked = json.load(sys.stdin)
    json.dump(answer(asked), sys.stdout)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """
    Return what the states need to know.

    :param asked: what ``map.jinja`` knows.
    """
    settings = copy.deepcopy(asked["settings"])
    # Whoever cleans up may have taken the pillar away already.
    problems = [] if asked["there_is_a_pillar"] else [_NO_PILLAR]
    eventsd = {} if asked["pillar"] is None else asked["pillar"]
    if not isinstance(eventsd, dict):
        problems.append(f"eventsd: expected a mapping in pillar, got {_kind(eventsd)}")
        eventsd = {}
    problems += overlay(settings, eventsd.get("lookup"))
    eventsd = {key: value for key, value in eventsd.items() if key != "lookup"}
    package = settings["package"]
    writers, wrong = writers_of(asked.get("writers"))
    problems += wrong
    needed = set().union(backends_of(eventsd), {"nats"} if writers else (), *map(backends_of, writers.values()))
    package["extras"] = sorted({*map(str, package["extras"]), *needed})
    config = {"engines": ["eventsd"], "eventsd": eventsd}
    python = python_of(package["pip_bin"])
    found = {
        "settings": settings,
        "config": config,
        "problems": problems,
        "python": python,
        "scripts": asked["scripts"],
        "minion": asked["minion"],
        "local": asked["local"],
        "wrong": "",
        "writers": sorted(writers),
        "database": database_of(eventsd, settings["database"]["worker"]),
        **of_the_master(Path(settings["config"]["file"]), config),
    }
    settings["config"]["user"] = settings["config"]["user"] or found["user"]
    settings["config"]["group"] = settings["config"]["group"] or group_of(settings["config"]["user"])
    if found["engines_elsewhere"]:
        # Salt replaces a list of its main file by that of an included one.
        file = Path(settings["config"]["file"])
        problems.append(
            f"engines: {', '.join(found['engines_elsewhere'])} in {found['conf_dir']}/master would be replaced by"
            f" {file}; move them to a file of their own in {file.parent}"
        )
    if asked["test"] and not problems:
        found["wrong"] = checked(asked, found)
    # What states hand on to scripts, without a secret in it.
    found["brief"] = {
        "settings": {**settings, "package": {"name": package["name"]}},
        **{key: found[key] for key in ("conf_dir", "minion", "local", "config_changes", "config_restarts")},
        "package_changes": False,
    }
    return found


def overlay(settings: dict[str, Any], lookup: Any) -> list[str]:
    """
    Put ``lookup`` over the defaults and return what is wrong with it.

    :param settings: the defaults; changed in place.
    :param lookup: of the pillar.
    """
    problems = []
    lookup = {} if lookup is None else lookup
    if not isinstance(lookup, dict):
        return [f"eventsd: lookup: expected a mapping, got {_kind(lookup)}"]
    for part, options in lookup.items():
        if part not in settings:
            problems.append(f"eventsd: lookup.{part}: unknown; expected one of {', '.join(settings)}")
        elif not isinstance(options or {}, dict):
            problems.append(f"eventsd: lookup.{part}: expected a mapping, got {_kind(options)}")
        else:
            problems += _overlay_part(settings[part], part, options or {})
    return problems


def _overlay_part(defaults: dict[str, Any], part: str, options: dict[str, Any]) -> list[str]:
    problems = []
    for key, value in options.items():
        if key not in defaults:
            problems.append(f"eventsd: lookup.{part}.{key}: unknown; expected one of {', '.join(defaults)}")
            continue
        kind = type(defaults[key])
        if value is None:
            continue
        if kind in (str, type(None)) and isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str if kind is type(None) else kind):
            problems.append(f"eventsd: lookup.{part}.{key}: expected {_EXPECTED[kind]}, got {_kind(value)}")
        else:
            defaults[key] = value
    return problems


def writers_of(given: Any) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """
    Return the writers of this machine by name, and what is wrong with the pillar that names them.

    :param given: the pillar ``eventsd_writers``.
    """
    if given is None:
        return {}, []
    if not isinstance(given, dict):
        return {}, [f"eventsd_writers: expected a mapping of names to configurations, got {_kind(given)}"]
    problems = []
    for name, block in given.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", str(name)):
            problems.append(f"eventsd_writers: expected names of letters, digits, - and _, got {name!r}")
        elif not isinstance(block, dict):
            problems.append(f"eventsd_writers.{name}: expected a mapping such as source: ..., got {_kind(block)}")
    return ({} if problems else {str(name): block for name, block in given.items()}), problems


def backends_of(eventsd: dict[str, Any]) -> set[str]:
    """
    Return the extras that the pillar's workers need.

    :param eventsd: the pillar without ``lookup``.
    """
    workers = eventsd.get("workers")
    blocks = workers.values() if isinstance(workers, dict) else ()
    return {str(one.get("module")) for one in blocks if isinstance(one, dict)}.intersection(BACKENDS)


def database_of(eventsd: dict[str, Any], name: str) -> dict[str, str]:
    """
    Return the database that a worker writes to, in parts, for :file:`database/`; ``kind`` is "" if it is none of a
    server's.

    :param eventsd: the pillar without ``lookup``.
    :param name: the worker's.
    """
    workers, defaults = eventsd.get("workers"), eventsd.get("defaults")
    block = workers.get(name) if isinstance(workers, dict) else None
    parts = {**(defaults if isinstance(defaults, dict) else {}), **(block if isinstance(block, dict) else {})}
    if parts.get("module", "sql") != "sql":
        return {"kind": ""}
    if "url" in parts:
        url = urlsplit(str(parts["url"]))
        parts = {
            **parts,
            "driver": url.scheme,
            "host": url.hostname or parts.get("host", ""),
            "user": unquote(url.username or "") or parts.get("user", ""),
            "password": unquote(url.password or "") or parts.get("password", ""),
            "database": unquote(url.path[1:]) or parts.get("database", ""),
        }
    found = {key: str(parts.get(key) or "") for key in ("host", "user", "password", "database")}
    kind = _SERVERS.get(str(parts.get("driver") or "").partition("+")[0], "")
    is_here = found["host"] in ("", "localhost", "127.0.0.1", "::1")
    whole = all(found[key] for key in ("user", "password", "database"))
    return {**found, "kind": kind if whole else "", "client": "localhost" if is_here else "%"}


def python_of(pip_bin: str | None) -> str:
    """
    Return the Python that the master runs on: this one, unless the pillar names another one's pip.

    :param pip_bin: ``lookup.package.pip_bin``. Salt's own packages have their Python in ``bin/`` beside ``salt-pip``.
    """
    folder = Path(pip_bin).parent if pip_bin else None
    for candidate in (folder / "bin" / "python3", folder / "python3") if folder else ():
        if candidate.is_file():
            return str(candidate)
    return sys.executable


def of_the_master(file: Path, config: dict[str, Any]) -> dict[str, Any]:
    """
    Return what is known of the master whose config file is to be written.

    :param file: the config file.
    :param config: what is to be in it.
    """
    folder = file.parent.parent
    main_file = folder / "master"
    mine, there = _loaded(main_file).get("engines"), _loaded(file)
    names = [str(next(iter(one), "")) if isinstance(one, dict) else str(one) for one in mine or ()]
    return {
        "conf_dir": str(folder),
        "user": str(salt.config.master_config(str(main_file)).get("user") or "root"),
        "engines_elsewhere": [name for name in names if name != "eventsd"],
        "config_changes": there != config,
        # What an engine that runs does not change: eventsd.reload says the same.
        "config_restarts": any(_at(there, *path) != _at(config, *path) for path in _FIXED),
    }


def _at(config: Any, *path: str) -> Any:
    for key in path:
        config = config.get(key) if isinstance(config, dict) else None
    return config


def _loaded(path: Path) -> dict[str, Any]:
    try:
        found = salt.utils.yaml.safe_load(path.read_text(encoding="utf-8"))
    except Exception:  # whatever is wrong with what is there, it is not what is wanted
        return {}
    return found if isinstance(found, dict) else {}


def group_of(user: str) -> str:
    """
    Return a user's own group; root's for one who is not there, whom the state that writes the file will name.

    :param user: a user's name.
    """
    try:
        return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        return "root"


def checked(asked: dict[str, Any], found: dict[str, Any]) -> str:
    """
    Return what is wrong with the config, as far as the package that is installed can tell; for ``test=True``, where the
    file that would be checked is not written.
    """
    file = found["settings"]["config"]["file"]
    command = [found["python"], asked["scripts"]["engine"], "check", found["conf_dir"], found["user"], file]
    done = subprocess.run(command, input=json.dumps(found["config"]), capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 1 else ""


def _kind(value: Any) -> str:
    return {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number"}.get(
        type(value), type(value).__name__
    )


if __name__ == "__main__":
    main()
