"""Salt's own loader finds our modules, and an operator's workers go before ours."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import salt.config
import salt.loader

from salt_eventsd.config import load as config_load
from salt_eventsd.exceptions import ConfigError, EventsdError
from salt_eventsd.operate import check, tap
from salt_eventsd.workers.load import load_modules, make
from salt_eventsd.workers.write import Context, Worker

_NUMBERS = itertools.count(1)
_WORKER = """
def worker(context):
    return Own()


class Own:
    origin = "{origin}"

    def write(self, batch):
        pass

    def check(self):
        return self.origin
"""


@pytest.fixture
def opts(tmp_path: Path) -> dict[str, Any]:
    """A master's options, nothing synced into it."""
    return {
        **salt.config.DEFAULT_MASTER_OPTS,
        "id": "master-1",
        "__role": "master",
        "root_dir": str(tmp_path),
        "cachedir": str(tmp_path / "cache"),
        "extension_modules": str(tmp_path / "extmods"),
    }


def _add(folder: Path, module: str, source: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    return folder


def _add_synced(opts: dict[str, Any], module: str, source: str) -> None:
    _add(Path(opts["extension_modules"]) / "eventsd_workers", module, source)


def _make(opts: dict[str, Any], module: str, **options: Any) -> Worker:
    return make(load_modules(opts), module, Context("history", options, "master-1", 1, opts))


def test_the_engine_is_found(opts: dict[str, Any]) -> None:
    # When
    engines = salt.loader.engines(opts, {}, {}, {})

    # Then
    assert "eventsd.start" in engines
    assert "engines: [eventsd" in engines["eventsd.start"].__doc__


def test_the_runner_is_found_and_runs(opts: dict[str, Any]) -> None:
    # When
    runners = salt.loader.runner(opts)
    answer = runners["eventsd.status"]()

    # Then
    assert {"eventsd.status", "eventsd.check"} <= set(runners)
    assert (answer["running"], answer["retcode"]) == (False, 2)


def test_the_helpers_of_a_module_are_not_offered(opts: dict[str, Any]) -> None:
    # When
    runners = {name for name in salt.loader.runner(opts) if name.startswith("eventsd.")}

    # Then
    assert not [name for name in runners if name.split(".")[1].startswith("_")]
    assert "eventsd.Path" not in runners


def test_our_workers_are_found(opts: dict[str, Any]) -> None:
    assert {"sql.worker", "noop.worker"} <= set(load_modules(opts))


def test_a_synced_worker_goes_before_ours(opts: dict[str, Any]) -> None:
    # Given
    _add_synced(opts, "noop", _WORKER.format(origin="synced"))

    # When / Then
    assert _make(opts, "noop").check() == "synced"


@pytest.mark.parametrize("as_list", [pytest.param(True, id="a-list"), pytest.param(False, id="one-folder")])
def test_a_worker_of_a_configured_folder_goes_before_ours(opts: dict[str, Any], tmp_path: Path, as_list: bool) -> None:
    # Given
    folder = str(_add(tmp_path / "workers", "noop", _WORKER.format(origin="configured")))
    opts["eventsd_workers_dirs"] = [folder] if as_list else folder

    # When / Then
    assert _make(opts, "noop").check() == "configured"


def test_a_synced_worker_goes_before_one_of_a_configured_folder(opts: dict[str, Any], tmp_path: Path) -> None:
    # Given
    _add_synced(opts, "mine", _WORKER.format(origin="synced"))
    opts["eventsd_workers_dirs"] = [str(_add(tmp_path / "workers", "mine", _WORKER.format(origin="configured")))]

    # When / Then
    assert _make(opts, "mine").check() == "synced"


def test_a_configured_folder_that_is_not_there_harms_nobody(opts: dict[str, Any], tmp_path: Path) -> None:
    # Given
    opts["eventsd_workers_dirs"] = [str(tmp_path / "nowhere")]

    # When / Then
    assert _make(opts, "noop").check() == "takes everything"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param("import no_such_library_anywhere", "no_such_library_anywhere", id="import"),
        pytest.param("def worker(context:", "broken_", id="syntax"),
        pytest.param("raise RuntimeError('at import')", "broken_", id="raises"),
        pytest.param("def __virtual__():\n    return False, 'needs a licence'", "needs a licence", id="virtual"),
        pytest.param("def other(context):\n    pass", "broken_", id="no-worker"),
        pytest.param("def worker(context):\n    import no_such_library", "no_such_library", id="import-when-made"),
        pytest.param("def worker(context):\n    raise KeyError('colour')", "KeyError: 'colour'", id="raises-when-made"),
        pytest.param("def worker(context):\n    return object()", "no write()", id="no-write"),
        pytest.param("def worker(context):\n    return None", "no write()", id="nothing"),
    ],
)
def test_a_broken_module_names_its_key_and_harms_no_other(opts: dict[str, Any], source: str, says: str) -> None:
    # Given: a name of its own, for Python keeps what a module of that name has defined before
    name = f"broken_{next(_NUMBERS)}"
    _add_synced(opts, name, source)
    modules = load_modules(opts)

    # When
    with pytest.raises(ConfigError) as caught:
        make(modules, name, Context("reports", {}, "master-1", 1, opts))

    # Then
    [problem] = caught.value.problems
    assert problem.startswith("eventsd: workers.reports.module: ")
    assert says in problem
    assert "\n" not in problem
    assert make(modules, "noop", Context("nothing", {}, "master-1", 1, opts))


def test_an_unknown_module_names_those_there_are(opts: dict[str, Any]) -> None:
    # When
    with pytest.raises(ConfigError) as caught:
        _make(opts, "sqll")

    # Then
    [problem] = caught.value.problems
    assert problem.startswith("eventsd: workers.history.module: no worker module 'sqll'")
    assert {"noop", "sql"} <= set(problem.rpartition("there are ")[2].split(", "))


def test_check_tells_of_a_broken_worker_and_of_the_others(opts: dict[str, Any]) -> None:
    # Given
    _add_synced(opts, "mine", "import no_such_library_anywhere")
    opts["eventsd"] = {"workers": {"reports": {"module": "mine"}, "nothing": {"module": "noop"}, "archive": {}}}
    opts["eventsd"]["events"] = {"all": {"tag": "salt/", "worker": ["reports", "nothing", "archive"]}}

    # When
    found = check.check(opts)

    # Then
    assert [problem.split(": ")[1] for problem in found["problems"]] == [
        "workers.reports.module",
        "workers.archive.url",
    ]
    assert found["workers"]["nothing"] == "takes everything"
    assert found["retcode"] == 2


def test_check_tells_of_a_folder_in_the_state_files_place(opts: dict[str, Any], tmp_path: Path) -> None:
    opts["eventsd"] = {"state_file": str(tmp_path)}

    found = check.check(opts)

    assert found["problems"] == [f"eventsd: state_file: {tmp_path} is a folder; expected a file in a folder"]
    assert found["retcode"] == 2


def test_tap_ends_where_there_is_no_bus(opts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a master that does not run
    monkeypatch.setattr(tap, "_CONNECT_SECONDS", 0.5)

    # When, Then
    with pytest.raises(EventsdError, match=r"no event bus in .*: is the salt-master running\?"):
        next(tap.watch(config_load.load(opts), {**opts, "__role": "master"}, tap.Filter(), None, None))


@pytest.mark.parametrize("options", ["abc", ["a"], 3])
def test_check_tells_of_options_under_engines_that_are_none(opts: dict[str, Any], options: Any) -> None:
    opts["engines"] = [{"eventsd": options}]

    found = check.check(opts)

    kind = type(options).__name__
    assert found["problems"] == [f"eventsd: engines: expected a mapping of the engine's options, got {kind}"]
    assert found["retcode"] == 2


def test_check_makes_nothing(opts: dict[str, Any], tmp_path: Path) -> None:
    # Given
    opts["cachedir"] = str(tmp_path / "cache")

    # When
    found = check.check(opts)

    # Then
    assert found["workers"] == {"history": "reachable, tables not made yet"}
    assert list(tmp_path.rglob("*")) == []


def test_check_tells_of_a_default_that_no_worker_knows(opts: dict[str, Any]) -> None:
    # Given: prefix is for the second alone
    opts["eventsd"] = {
        "defaults": {"usr": "salt", "prefix": "salt", "driver": "sqlite", "database": "/srv/none/history.db"},
        "workers": {"history": {}, "graphs": {"module": "graphite", "host": "127.0.0.1"}},
        "events": {"all": {"tag": "salt/", "worker": ["history", "graphs"]}},
    }

    # When
    found = check.check(opts)

    # Then
    [stray] = found["notes"]
    assert stray.startswith("eventsd: defaults.usr: no worker has such a key; known are ")
    assert stray.endswith("; did you mean 'user'?")
    assert not any("defaults" in problem for problem in found["problems"])


def test_a_worker_that_does_not_tell_its_options_may_know_any_default(opts: dict[str, Any]) -> None:
    _add_synced(opts, "mine", _WORKER.format(origin="mine"))
    opts["eventsd"] = {"defaults": {"usr": "salt"}, "workers": {"own": {"module": "mine"}}}

    assert check.check(opts)["notes"] == []
