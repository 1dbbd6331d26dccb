"""What the contract says of how a worker is made, looked at and closed."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from salt_eventsd.exceptions import ConfigError, WorkerError
from salt_eventsd.redact.own_secrets import passwords_in
from salt_eventsd.workers.conformance.batches import batch_of
from salt_eventsd.workers.conformance.subject import Subject
from salt_eventsd.workers.conformance.verdict import Broken, Check, NotTried, check

CHECKS: list[Check] = []

#: An option and a default that no worker has.
_UNKNOWN = "eventsd_conformance"
#: Where Linux lists what a process has open.
_OPEN_FILES = "/proc/self/fd"
#: A shorter password is found in other words, too.
_SHORTEST_SECRET = 4


@check("making a worker opens nothing", CHECKS)
def _opens_nothing(subject: Subject) -> str:
    # What is imported is imported.
    subject.make()
    seen = []
    # Something else in this process may open or close a file in the same moment, but not each time.
    for _ in range(3):
        files, threads = _opened(), threading.active_count()
        subject.make(concurrency=4)
        seen.append((_opened() - files, threading.active_count() - threads))
    if (0, 0) not in seen:
        files, threads = seen[-1]
        raise Broken(
            "worker(context) opens no file, connection or thread",
            f"it left {files} more files or connections open, and {threads} more threads running",
            "open them in the first write(): the engine makes workers to look at a configuration, too",
        )
    return ""


@check("an option that the worker does not know is refused", CHECKS)
def _unknown_option(subject: Subject) -> str:
    try:
        subject.make({**subject.options, _UNKNOWN: 1})
    except ConfigError as exc:
        if _UNKNOWN in str(exc):
            return ""
        happened = f"the error does not name it: {exc}"
    else:
        happened = "the worker was made"
    raise Broken(
        f"an option {_UNKNOWN!r}, which means nothing, is an error that names it",
        happened,
        'read the options with context.known("path", "mode"), which refuses all others',
    )


@check("defaults that are for other workers are passed over", CHECKS)
def _foreign_defaults(subject: Subject) -> str:
    try:
        subject.make(defaults={_UNKNOWN: 1})
    except ConfigError as exc:
        raise Broken(
            f"a key {_UNKNOWN!r} under defaults is passed over: it is for another worker",
            f"the worker was not made: {exc}",
            'take of context.defaults only what the worker knows; context.known("path", "mode") does so',
        ) from exc
    return ""


@check("a check is one line, and writes nothing", CHECKS)
def _is_checked(subject: Subject) -> str:
    worker = subject.make()
    if not callable(getattr(worker.worker, "check", None)):
        raise NotTried("it has no check(), which is optional")
    before = None if subject.arrived is None else list(subject.arrived())
    try:
        line = subject.call(worker.worker.check)  # type: ignore[attr-defined]  # optional
    except (WorkerError, OSError) as exc:
        raise Broken(
            "check() returns a line that says the place can be reached",
            f"it raised {type(exc).__name__}: {exc}",
            "is the place up, and are the options right?",
        ) from exc
    if not isinstance(line, str) or not line.strip() or "\n" in line:
        raise Broken(
            "check() returns a line of text that says the place can be reached",
            f"it returned {line!r}",
            'return one such as "reachable", and raise Transient, Held or an OSError if the place is not',
        )
    if subject.arrived is not None and (after := list(subject.arrived())) != before:
        raise Broken(
            "check() leaves the place as it is",
            f"{abs(len(after) - len(before or []))} events more or less are there",
            "undo what it tries",
        )
    return line


@check("closing is harmless, twice too, and before the first batch", CHECKS)
def _closes(subject: Subject) -> str:
    for used in (False, True):
        worker = subject.make().worker
        end = getattr(worker, "close", None)
        if end is None:
            raise NotTried("it has no close(), which is optional")
        if used:
            subject.call(worker.write, batch_of(subject.numbered([True])))
        try:
            for _ in range(2):
                subject.call(end)
        except (Broken, WorkerError, OSError) as exc:
            raise Broken(
                "close() closes what is open, and nothing if nothing is",
                f"{'after a batch' if used else 'before the first batch'} it raised: {_told(exc)}",
                "keep None where nothing is open, and set it back when it is closed",
            ) from exc
    return ""


@check("a password is told nowhere", CHECKS)
def _tells_no_secret(subject: Subject) -> str:
    secrets = [secret for _, secret in passwords_in(subject.options) if len(secret) >= _SHORTEST_SECRET]
    if not secrets:
        raise NotTried("there is no password in the options")
    with _listening() as heard:
        worker = subject.make()
        said = {"repr() of the worker": repr(worker.worker), "str() of the worker": str(worker.worker)}
        for place, method, arguments in (
            ("check()", worker.check, ()),
            ("write()", worker.write, (batch_of(subject.numbered([True])),)),
        ):
            try:
                said[place] = str(subject.call(method, *arguments))
            except Exception as exc:
                said[f"an error of {place}"] = "".join(traceback.format_exception(exc))
        for key, value in subject.options.items():
            if any(secret in str(value) for secret in secrets):
                said[f"the error of a wrong {key}"] = _error_of(subject, {**subject.options, key: {"wrong": value}})
    for place, text in {**said, **heard}.items():
        if any(secret in text for secret in secrets):
            raise Broken(
                "a password stands in no text that the worker makes",
                f"it stands in {place}",
                "leave it out of repr(), errors and logs; it may be part of a URL, and libraries repeat URLs in errors",
            )
    return ""


def _error_of(subject: Subject, options: Mapping[str, Any]) -> str:
    try:
        subject.make(options)
    except ConfigError as exc:
        return "".join(traceback.format_exception(exc))
    return ""


@contextlib.contextmanager
def _listening() -> Iterator[dict[str, str]]:
    """Hear what is logged and printed; it is told once the body has ended."""
    logged, printed = io.StringIO(), io.StringIO()
    heard: dict[str, str] = {}
    handler = logging.StreamHandler(logged)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield heard
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        heard.update({"the log": logged.getvalue(), "what is printed": printed.getvalue()})


def _opened() -> int:
    try:
        return len(os.listdir(_OPEN_FILES))
    except OSError:
        return 0


def _told(error: BaseException) -> str:
    return error.happened if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
