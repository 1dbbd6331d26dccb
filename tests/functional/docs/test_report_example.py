"""The example of a report by mail: its script hands the page to a mail server, as it stands there."""

from __future__ import annotations

import email
import email.policy
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import salt.config
import yaml

from _runners import eventsd as runner
from tests.support.docs import ROOT

FOLDER = ROOT / "examples" / "report"


class _MailServer(socketserver.ThreadingTCPServer):
    """Takes mails, and keeps each with those it was for."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.mails: list[tuple[list[str], bytes]] = []


class _Conversation(socketserver.StreamRequestHandler):
    server: _MailServer

    def handle(self) -> None:
        self._say("220 here")
        given: list[str] = []
        while line := self.rfile.readline().decode().strip():
            word = line.upper()
            if word.startswith("RCPT TO:"):
                given.append(line[8:].strip("<> "))
            if word == "DATA":
                self._say("354 go on")
                self.server.mails.append((given, b"".join(map(_plain, iter(self.rfile.readline, b".\r\n")))))
            self._say("221 bye" if word == "QUIT" else "250 well")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


def _plain(line: bytes) -> bytes:
    """A line that begins with a dot has one more on its way."""
    return line[1:] if line.startswith(b"..") else line


@pytest.fixture
def server() -> Iterator[_MailServer]:
    with _MailServer() as made:
        thread = threading.Thread(target=made.serve_forever, args=[0.05], daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def _mail(page: Path, port: int) -> subprocess.CompletedProcess[str]:
    state = yaml.safe_load((FOLDER / "report_by_mail.sls").read_text(encoding="utf-8"))
    words = state["mail"]["cmd.run"][0]["name"].split()
    words[words.index("localhost:25")] = f"127.0.0.1:{port}"
    command = [sys.executable, str(FOLDER / "mail_report.py"), str(page), *words[2:]]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_page_is_mailed_whole(server: _MailServer, tmp_path: Path) -> None:
    # Given
    page = tmp_path / "report.html"
    page.write_text("<!DOCTYPE html>\n<p>für alle …\n.\n" * 2000, encoding="utf-8")

    # When
    done = _mail(page, server.server_address[1])

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
