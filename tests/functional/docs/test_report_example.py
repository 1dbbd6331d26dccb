"""The example of a report by mail: its script hands the page to a mail server, as it stands there."""

from __future__ import annotations

import email
import email.policy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import salt.config
import yaml

from _runners import eventsd as runner
from tests.support.docs import ROOT
from tests.support.mail import MailServer

FOLDER = ROOT / "examples" / "report"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as made:
        yield made


def _mail(page: Path, port: int) -> subprocess.CompletedProcess[str]:
    state = yaml.safe_load((FOLDER / "report_by_mail.sls").read_text(encoding="utf-8"))
    words = state["mail"]["cmd.run"][0]["name"].split()
    words[words.index("localhost:25")] = f"127.0.0.1:{port}"
    command = [sys.executable, str(FOLDER / "mail_report.py"), str(page), *words[2:]]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_page_is_mailed_whole(server: MailServer, tmp_path: Path) -> None:
    # Given
    page = tmp_path / "report.html"
    page.write_text("<!DOCTYPE html>\n<p>für alle …\n.\n" * 2000, encoding="utf-8")

    # When
    done = _mail(page, server.port)

    # Then
    assert (done.returncode, done.stderr) == (0, "")
    [(given, raw)] = server.mails
    assert given == ["admins@example.com"]
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    [attached] = mail.iter_attachments()
    assert attached.get_filename() == "report.html"
    assert attached.get_payload(decode=True) == page.read_bytes()


def test_a_server_that_is_away_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("x")

    done = _mail(tmp_path / "report.html", 1)

    assert done.returncode == 1
    assert "was not mailed" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_schedule_calls_the_verb_as_it_is(tmp_path: Path) -> None:
    # Given: the file where an operator puts it
    (tmp_path / "master.d").mkdir()
    (tmp_path / "master.d" / "report.conf").write_bytes((FOLDER / "schedule.conf").read_bytes())
    (tmp_path / "master").write_text(f"root_dir: {tmp_path}\n", encoding="utf-8")

    # When
    schedule = salt.config.master_config(str(tmp_path / "master"))["schedule"]

    # Then
    page, mail = schedule["eventsd_page"], schedule["eventsd_mail"]
    assert page["function"] == f"eventsd.{runner.report.__name__}"
    assert set(page["kwargs"]) <= set(runner.report.__annotations__)
    assert mail["args"] == [(FOLDER / "report_by_mail.sls").stem]
