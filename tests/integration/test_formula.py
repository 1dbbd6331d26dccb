"""
The formula, applied by a real master to its own minion: dry, fresh, again, changed, wrong, upgraded, cleaned, cleaned
again. The master runs as a user of its own where this Python may be run by others than root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.formula import Site, shared_python, short_folder, wheel
from tests.support.salt import History, wait_until

SECRET = "hunter2-in-pillar"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a service of a master"),
    pytest.mark.skipif(
        not (shutil.which("update-rc.d") and shutil.which("start-stop-daemon")),
        reason="the master's service is one of Debian's",
    ),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two versions of the package."""
    return {version: wheel(tmp_path_factory.mktemp("wheels"), version) for version in ("1.0.0", "1.0.1")}


@pytest.fixture(scope="module")
def salt_user() -> Iterator[str]:
    """A user for the master, as Salt's own packages make one."""
    if not shared_python():
        yield "root"
        return
    name = f"eventsd-{os.getpid()}"
    subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name], check=True)
    yield name
    subprocess.run(["userdel", name], check=True)


@pytest.fixture(scope="module")
def site(salt_user: str, wheels: dict[str, Path]) -> Iterator[Site]:
    """A running master and minion without salt-eventsd."""
    folder = short_folder()
    made = Site(folder, salt_user, f"salt-master-{os.path.basename(folder)}")
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Story:
    """
    One site's life, a chapter a test; each begins where the one before ended.

    :param site: the machine.
    :param wheels: versions of the package.
    """

    def __init__(self, site: Site, wheels: dict[str, Path]) -> None:
        self.site, self.wheels = site, wheels
        self.history = site.folder / "root" / "history.db"
        self.pid = 0

    def pillar(self, version: str = "1.0.0", clean: bool = False, **eventsd: object) -> None:
        """Give the minion a pillar with a worker, a password in it, and more."""
        history = {"url": f"sqlite:///{self.history}"}
        graphs = {"module": "http", "url": "http://127.0.0.1:9/", "auth": {"user": "x", "password": SECRET}}
        block = {
            "workers": {"history": history, "graphs": graphs},
            "events": {"all": {"tag": "salt/job/", "worker": "history"}},
        }
        self.site.pillar({**block, **eventsd}, package={"source": str(self.wheels[version])}, clean={"data": clean})


@pytest.fixture(scope="module")
def story(site: Site, wheels: dict[str, Path]) -> Story:
    """What happens to the site."""
    return Story(site, wheels)


def test_a_dry_run_says_what_would_happen_and_does_nothing(story: Story) -> None:
    # Given a machine without salt-eventsd, and a pillar
    story.pillar()
    # When the formula is applied as a test
    states = story.site.apply(test=True)
    # Then it says so, and nothing is there
    assert states.failed() == ""
    assert {
        "eventsd-package-install-cmd-run",
        "eventsd-config-file-file-managed",
        "eventsd-service-running-cmd-run",
    } <= (states.changed)
    assert "would be installed" in states.comments()
    assert "would be restarted" in states.comments()
    assert not story.site.file.exists()
    assert story.site.status() == {}


def test_from_nothing_to_an_engine_that_writes(story: Story) -> None:
    # Given the same, when the formula is applied
    states = story.site.apply()
    # Then its return arrives before the master restarts, and an engine comes up
    assert states.failed() == ""
    status = story.site.wait_for_engine()
    assert status["state"] == "well"
    story.pid = status["pid"]
    # And the config is Salt's alone, without lookup, and its password in no output
    found = story.site.file.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o640, pwd.getpwnam(story.site.user).pw_uid)
    text = story.site.file.read_text(encoding="utf-8")
    assert SECRET in text
    assert "lookup" not in text
    assert SECRET not in states.text
    # And what happens is kept
    wait_until(lambda: story.site.salt("test.ping"), "answer", 180)
    history = History.of_file(story.history)
    wait_until(lambda: history.count("eventsd_returns", "fun = 'test.ping'"), "return", 30)


def test_a_second_run_changes_nothing(story: Story) -> None:
    # Given what was applied, when it is applied again, then nothing is changed and the engine is the same
    states = story.site.apply()
    assert states.failed() == ""
    assert states.changed == set()
    assert story.site.status()["pid"] == story.pid


def test_a_changed_pillar_is_a_reload(story: Story) -> None:
    # Given another pillar
    story.pillar(max_workers=6)
    # When it is applied
    states = story.site.apply()
    # Then the engine has it without having been restarted
    assert states.failed() == ""
    assert "the engine was reloaded" in states.comments()
    assert story.site.status()["pid"] == story.pid
    assert story.site.apply().changed == set()


def test_a_wrong_pillar_changes_nothing_and_names_the_key(story: Story) -> None:
    # Given an engine that runs, and a pillar that is wrong
    before = story.site.file.read_text(encoding="utf-8")
    story.pillar(spool={"max_bites": "2GiB"})
    for kwargs in ({"test": True}, {}):
        # When it is applied
        states = story.site.apply(**kwargs)
        # Then the state fails and says which key, and all is as before
        assert not states.well
        assert "eventsd: spool.max_bites: unknown key" in states.failed()
        assert states.changed == set()
        assert story.site.file.read_text(encoding="utf-8") == before
        assert story.site.status()["state"] == "well"


def test_what_needs_a_restart_gets_one(story: Story) -> None:
    # Given a new version, and another spool
    story.pillar("1.0.1", spool={"dir": str(story.site.folder / "root" / "spool")})
    # When they are applied
    states = story.site.apply()
    # Then the master is restarted once, and the new version runs
    assert states.failed() == ""
    assert "the master restarts when this job is over" in states.comments()
    status = story.site.wait_for_engine(story.pid)
    story.pid = status["pid"]
    assert status["version"] == "1.0.1"
    assert status["spool"]["dir"] == str(story.site.folder / "root" / "spool")
    wait_until(lambda: story.site.salt("test.ping"), "answer", 180)
    assert story.site.apply().changed == set()


def test_clean_leaves_nothing_but_what_was_not_asked_for(story: Story) -> None:
    # Given an engine that runs
    # When it is cleaned up
    states = story.site.apply("eventsd.clean")
    # Then config, package and engine are gone, and the history is not
    assert states.failed() == ""
    assert not story.site.file.exists()
    wait_until(lambda: not psutil.pid_exists(story.pid), "end of the engine", 90)
    assert story.site.status() == {}
    assert story.history.exists()
    # And cleaning again changes nothing
    wait_until(lambda: story.site.salt("test.ping"), "answer", 180)
    again = story.site.apply("eventsd.clean")
    assert again.failed() == ""
    assert again.changed == set()
