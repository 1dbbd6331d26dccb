"""What the formula makes of pillar: defaults, what is wrong with it, extras, the database's parts."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from salt_eventsd import backends
from salt_eventsd.engine import reload
from tests.support.docs import ROOT

_DEFAULTS = yaml.safe_load((ROOT / "eventsd" / "defaults.yaml").read_text(encoding="utf-8"))


def script(name: str) -> ModuleType:
    """Return a script of the formula as a module."""
    spec = importlib.util.spec_from_file_location(f"formula_{name}", ROOT / "eventsd" / "files" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


facts = script("facts")
package = script("package")


def test_pillar_comes_over_the_defaults() -> None:
    # Given the defaults
    settings = copy.deepcopy(_DEFAULTS)
    # When pillar says something of each kind
    problems = facts.overlay(
        settings,
        {
            "package": {"version": 1.5, "extras": ["nats"], "upgrade": True, "source": None},
            "service": {"manage": False},
        },
    )
    # Then that holds, a version in numbers is text, and all else is as it was
    assert problems == []
    assert settings["package"] == {**_DEFAULTS["package"], "version": "1.5", "extras": ["nats"], "upgrade": True}
    assert settings["service"] == {**_DEFAULTS["service"], "manage": False}
    assert settings["config"] == _DEFAULTS["config"]


@pytest.mark.parametrize(
    ("lookup", "problem"),
    [
        pytest.param([1], "eventsd: lookup: expected a mapping, got a list", id="list"),
        pytest.param({"pkg": {}}, "eventsd: lookup.pkg: unknown; expected one of package, ", id="unknown-part"),
        pytest.param({"package": []}, None, id="empty-part"),
        pytest.param({"package": "x"}, "eventsd: lookup.package: expected a mapping, got text", id="text-part"),
        pytest.param(
            {"package": {"sauce": 1}}, "eventsd: lookup.package.sauce: unknown; expected one of", id="unknown"
        ),
        pytest.param({"package": {"extras": "redis"}}, "lookup.package.extras: expected a list, got text", id="text"),
        pytest.param({"service": {"manage": "no"}}, "lookup.service.manage: expected true or false, got", id="bool"),
        pytest.param({"package": {"source": ["x"]}}, "lookup.package.source: expected text, got a list", id="null"),
        pytest.param({"config": {"mode": True}}, "lookup.config.mode: expected text, got true or false", id="mode"),
    ],
)
def test_what_is_wrong_with_lookup_is_told_by_its_key(lookup: Any, problem: str | None) -> None:
    # Given the defaults, when pillar is wrong
    problems = facts.overlay(copy.deepcopy(_DEFAULTS), lookup)
    # Then one line names the key and what would be right
    assert len(problems) == (problem is not None)
    assert all(problem in one for one in problems if problem)


def test_extras_are_those_of_the_workers() -> None:
    # Given workers of several kinds, one of them wrong
    workers = {"a": {"module": "redis"}, "b": {"module": "sql"}, "c": {}, "d": None, "e": {"module": "http"}}
    # When the extras are looked for, then they are those of backends with a library of their own
    assert facts.backends_of({"workers": workers}) == {"redis", "http"}
    assert facts.backends_of({"workers": [1]}) == set()


def test_what_the_formula_knows_of_the_package_is_so() -> None:
    # Given a script that runs where the package may not be installed, when the package is asked, then both agree
    assert set(facts.BACKENDS) == backends.EXTRAS
    assert {".".join(path) for path in facts._FIXED} == {f"eventsd.{key}" for key in reload.FIXED}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        pytest.param(
            {"url": "postgresql+psycopg2://salt:p%40ss@db/history"},
            {
                "kind": "postgresql",
                "host": "db",
                "user": "salt",
                "password": "p@ss",
                "database": "history",
                "client": "%",
            },
            id="url",
        ),
        pytest.param(
            {"driver": "mariadb", "host": "localhost", "database": "salt"},
            {
                "kind": "mysql",
                "host": "localhost",
                "user": "u",
                "password": "p",
                "database": "salt",
                "client": "localhost",
            },
            id="parts-and-defaults",
        ),
        pytest.param({"url": "sqlite:////tmp/x.db"}, {"kind": ""}, id="file"),
        pytest.param({"module": "redis", "host": "x"}, {"kind": ""}, id="no-database"),
    ],
)
def test_the_database_of_a_worker_in_parts(block: dict[str, Any], expected: dict[str, str]) -> None:
    # Given a worker and what is common to all, when its database is asked for
    found = facts.database_of({"workers": {"history": block}, "defaults": {"user": "u", "password": "p"}}, "history")
    # Then it is told in parts
    assert {key: found[key] for key in expected} == expected


def test_what_is_asked_of_pip() -> None:
    # Given all ways to name a package, when pip is asked for it, then it is spelled so that extras come along
    base = {**_DEFAULTS["package"], "extras": ["nats", "redis"]}
    assert package.requirement_of(base) == "salt-eventsd[nats,redis]>=1.0"
    assert package.requirement_of({**base, "name": "our-eventsd"}) == "our-eventsd[nats,redis]"
    assert package.requirement_of({**base, "version": "1.0"}) == "salt-eventsd[nats,redis]==1.0"
    assert package.requirement_of({**base, "source": "/srv/x.whl"}) == "/srv/x.whl[nats,redis]"
    assert package.requirement_of({**base, "source": "https://x/y.whl"}) == "salt-eventsd[nats,redis] @ https://x/y.whl"


@pytest.mark.parametrize(
    ("version", "told"),
    [
        pytest.param("0.9.3", "version 0.9.3 is the old daemon", id="daemon"),
        pytest.param("1.0.0.dev0", "", id="development"),
        pytest.param("1.0.0", "", id="engine"),
    ],
)
def test_the_old_daemon_is_not_the_engine(
    version: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a package of that name and version
    folder = tmp_path / f"salt_eventsd-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: salt-eventsd\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    # When the package index shall do, then only the daemon has to be replaced
    assert package.reason(_DEFAULTS["package"]) == told


def test_a_folder_is_another_one_when_its_files_are(tmp_path: Any) -> None:
    # Given a folder with a module, and what a build leaves beside it
    (tmp_path / "a.py").write_text("1")
    before = package.digest(tmp_path)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "a.py").write_text("1")
    built = package.digest(tmp_path)
    # When the module changes
    (tmp_path / "a.py").write_text("2")
    # Then that is seen, and what a build leaves is not
    assert before == built != package.digest(tmp_path)


def test_a_missing_pip_says_what_to_install(tmp_path: Any) -> None:
    # Given a pip_bin that is not there, when pip is looked for, then the key is named
    with pytest.raises(RuntimeError, match=r"lookup\.package\.pip_bin: there is no program"):
        package.pip_of({**_DEFAULTS["package"], "pip_bin": str(tmp_path / "pip")})


def test_the_example_pillar_has_every_key_of_lookup() -> None:
    # Given the pillar that is shown, when its lookup is read
    lookup = yaml.safe_load((ROOT / "pillar.example").read_text(encoding="utf-8"))["eventsd"]["lookup"]
    # Then it has every key that there is, and only right ones
    assert {part: set(options) for part, options in lookup.items()} == {
        part: set(options) for part, options in _DEFAULTS.items()
    }
    assert facts.overlay(copy.deepcopy(_DEFAULTS), lookup) == []
