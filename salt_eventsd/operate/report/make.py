"""
``eventsd.report``: asks a database, and puts the page into a file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from salt_eventsd.config.load import load
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.operate.history import Asked, WrongArgument, asking
from salt_eventsd.operate.report.collect import About, Room, collect
from salt_eventsd.operate.report.facts import Report, smaller
from salt_eventsd.operate.report.render import render
from salt_eventsd.operate.status import read

#: A page that is larger is made anew with less in it.
MOST_BYTES = 2_000_000
#: How long one of its questions may take: more than one at a terminal.
_SECONDS = 60.0
_MODE = 0o640
#: What each page has among its first bytes, and no other file.
MARK = b'<meta name="generator" content="salt-eventsd report">'
_BEGINNING_BYTES = 1000


class Unwritable(EventsdError):
    """The file of a report cannot be written."""


def make(opts: Mapping[str, Any], path: str | None, since: Any, worker: str | None) -> dict[str, Any]:
    """
    Make a report, and put it into a file, which is never there in part.

    :param opts: Salt's options.
    :param path: of the file.
    :param since: the beginning of the time it is about.
    :param worker: whose database; as in :func:`salt_eventsd.operate.history.ask`.
    :raises EventsdError: an argument is wrong, the database is away, or the file cannot be written; one line.
    :returns: ``report`` (the path), ``bytes``, ``since`` and ``until``, and ``retcode``.
    """
    target = _target(path)
    made = datetime.now(timezone.utc)
    start = Asked({"since": since}).time("since") or made
    if start >= made:
        raise WrongArgument(f"since: expected a time that is past, such as 7d, got {since!r}")
    config = load(opts)
    status = read(Path(config.general.state_file))
    with asking(config, worker, _SECONDS) as (name, reader):
        facts = collect(reader, About(str(opts.get("id", "master")), name, start, made), status, Room())
    page = page_of(facts)
    _write(target, page)
    times = {"since": start.isoformat(" ", "seconds"), "until": made.isoformat(" ", "seconds")}
    return {"report": str(target), "bytes": len(page), **times, "retcode": 0}


def page_of(facts: Report) -> bytes:
    """
    Return the page, in UTF-8, of at most :data:`MOST_BYTES`: with fewer rows if it takes that.

    :param facts: what it tells.
    """
    page = render(facts).encode()
    while len(page) > MOST_BYTES:
        facts = smaller(facts, 0.5)
        page = render(facts).encode()
    return page


def _target(path: Any) -> Path:
    if not isinstance(path, str) or not path.strip() or "\0" in path:
        raise WrongArgument(f"path: expected a file such as /var/www/salt/report.html, got {path!r}")
    target = Path(path)
    if not target.is_absolute():
        raise WrongArgument(f"path: expected a path from the root on, such as /var/www/salt/report.html, got {path!r}")
    try:
        _must_be_free(target, path)
    except OSError as exc:
        # Salt's user need not be root.
        raise Unwritable(f"path: {target} cannot be looked at: {exc.strerror or exc}") from exc
    return target


def _must_be_free(target: Path, path: str) -> None:
    if target.is_dir():
        raise WrongArgument(
            f"path: expected a file, and {path} is a folder; {path.rstrip('/')}/report.html would be one"
        )
    if not target.parent.is_dir():
        raise WrongArgument(f"path: there is no folder {target.parent}; make it first")
    if not _may_be_replaced(target):
        raise WrongArgument(f"path: {path} is there and is no report; name another file, or remove it first")


def _may_be_replaced(target: Path) -> bool:
    """
    Say whether a file may give way to a report: it is not there, is empty, or is a report itself.

    A runner is root, and who may call it over salt-api need not be.
    """
    if not target.exists():
        return True
    # To open a pipe or a device may take for ever.
    if not target.is_file():
        return False
    with target.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES)
    return not beginning or MARK in beginning


def _write(target: Path, page: bytes) -> None:
    """Readers see the old page or the new one. The new one has its mode before there is anything in it."""
    draft = ""
    try:
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _MODE)
            file.write(page)
            file.flush()
            os.fsync(descriptor)
        os.replace(draft, target)
    except OSError as exc:
        if draft:
            Path(draft).unlink(missing_ok=True)
        raise Unwritable(f"path: {target} cannot be written: {exc.strerror or exc}") from exc
