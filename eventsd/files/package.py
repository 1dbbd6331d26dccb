"""
Install and remove the package with the pip of Salt's own Python, and only if it is not as it should be.

``package.py install [--test]`` reads ``lookup.package`` as JSON from its standard input, ``package.py remove [--test]``
likewise. Prints what a stateful ``cmd.run`` expects. Runs in the master's Python.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

#: Beside an installed package: what a folder held when it was installed. pip itself remembers that of archives only.
_STAMP = "eventsd_source.json"
#: What has this name in a lower version is the daemon that the engine succeeds; a package index may have only that.
_ENGINE, _FIRST_ENGINE = "salt-eventsd", "1.0"
_SKIPPED = {".git", ".venv", ".tox", ".build", "__pycache__", "build", "dist"}
_SECRET_IN_URL = re.compile(r"//[^/@\s]*@")


def main() -> int:
    """Do what the arguments say; the exit code is that of the state."""
    verb, is_test = sys.argv[1], "--test" in sys.argv
    wanted = json.load(sys.stdin)
    try:
        changes, comment = {"install": install, "remove": remove}[verb](wanted, is_test)
    except RuntimeError as exc:
        print(json.dumps({"changed": False, "comment": _SECRET_IN_URL.sub("//***@", str(exc))}))
        return 1
    print(json.dumps({"changed": bool(changes), "comment": comment, **changes}))
    return 0


def install(wanted: dict[str, Any], is_test: bool) -> tuple[dict[str, Any], str]:
    """
    Install what is wanted.

    :param wanted: ``lookup.package``.
    :param is_test: only say what would happen.
    :returns: changes, and a comment.
    :raises RuntimeError: pip is missing, or cannot.
    """
    before = version_of(wanted["name"])
    if not (why := reason(wanted)):
        return {}, f"{wanted['name']} {before} is installed, as it should be"
    requirement = requirement_of(wanted)
    shown = _SECRET_IN_URL.sub("//***@", requirement)
    if is_test:
        return {"old": before, "new": shown}, f"{shown} would be installed: {why}"
    pip = pip_of(wanted)
    # pip leaves a folder behind that holds a file it does not know, and that would be taken for the package.
    _forget(wanted["name"])
    # salt-pip installs beside what is there, and replaces nothing unless told to.
    replaced = ["--upgrade"] if wanted["upgrade"] or before else []
    _run([*pip, "install", *replaced, *_system_args(pip), *wanted["pip_args"], requirement], shown)
    if before and wanted["source"] and not Path(wanted["source"]).is_dir():
        # pip takes an archive of the same version for the one that is there.
        again = ["--force-reinstall", "--no-deps", *_system_args(pip), *wanted["pip_args"]]
        _run([*pip, "install", *again, requirement], shown)
    _remember(wanted)
    after = version_of(wanted["name"])
    if not after:
        raise RuntimeError(f"{shown} was installed by {' '.join(pip)}, but {sys.executable} does not find it")
    if missing := reason({**wanted, "upgrade": False}):
        raise RuntimeError(f"{shown} was installed, but {missing}")
    return {"old": before, "new": after}, f"installed {wanted['name']} {after}"


def remove(wanted: dict[str, Any], is_test: bool) -> tuple[dict[str, Any], str]:
    """
    Remove the package; what it brought along stays, for others may use it.

    :param wanted: ``lookup.package``.
    :param is_test: only say what would happen.
    """
    before = version_of(wanted["name"])
    if not before:
        return {}, f"{wanted['name']} is not installed"
    if is_test:
        return {"old": before, "new": ""}, f"{wanted['name']} {before} would be removed"
    pip = pip_of(wanted)
    _forget(wanted["name"])
    _run([*pip, "uninstall", "--yes", *_system_args(pip), wanted["name"]], wanted["name"])
    return {"old": before, "new": ""}, f"removed {wanted['name']} {before}"


def reason(wanted: dict[str, Any]) -> str:
    """
    Return why the package has to be installed, "" if it need not be.

    :param wanted: ``lookup.package``.
    """
    name, version = wanted["name"], wanted["version"]
    found = version_of(name)
    if not found:
        return "it is not installed"
    if version and not _same_version(found, version):
        return f"version {found} is installed, not {version}"
    if _is_old_daemon(name, found):
        return f"version {found} is the old daemon"
    if missing := missing_requirements(name, wanted["extras"]):
        return f"it needs {', '.join(missing)}"
    if wanted["source"]:
        return "" if _is_from(name, wanted["source"]) else f"what is installed is not from {_basename(wanted)}"
    if wanted["upgrade"] and (newer := newest(wanted)):
        return f"{newer} is newer than {found}"
    return ""


def version_of(name: str) -> str:
    """Return the installed version, "" if it is not installed."""
    importlib.invalidate_caches()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def missing_requirements(name: str, extras: list[str]) -> list[str]:
    """
    Return which of its requirements are not met.

    :param name: of the package.
    :param extras: those that are wanted.
    """
    from packaging.requirements import Requirement

    missing = []
    for line in importlib.metadata.requires(name) or ():
        requirement = Requirement(line)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": one}) for one in ("", *extras)):
            continue
        found = version_of(requirement.name)
        if not found or not requirement.specifier.contains(found, prereleases=True):
            missing.append(f"{requirement.name}{requirement.specifier}")
    return missing


def newest(wanted: dict[str, Any]) -> str:
    """Return the version that pip would replace the installed one by, "" if it has none."""
    pip = pip_of(wanted)
    command = [*pip, "install", "--dry-run", "--quiet", "--upgrade", "--report", "-", *_system_args(pip)]
    done = _run([*command, *wanted["pip_args"], requirement_of(wanted)], wanted["name"])
    name = _normal(wanted["name"])
    planned = [one["metadata"] for one in json.loads(done)["install"]]
    versions = [str(one["version"]) for one in planned if _normal(one["name"]) == name]
    return "".join(one for one in versions if not _same_version(one, version_of(wanted["name"])))


def requirement_of(wanted: dict[str, Any]) -> str:
    """Return what is asked of pip."""
    extras = f"[{','.join(wanted['extras'])}]" if wanted["extras"] else ""
    if source := wanted["source"]:
        return f"{source}{extras}" if "://" not in source else f"{wanted['name']}{extras} @ {source}"
    lowest = f">={_FIRST_ENGINE}" if _normal(wanted["name"]) == _ENGINE else ""
    return f"{wanted['name']}{extras}" + (f"=={wanted['version']}" if wanted["version"] else lowest)


def pip_of(wanted: dict[str, Any]) -> list[str]:
    """
    Return the command that is this Python's pip.

    :raises RuntimeError: there is none.
    """
    if given := wanted["pip_bin"]:
        if not os.access(given, os.X_OK):
            raise RuntimeError(f"eventsd: lookup.package.pip_bin: there is no program {given}")
        return [given]
    # The Python of Salt's own packages: salt-pip installs where updates of Salt leave it alone.
    onedir = getattr(sys, "RELENV", None)
    if onedir and os.access(Path(onedir) / "salt-pip", os.X_OK):
        return [str(Path(onedir) / "salt-pip")]
    if importlib.util.find_spec("pip") is None:
        raise RuntimeError(
            f"{sys.executable} has no pip: install {wanted['pip_package']}, or say in"
            " eventsd: lookup.package.pip_bin which pip to use"
        )
    return [sys.executable, "-m", "pip"]


def _system_args(pip: list[str]) -> list[str]:
    """A distribution's own Python takes packages only from whoever says that it may break."""
    marker = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    own = pip[0] == sys.executable and sys.prefix == sys.base_prefix and marker.exists()
    return ["--break-system-packages"] if own else []


def _run(command: list[str], what: str) -> str:
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[-5:]
        raise RuntimeError(f"{what} cannot be had by {command[0]}: {' '.join(told) or done.stdout[-500:]}")
    return done.stdout


def _is_from(name: str, source: str) -> bool:
    """Whether what is installed came from this source as it is now."""
    record = importlib.metadata.distribution(name).read_text("direct_url.json")
    if not record:
        return False
    url = json.loads(record)
    if "://" in source:
        return bool(_SECRET_IN_URL.sub("//", url["url"]) == _SECRET_IN_URL.sub("//", source.partition("#")[0]))
    installed_from = unquote(urlsplit(url["url"]).path)
    if os.path.realpath(installed_from) != os.path.realpath(source):
        return False
    stamp = _stamp(name)
    try:
        return stamp is not None and json.loads(stamp.read_text(encoding="utf-8")) == {"sha256": digest(Path(source))}
    except (OSError, ValueError):
        return False


def _remember(wanted: dict[str, Any]) -> None:
    source, stamp = wanted["source"], _stamp(wanted["name"])
    if source and "://" not in source and stamp:
        stamp.write_text(json.dumps({"sha256": digest(Path(source))}), encoding="utf-8")


def _forget(name: str) -> None:
    if version_of(name) and (stamp := _stamp(name)):
        stamp.unlink(missing_ok=True)


def _stamp(name: str) -> Path | None:
    importlib.invalidate_caches()
    files = importlib.metadata.files(name) or ()
    folder = next((Path(str(one.locate())).parent for one in files if one.name == "METADATA"), None)
    return folder / _STAMP if folder else None


def digest(source: Path) -> str:
    """
    Return the digest of a wheel, or of all that is in a folder but what building and version control leave there.

    :param source: the wheel or folder.
    """
    found = hashlib.sha256()
    if source.is_file():
        found.update(source.read_bytes())
        return found.hexdigest()
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(one for one in folders if one not in _SKIPPED and not one.endswith(".egg-info"))
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file():
                found.update(f"{path.relative_to(source)}\0{path.stat().st_size}\0".encode())
                found.update(path.read_bytes())
    return found.hexdigest()


def _basename(wanted: dict[str, Any]) -> str:
    return _SECRET_IN_URL.sub("//***@", wanted["source"])


def _is_old_daemon(name: str, version: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return _normal(name) == _ENGINE and Version(version).release < Version(_FIRST_ENGINE).release
    except InvalidVersion:
        return False


def _same_version(one: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
