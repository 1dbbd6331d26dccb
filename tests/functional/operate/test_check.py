"""``eventsd.check``: what it looked at, whether the engine is on, and what everyday mistakes come to."""

from __future__ import annotations

import getpass
import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import salt.config

from salt_eventsd.operate.check import check, places

Configured = Callable[..., dict[str, Any]]

#: Nine aliases of nine aliases of ...
LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh")
)
USUAL = """
    engines: [eventsd]
    eventsd:
      workers: {history: {batch: {seconds: 5}}}
    """


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """Return Salt's options for a master file and files in its master.d, given as texts."""

    def configured(master: str = "", **files: str) -> dict[str, Any]:
        folder = tmp_path / "etc"
        (folder / "master.d").mkdir(parents=True)
        places = f"cachedir: {tmp_path}/cache\npki_dir: {tmp_path}/pki\nsock_dir: {tmp_path}/s\nid: boss_master\n"
        for name, text in {"../master": places + textwrap.dedent(master), **files}.items():
            (folder / "master.d" / name.replace("__", ".")).write_text(textwrap.dedent(text), encoding="utf-8")
        return {**salt.config.master_config(str(folder / "master")), "__role": "master"}

    return configured


def test_what_is_well_says_what_was_looked_at(configured: Configured, tmp_path: Path) -> None:
    opts = configured(eventsd__conf=USUAL, other__conf="worker_threads: 3")

    found = check(opts)

    assert (found["config"], found["retcode"]) == ("right", 0), found
    assert found["looked_at"]["files"] == {
        f"{tmp_path}/etc/master": "read",
        f"{tmp_path}/etc/master.d/eventsd.conf": "read, has eventsd and engines",
        f"{tmp_path}/etc/master.d/other.conf": "read",
    }
    assert found["engine"] == "switched on, not running"
    assert not (tmp_path / "cache").exists()


def test_it_lists_each_rule_and_sub_event_with_its_workers(configured: Configured) -> None:
    # Given
    subs = "{raid: {fun: raid, into: events, subs: {broken: {where: {data.return: broken}, worker: other}}}}"
    rule = f"{{tag: salt/job/, worker: [history, other], into: returns, subs: {subs}}}"
    workers = "{history: {}, other: {module: noop}}"

    # When
    found = check(configured(f"engines: [eventsd]\neventsd: {{workers: {workers}, events: {{returns: {rule}}}}}\n"))

    # Then: a sub-event that names no worker has those of its rule
    assert found["events"] == {
        "returns": ["history", "other"],
        "returns.subs.raid": ["history", "other"],
        "returns.subs.raid.subs.broken": ["other"],
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("eventsd:\n\tworkers: {}\n", "; there is a tab, and YAML is indented with spaces", id="a tab"),
        pytest.param("engines: [eventsd\neventsd: {}\n", "not YAML: line 2", id="a bracket left open"),
        pytest.param("eventsd: {}\nengines: [eventsd]\neventsd: {}\n", "conflicting ID 'eventsd'", id="a key twice"),
        pytest.param("eventsd:\n  spool: {}\n  spool: {}\n", "conflicting ID 'spool'", id="a key twice below"),
        pytest.param("- eventsd\n", "expected a mapping such as eventsd: ..., got a list", id="a list"),
        pytest.param("eventsd\n", "expected a mapping such as eventsd: ..., got text", id="text"),
        pytest.param("eventsd: " + "[" * 5_000, "not YAML: ", id="too deep"),
    ],
)
def test_a_file_salt_cannot_read_is_wrong(configured: Configured, text: str, says: str) -> None:
    opts = configured("engines: [eventsd]\n")
    path = Path(opts["conf_file"]).parent / "master.d" / "eventsd.conf"
    path.write_text(text, encoding="utf-8")

    found = check(opts)

    assert found["retcode"] == 2
    [problem] = found["problems"]
    assert problem.startswith(f"eventsd: {path}: ")
    assert says in problem
    assert found["looked_at"]["files"][str(path)].startswith("not read: ")


def test_a_broken_file_of_somebody_elses_needs_an_eye(configured: Configured) -> None:
    found = check(configured("engines: [eventsd]\n", reactor__conf="reactor: [\n"))

    assert found["retcode"] == 1
    assert "reactor.conf: not YAML" in found["notes"][0]


def test_a_file_in_another_encoding_is_told(configured: Configured) -> None:
    opts = configured("engines: [eventsd]\n")
    (Path(opts["conf_file"]).parent / "master.d" / "eventsd.conf").write_bytes("eventsd: {} # Grüße".encode("latin1"))

    assert "not text in UTF-8: byte 0xfc" in check(opts)["problems"][0]


def test_a_folder_in_a_files_place_is_told(configured: Configured) -> None:
    opts = configured("engines: [eventsd]\n")
    (Path(opts["conf_file"]).parent / "master.d" / "eventsd.conf").mkdir()

    assert "Is a directory" in check(opts)["problems"][0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_nobody_may_read_is_told(configured: Configured) -> None:
    opts = configured("engines: [eventsd]\n")
    path = Path(opts["conf_file"]).parent / "master.d" / "eventsd.conf"
    path.touch(mode=0)

    assert "Permission denied" in check(opts)["problems"][0]


@pytest.mark.parametrize(
    ("engines", "says"),
    [
        pytest.param("", "expected a list with eventsd in it: engines: [eventsd]", id="missing"),
        pytest.param("engines: []", "expected a list with eventsd in it", id="empty"),
        pytest.param("engines: eventsd", "got the text 'eventsd', of which Salt takes each letter", id="text"),
        pytest.param("engines: true", "got bool", id="a boolean"),
        pytest.param("engines: [eventd]", "there is 'eventd'", id="misspelt"),
        pytest.param("engines: {logstash: {}}", "expected a list with eventsd in it", id="another"),
    ],
)
def test_an_engine_that_is_not_switched_on(configured: Configured, engines: str, says: str) -> None:
    found = check(configured(f"{engines}\neventsd: {{}}\n"))

    assert (found["config"], found["retcode"]) == ("without effect", 2)
    assert found["engine"].startswith("not switched on: ")
    assert says in found["engine"]


@pytest.mark.parametrize(
    "engines",
    ["[eventsd]", "{eventsd: {}}", "[{eventsd: {state_timer: 3}}]", "[{mine: {engine_module: eventsd}}]"],
)
def test_an_engine_that_is_switched_on(configured: Configured, engines: str) -> None:
    found = check(configured(f"engines: {engines}\n"))

    assert found["engine"].startswith("switched on")
    assert found["retcode"] == 0


def test_of_an_entry_with_two_engines_salt_starts_the_first(configured: Configured) -> None:
    found = check(configured("engines:\n  - eventsd:\n    logstash: {}\n"))

    assert found["retcode"] == 2
    assert "Salt looks at eventsd alone of the entry with eventsd, logstash" in found["problems"][0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("eventd: {workers: {}}", "eventd: no such key; did you mean 'eventsd'?", id="misspelt"),
        pytest.param("engine: [eventsd]", "engine: no such key; did you mean 'engines'?", id="engines misspelt"),
        pytest.param("eventsd:\nworkers: {h: {}}\n", "workers: not under eventsd; indent it", id="not indented"),
        pytest.param(
            "master_tops:\n  eventsd:\n    workers: {}\n",
            "master_tops.eventsd: not at the beginning of a line",
            id="indented below something else",
        ),
    ],
)
def test_what_does_not_reach_the_engine_is_told(configured: Configured, text: str, says: str) -> None:
    found = check(configured("engines: [eventsd]\n", a__conf=text))

    assert found["retcode"] == 2
    assert any(says in problem for problem in found["problems"]), found


def test_keys_of_somebody_elses_are_none_of_ours(configured: Configured) -> None:
    text = "peer_run: {'.*': [eventsd.*]}\nmine: {eventsd: yes}\nvenv: 3\n"

    assert check(configured(eventsd__conf=USUAL, other__conf=text))["notes"] == []


def test_a_block_in_two_places_of_which_one_counts(configured: Configured, tmp_path: Path) -> None:
    found = check(configured("engines: [eventsd]\neventsd: {max_workers: 3}\n", a__conf="eventsd: {state_timer: 3}\n"))

    assert found["retcode"] == 1
    assert found["notes"] == [
        f"{tmp_path}/etc/master: eventsd there is replaced as a whole by that in {tmp_path}/etc/master.d/a.conf; put "
        "them together in one file"
    ]


def test_a_file_whose_name_salt_does_not_look_at(configured: Configured) -> None:
    found = check(configured("engines: [eventsd]\n", eventsd__yaml=USUAL))

    assert found["retcode"] == 1
    assert "eventsd.yaml: Salt does not read it, for its name does not fit master.d/*.conf" in found["notes"][0]


def test_includes_are_looked_at_and_those_that_fit_nothing_are_told(configured: Configured, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "deep.conf").write_text("eventsd: {max_workers: 3}\n", encoding="utf-8")
    (more / "e.conf").write_text(f"include: {more}/deep.conf\n", encoding="utf-8")

    found = check(configured(f"engines: [eventsd]\ninclude: [{more}/e.conf, {tmp_path}/none/*.conf]\n"))

    assert found["looked_at"]["files"][f"{more}/deep.conf"] == "read, has eventsd"
    assert f"include: no file fits {tmp_path}/none/*.conf" in found["notes"][0]


@pytest.mark.parametrize("block", ["[]", "[workers]", "history", "3", "[{workers: {}}]"])
def test_a_block_that_is_no_mapping(configured: Configured, block: str) -> None:
    found = check(configured(f"engines: [eventsd]\neventsd: {block}\n"))

    assert found["retcode"] == 2
    assert "eventsd: expected a mapping" in found["problems"][0]


@pytest.mark.parametrize("folders", ["3", "{a: b}", "[3]", "[[a]]"])
def test_folders_of_workers_that_are_none(configured: Configured, folders: str) -> None:
    found = check(configured(f"engines: [eventsd]\neventsd_workers_dirs: {folders}\n"))

    assert found["retcode"] == 2
    assert found["problems"][0].startswith("eventsd: eventsd_workers_dirs: expected a folder, or a list of folders")


class TestPillar:
    """``pillar:``."""

    @staticmethod
    def with_pillar(tmp_path: Path, **slices: str) -> str:
        """Write a pillar by minion id, and return the line of the config that names it."""
        roots = tmp_path / "pillar"
        roots.mkdir()
        top = {"base": {name: [name] for name in slices}}
        (roots / "top.sls").write_text(salt.utils.yaml.safe_dump(top), encoding="utf-8")
        for name, text in slices.items():
            (roots / f"{name}.sls").write_text(text, encoding="utf-8")
        return f"engines: [eventsd]\npillar_roots: {{base: ['{roots}']}}\n"

    @staticmethod
    def accept(tmp_path: Path, minion_id: str) -> None:
        """Accept a minion's key."""
        accepted = tmp_path / "pki" / "minions"
        accepted.mkdir(parents=True)
        (accepted / minion_id).write_text("a key", encoding="utf-8")

    def test_of_a_minion_that_does_not_exist_is_wrong(self, configured: Configured, tmp_path: Path) -> None:
        found = check(configured(self.with_pillar(tmp_path) + "eventsd: {pillar: nosuch}\n"))

        assert found["retcode"] == 2
        assert found["looked_at"]["pillar"] == "of minion nosuch: no eventsd"
        assert found["problems"][0].startswith("eventsd: pillar: no minion 'nosuch' has been accepted by this master")

    def test_of_a_minion_that_has_nothing_for_us_needs_an_eye(self, configured: Configured, tmp_path: Path) -> None:
        self.accept(tmp_path, "boss")

        found = check(configured(self.with_pillar(tmp_path) + "eventsd: {pillar: true}\n"))

        assert (found["retcode"], found["notes"]) == (1, ["eventsd: pillar: that of minion boss has no eventsd"])

    def test_of_a_minion_that_has_is_well(self, configured: Configured, tmp_path: Path) -> None:
        self.accept(tmp_path, "boss")
        text = self.with_pillar(tmp_path, boss="eventsd: {max_workers: 3}")

        found = check(configured(text + "eventsd: {pillar: true}\n"))

        assert (found["retcode"], found["notes"]) == (0, []), found
        assert found["looked_at"]["pillar"] == "of minion boss: eventsd, with max_workers"

    def test_of_a_minion_that_is_not_there_yet_needs_an_eye(self, configured: Configured, tmp_path: Path) -> None:
        text = self.with_pillar(tmp_path, new="eventsd: {max_workers: 3}")

        found = check(configured(text + "eventsd: {pillar: new}\n"))

        assert found["retcode"] == 1
        assert found["notes"][0].endswith("; its pillar is made of its id alone")

    def test_that_cannot_be_compiled_is_wrong(self, configured: Configured, tmp_path: Path) -> None:
        self.accept(tmp_path, "boss")
        text = self.with_pillar(tmp_path, boss="eventsd: {{ nonsense }")

        found = check(configured(text + "eventsd: {pillar: boss}\n"))

        assert found["retcode"] == 2
        assert "eventsd: pillar: that of boss cannot be compiled" in found["problems"][0]


class TestPlaces:
    """Where the engine writes."""

    def test_a_folder_that_another_user_owns(self, configured: Configured, tmp_path: Path) -> None:
        # Given: whoever runs the tests, the master is somebody else
        spool = tmp_path / "spool"
        spool.mkdir(mode=0o700)
        user = "nobody" if getpass.getuser() != "nobody" else "daemon"

        # When
        found = check(configured(f"user: {user}\nengines: [eventsd]\neventsd: {{spool: {{dir: {spool}}}}}\n"))

        # Then
        assert found["retcode"] == 2
        [problem] = [one for one in found["problems"] if "spool.dir" in one]
        assert problem.startswith(f"eventsd: spool.dir: {spool} cannot be written by {user}: it is ")
        assert any(f"but the engine runs as {user}" in note for note in found["notes"])

    def test_the_spool_itself_belongs_to_another_user(self, configured: Configured, tmp_path: Path) -> None:
        spool = tmp_path / "cache" / "eventsd" / "spool"
        spool.mkdir(parents=True)
        spool.chmod(0o777)
        (spool / "spool.db").touch(mode=0o600)

        found = check(configured(f"user: nobody\nengines: [eventsd]\neventsd: {{spool: {{dir: {spool}}}}}\n"))

        assert any(f"{spool}/spool.db cannot be written by nobody" in one for one in found["problems"]), found

    def test_less_room_than_the_spool_may_take(self, configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
        # Given: a disk with 100 MiB left
        free = os.statvfs_result((4096, 4096, 1_000_000, 25_600, 25_600, 1000, 1000, 1000, 0, 255))
        monkeypatch.setattr(places.os, "statvfs", lambda _path: free)

        # When
        found = check(configured("engines: [eventsd]\n"))

        # Then
        assert found["retcode"] == 1
        assert found["notes"][0].startswith("eventsd: spool.max_bytes: 1.0 GiB, but the disk of ")
        assert "has room for 100 MiB only" in found["notes"][0]

    def test_a_state_file_below_a_file(self, configured: Configured, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        found = check(configured(f"engines: [eventsd]\neventsd: {{state_file: {tmp_path}/file/status.json}}\n"))

        assert found["problems"] == [f"eventsd: state_file: {tmp_path}/file is not a folder"]


class TestCandidate:
    """A file that is not in place yet."""

    def test_takes_the_place_of_what_there_is(self, configured: Configured, tmp_path: Path) -> None:
        opts = configured("engines: []\neventsd: {max_wokers: 3}\n")
        new = tmp_path / "new.conf"
        new.write_text(textwrap.dedent(USUAL), encoding="utf-8")

        found = check(opts, config=str(new))

        assert (found["config"], found["retcode"]) == ("right", 0), found
        assert found["looked_at"]["files"] == {str(new): "read, has eventsd and engines"}
        assert found["engine"] == "switched on"

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            pytest.param("eventsd: {max_wokers: 3}\n", "eventsd: max_wokers: unknown key", id="a wrong key"),
            pytest.param("eventsd: {events: {a: {tag: '('}}}\n", "eventsd: events.a.tag: ", id="a wrong value"),
            pytest.param("eventsd: [\n", "new.conf: not YAML: line 2", id="no YAML"),
            pytest.param("eventsd: &a\n  events: *a\n", "a YAML alias", id="it holds itself"),
            pytest.param(LAUGHS + "eventsd: {redact: {values: *h}}\n", "a YAML alias", id="a billion values"),
            pytest.param(LAUGHS + "other: *h\neventsd: {max_wokers: 3}\n", "max_wokers", id="a billion elsewhere"),
            pytest.param("other: &a {b: *a, c: *a}\neventsd: {max_wokers: 3}\n", "max_wokers", id="a circle elsewhere"),
            pytest.param("eventsd: {workers: {h: {module: sq}}}\n", "no worker module 'sq'", id="no such module"),
            pytest.param("worker_threads: 3\n", "neither engines nor eventsd is in it", id="nothing for us"),
            pytest.param("eventd: {}\n", "did you mean 'eventsd'?", id="misspelt"),
        ],
    )
    def test_that_is_wrong_is_told(self, configured: Configured, tmp_path: Path, text: str, says: str) -> None:
        new = tmp_path / "new.conf"
        new.write_text(text, encoding="utf-8")

        found = check(configured("engines: [eventsd]\n"), config=str(new))

        assert found["retcode"] == 2
        assert any(says in problem for problem in found["problems"]), found

    def test_that_is_not_there_is_told(self, configured: Configured, tmp_path: Path) -> None:
        found = check(configured(), config=str(tmp_path / "none.conf"))

        assert (found["retcode"], found["problems"]) == (
            2,
            [f"eventsd: {tmp_path}/none.conf: No such file or directory"],
        )

    def test_without_engines_relies_on_what_stays(self, configured: Configured, tmp_path: Path) -> None:
        opts = configured("", eventsd__conf=USUAL)
        new = tmp_path / "new.conf"
        new.write_text("eventsd: {}\n", encoding="utf-8")

        beside = check(opts, config=str(new))
        instead = check(opts, config=str(new), replaces=f"{tmp_path}/etc/master.d/eventsd.conf")

        assert beside["retcode"] == 0
        assert instead["engine"].startswith("not switched on: ")
        assert instead["problems"] == ["engines: expected a list with eventsd in it: engines: [eventsd]"]
        assert instead["retcode"] == 2
