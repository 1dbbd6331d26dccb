#!/usr/bin/env python3
"""Mail a page: mail_report.py report.html --from salt@example.com --to admins@example.com [--server localhost:25]."""

import argparse
import os
import smtplib
import sys
from email.message import EmailMessage
from pathlib import Path


def main() -> int:
    """Mail the page as an attachment; most mail programs would show only parts of it in the mail itself."""
    parser = argparse.ArgumentParser(description="Mail a page of eventsd.report.")
    parser.add_argument("page", type=Path)
    parser.add_argument("--from", dest="sender", required=True)
    parser.add_argument("--to", action="append", required=True, help="may be given several times")
    parser.add_argument("--server", default="localhost:25")
    parser.add_argument("--user", help="log in over TLS; the password is in the environment, MAIL_PASSWORD")
    given = parser.parse_args()
    host, _, port = given.server.partition(":")
    message = EmailMessage()
    message["Subject"] = "Salt report"
    message["From"], message["To"] = given.sender, ", ".join(given.to)
    message.set_content("The report is attached. It is one file, and opens in any browser.\n")
    try:
        message.add_attachment(given.page.read_bytes(), maintype="text", subtype="html", filename=given.page.name)
        with smtplib.SMTP(host, int(port or 25), timeout=30) as server:
            if given.user:
                server.starttls()
                server.login(given.user, os.environ["MAIL_PASSWORD"])
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as exc:
        print(f"{given.page} was not mailed: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
