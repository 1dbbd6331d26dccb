"""The formula without a master: each distribution, pillars of all kinds, and what is wrong with them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.docs import ROOT

SECRET = "hunter2-in-pillar"


class Machine:
    """
    A minion without a master, with the formula on its own disk.

    :param folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "master.d" / "eventsd.conf"
        (folder / "roots").mkdir()
        (folder / "roots" / "eventsd").symlink_to(ROOT / "eventsd")
        (folder / "master").write_text(yaml.safe_dump({"root_dir": str(folder / "root")}), encoding="utf-8")

    def call(self, pillar: Any, *args: str, **grains: str) -> Any:
        """
        Call a function and return what it returns.

        :param pillar: all of it; the config's place and a service left alone are added where there is an ``eventsd``.
        :param args: the function and its arguments.
        :param grains: of the minion.
        """
        if isinstance(pillar.get("eventsd"), dict) and isinstance(pillar["eventsd"].get("lookup", {}), dict):
            own = {"config": {"file": str(self.file)}, "service": {"manage": False}}
            lookup = {**own, **pillar["eventsd"].get("lookup", {})}
            pillar = {**pillar, "eventsd": {**pillar["eventsd"], "lookup": lookup}}
        config = {
            "root_dir": str(self.folder / "root"),
            "file_client": "local",
            "id": "m",
            "file_roots": {"base": [str(self.folder / "roots")]},
            "pillar_roots": {"base": [str(self.folder / "pillar")]},
            "grains": grains,
        }
        (self.folder / "minion").write_text(yaml.safe_dump(config), encoding="utf-8")
        (self.folder / "pillar").mkdir(exist_ok=True)
        (self.folder / "pillar" / "top.sls").write_text("base: {'*': [all]}\n", encoding="utf-8")
        (self.folder / "pillar" / "all.sls").write_text("#!yaml\n" + yaml.safe_dump(pillar), encoding="utf-8")
        command = [
            str(Path(sys.executable).parent / "salt-call"),
            "--local",
            "-c",
            str(self.folder),
            "--out=json",
            *args,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        self.text = done.stdout + done.stderr
        return json.loads(done.stdout)["local"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A minion without a master."""
    return Machine(tmp_path)


def failed(returned: Any) -> str:
    """Return what states that failed say."""
    assert isinstance(returned, dict), returned
    return "\n".join(f"{one['name']}: {one['comment']}" for one in returned.values() if one["result"] is False)


def full() -> dict[str, Any]:
    """Return the example pillar, but for where its config goes."""
    pillar: dict[str, Any] = yaml.safe_load((ROOT / "pillar.example").read_text(encoding="utf-8"))
    pillar["eventsd"]["lookup"] = {"package": pillar["eventsd"]["lookup"]["package"]}
    return pillar


@pytest.mark.parametrize(
    ("grains", "pillar"),
    [
        pytest.param({"os_family": "Debian", "os": "Debian"}, full(), id="debian-full"),
        pytest.param({"os_family": "Debian", "os": "Debian"}, {"eventsd": {}}, id="debian-minimal"),
        pytest.param({"os_family": "RedHat", "os": "Rocky"}, full(), id="redhat-full"),
        pytest.param({"os_family": "Suse", "os": "SLES"}, full(), id="suse-full"),
    ],
)
def test_states_render_on_each_distribution(machine: Machine, grains: dict[str, str], pillar: dict[str, Any]) -> None:
    # Given a distribution and a pillar, when the states are rendered
    states = machine.call(pillar, "state.show_sls", "eventsd", **grains)
    # Then they are those of package, config and service
    assert isinstance(states, dict), states
    assert {
        "eventsd-package-install-cmd-run",
        "eventsd-package-sync-cmd-run",
        "eventsd-config-file-file-managed",
        "eventsd-service-running-cmd-run",
    } <= set(states)
    # And no password of the pillar is among them
    assert '"password"' not in machine.text.replace("\\", "")


@pytest.mark.parametrize(
    ("pillar", "told"),
    [
        pytest.param({}, "eventsd: there is no such pillar for this minion; expected one, such as", id="none"),
        pytest.param({"eventsd": ["workers"]}, "eventsd: expected a mapping in pillar, got a list", id="list"),
        pytest.param(
            {"eventsd": {"lookup": ["x"]}}, "eventsd: lookup: expected a mapping, got a list", id="lookup-list"
        ),
        pytest.param(
            {"eventsd": {"lookup": {"pkg": {}}}}, "eventsd: lookup.pkg: unknown; expected one of", id="unknown"
        ),
        pytest.param({"eventsd": {"spool": {"max_bites": 1}}}, "eventsd: spool.max_bites: unknown key", id="key"),
        pytest.param({"eventsd": {"workers": ["x"]}}, "eventsd: workers: expected a mapping, got list", id="workers"),
        pytest.param(
            {"eventsd": {"lookup": {"package": {"source": "salt://no/such.whl"}}}},
            "eventsd: lookup.package.source: salt://no/such.whl is not on the file server",
            id="source",
        ),
    ],
)
def test_a_wrong_pillar_is_a_failed_state_that_names_the_key(
    machine: Machine, pillar: dict[str, Any], told: str
) -> None:
    # Given a config in use, and a pillar that is wrong
    machine.file.parent.mkdir()
    machine.file.write_text("engines: [eventsd]\n", encoding="utf-8")
    # When the formula is applied as a test, which asks eventsd.check, too
    returned = machine.call(pillar, "state.apply", "eventsd", "test=True")
    # Then it fails, says what is wrong, and the config stays
    assert told in failed(returned)
    assert machine.file.read_text(encoding="utf-8") == "engines: [eventsd]\n"


def test_the_config_holds_engines_and_eventsd_and_no_more(machine: Machine) -> None:
    # Given a pillar with a text that is secret, and hard to quote
    secret = f"{SECRET}'\"{{{{ x }}}}: #"
    block = {"workers": {"history": {}}, "redact": {"values": [secret]}}
    # When the config is written
    returned = machine.call({"eventsd": block}, "state.apply", "eventsd.config")
    # Then it holds what the pillar does but lookup, for its owner and group alone, and the output has nothing of it
    assert failed(returned) == ""
    assert yaml.safe_load(machine.file.read_text(encoding="utf-8")) == {"engines": ["eventsd"], "eventsd": block}
    assert machine.file.stat().st_mode & 0o777 == 0o640
    assert SECRET not in machine.text


def test_the_example_is_taken_as_it_stands(machine: Machine) -> None:
    # Given the example pillar, whose databases are nowhere
    # When its config is written
    returned = machine.call(full(), "state.apply", "eventsd.config")
    # Then it is right, and what is written is what it says
    assert failed(returned) == ""
    written = yaml.safe_load(machine.file.read_text(encoding="utf-8"))["eventsd"]
    assert written == {key: value for key, value in full()["eventsd"].items() if key != "lookup"}


def test_engines_of_the_main_file_are_not_replaced_silently(machine: Machine) -> None:
    # Given a master whose main file has an engine already
    (machine.folder / "master").write_text("engines: [logstash, {slack: {}}]\n", encoding="utf-8")
    # When the formula is applied, then it says that Salt would drop it
    told = failed(machine.call({"eventsd": {}}, "state.apply", "eventsd"))
    assert "engines: logstash, slack in" in told
    assert not machine.file.exists()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(
            "postgresql://salt:x@db/salt", "eventsd-database-postgresql-postgres-database-present", id="postgresql"
        ),
        pytest.param("mariadb://salt:x@db/salt", "eventsd-database-mysql-", id="mariadb"),
        pytest.param("sqlite:////x.db", "eventsd-database-test-fail", id="none"),
    ],
)
def test_the_database_example_renders(machine: Machine, url: str, expected: str) -> None:
    # Given a worker, when the example is rendered, then it has the states of its server, or says what is missing
    states = machine.call({"eventsd": {"workers": {"history": {"url": url}}}}, "state.show_sls", "eventsd.database")
    assert any(one.startswith(expected) for one in states), states


def test_a_service_that_is_none_is_a_failed_state(machine: Machine) -> None:
    # Given a master's service that is not there
    block = {"eventsd": {"lookup": {"service": {"name": "no-such-master"}, "config": {"file": str(machine.file)}}}}
    # When the formula is applied, then the state says which
    assert "no-such-master" in failed(machine.call(block, "state.apply", "eventsd"))


def test_a_folder_that_cannot_be_written_is_a_failed_state(machine: Machine) -> None:
    # Given a file where the config's folder should be
    machine.file.parent.write_text("", encoding="utf-8")
    # When the formula is applied, then the state says which
    assert str(machine.file.parent) in failed(machine.call({"eventsd": {}}, "state.apply", "eventsd"))


def test_modules_of_the_file_server_are_brought_up_to_date_once(machine: Machine) -> None:
    # Given a master that has this repository's modules in its file_roots
    roots = machine.folder / "master_roots"
    roots.mkdir()
    for name in ("_runners", "_engines", "_eventsd_workers"):
        (roots / name).symlink_to(ROOT / name)
    config = {"root_dir": str(machine.folder / "root"), "file_roots": {"base": [str(roots)]}}
    (machine.folder / "master").write_text(yaml.safe_dump(config), encoding="utf-8")
    copies = machine.folder / "root" / "var" / "cache" / "salt" / "master" / "extmods"

    def synced(*args: str) -> Any:
        returned = machine.call({"eventsd": {}}, "state.apply", "eventsd.package", *args)
        assert failed(returned) == ""
        return next(one for one in returned.values() if one["__id__"] == "eventsd-package-sync-cmd-run")

    # When the package's state is applied as a test, then it says what would be copied
    assert "would be copied from the file server: engines, runners, eventsd_workers" in synced("test=True")["comment"]
    assert not copies.exists() or not list(copies.rglob("*.py"))
    # When it is applied, then that is done, once
    assert "copied from the file server: engines, runners, eventsd_workers" in synced()["comment"]
    assert (copies / "runners" / "eventsd.py").read_bytes() == (ROOT / "_runners" / "eventsd.py").read_bytes()
    assert (copies / "eventsd_workers" / "sql.py").is_file()
    assert not synced()["changes"]


def test_a_package_may_come_from_the_file_server(machine: Machine) -> None:
    # Given a package in the minion's file_roots
    package = machine.folder / "roots" / "packages" / "salt-eventsd"
    package.mkdir(parents=True)
    (package / "setup.cfg").write_text("[metadata]\nname = salt-eventsd\nversion = 9\n", encoding="utf-8")
    lookup = {"package": {"source": "salt://packages/salt-eventsd"}}
    # When its state is applied as a test
    returned = machine.call({"eventsd": {"lookup": lookup}}, "state.apply", "eventsd.package.install", "test=True")
    # Then it would be installed from where Salt has put it
    [state] = returned.values()
    assert state["result"] is None
    assert re.search(r"what is installed is not from \S+/packages/salt-eventsd\Z", state["comment"]), state["comment"]


def test_what_the_engine_has_kept_goes_only_if_that_is_wanted(machine: Machine) -> None:
    # Given a config, a spool, a status and a history of an engine that does not run
    spool, history, state = (machine.folder / name for name in ("spool", "history.db", "status.json"))
    spool.mkdir()
    (spool / "spool.db").write_text("", encoding="utf-8")
    history.write_text("", encoding="utf-8")
    state.write_text("{}", encoding="utf-8")
    block = {
        "workers": {"history": {"url": f"sqlite:///{history}"}},
        "spool": {"dir": str(spool)},
        "state_file": str(state),
    }

    def cleaned(data: bool, *args: str) -> Any:
        machine.file.parent.mkdir(exist_ok=True)
        machine.file.write_text(json.dumps({"engines": ["eventsd"], "eventsd": block}), encoding="utf-8")
        pillar = {"eventsd": {**block, "lookup": {"clean": {"data": data}}}}
        returned = machine.call(pillar, "state.apply", "eventsd.service.clean", *args)
        assert failed(returned) == ""
        return returned

    # When its config is cleaned away, then all that it has kept stays
    cleaned(False)
    assert not machine.file.exists()
    assert all(path.exists() for path in (spool, history, state))
    # When its data is to go as well, then a test says so, and it goes once
    assert str(spool) in str(cleaned(True, "test=True"))
    assert spool.exists()
    cleaned(True)
    assert not any(path.exists() for path in (spool, history, state))
    again = cleaned(True)
    assert not next(one for one in again.values() if one["__id__"] == "eventsd-service-clean-cmd-run")["changes"]
