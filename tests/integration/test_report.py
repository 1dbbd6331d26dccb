"""Reports of a real master: by hand, by its scheduler, and by mail with the example's orchestration."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import StartMaster
from tests.support.docs import ROOT
from tests.support.mail import MailServer
from tests.support.nodes import Master
from tests.support.salt import wait_until

EXAMPLE = ROOT / "examples" / "report"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def master(start_master: StartMaster, folder: Path) -> Iterator[Master]:
    """A master whose scheduler makes the example's page each three seconds."""
    schedule = yaml.safe_load((EXAMPLE / "schedule.conf").read_text(encoding="utf-8"))["schedule"]
    page = {**schedule["eventsd_page"], "seconds": 3}
    del page["hours"]
    page["kwargs"]["path"] = str(folder / "scheduled.html")
    (folder / "states").mkdir()
    with start_master(
        "report", schedule={"eventsd_page": page}, file_roots={"base": [str(folder / "states")]}
    ) as running:
        running.run("test.arg", "something to tell")
        running.history.wait_for(1, "eventsd_returns", "fun = 'runner.test.arg'")
        yield running


def test_the_page_says_that_the_engine_is_well_and_what_ran(master: Master, folder: Path) -> None:
    # When
    done = master.run("eventsd.report", path=str(folder / "report.html"), since="1h")

    # Then
    assert (done.returncode, done.data["retcode"]) == (0, 0)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "The engine is well" in page
    assert "runner.test.arg" in page


def test_what_is_wrong_is_one_line_and_return_code_2(master: Master) -> None:
    done = master.terminal("eventsd.report", "path=/no/such/report.html")

    assert done.returncode == 2
    assert done.stdout.strip() == "path: there is no folder /no/such; make it first"
    assert "Traceback" not in done.stdout + done.stderr


def test_the_scheduler_makes_it(master: Master, folder: Path) -> None:
    wait_until((folder / "scheduled.html").exists, "page of the scheduler", 60)


def test_an_orchestration_mails_it(master: Master, folder: Path) -> None:
    with MailServer() as server:
        # Given: the example, with paths of this test
        text = (EXAMPLE / "report_by_mail.sls").read_text(encoding="utf-8")
        text = text.replace("/var/cache/salt/master/eventsd/report.html", str(folder / "mailed.html"))
        text = text.replace("/usr/local/sbin/mail_report.py", f"{sys.executable} {EXAMPLE / 'mail_report.py'}")
        text = text.replace("localhost:25", f"127.0.0.1:{server.port}")
        (folder / "states" / "report_by_mail.sls").write_text(text, encoding="utf-8")

        # When
        done = master.run("state.orchestrate", "report_by_mail")

        # Then
        assert done.returncode == 0, done.stdout
        [(given, mail)] = server.mails
        assert given == ["admins@example.com"]
        assert b'filename="mailed.html"' in mail


def test_no_mail_without_a_page(master: Master, folder: Path) -> None:
    with MailServer() as server:
        # Given: a folder that is not there
        text = (EXAMPLE / "report_by_mail.sls").read_text(encoding="utf-8")
        text = text.replace("/var/cache/salt/master/eventsd/report.html", str(folder / "no" / "page.html"))
        text = text.replace("/usr/local/sbin/mail_report.py", f"{sys.executable} {EXAMPLE / 'mail_report.py'}")
        (folder / "states" / "no_page.sls").write_text(text.replace("localhost:25", f"127.0.0.1:{server.port}"))

        # When
        done = master.run("state.orchestrate", "no_page")

        # Then
        assert done.returncode != 0
        assert server.mails == []
