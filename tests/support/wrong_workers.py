"""A user's worker, and wrong versions of it, for the tests of the suite that examines workers."""

from __future__ import annotations

#: A worker as users wrote it when ``salt_eventsd.workers`` was a single module.
OLD = """
    import json
    import os
    from salt_eventsd.exceptions import ConfigError, Held, Refused, Transient
    from salt_eventsd.workers import Batch, Context, Refusal, Worker

    __virtualname__ = "notes"

    def __virtual__():
        return __virtualname__

    def worker(context: Context) -> Worker:
        options = context.known("path", "password")
        if "path" not in options:
            raise context.problem("path", "missing; expected a file")
        return Notes(options["path"])

    class Notes:
        def __init__(self, path):
            self.path = path

        def write(self, batch: Batch) -> None:
            refusals: list[Refusal] = []
            lines = []
            for position, event in enumerate(batch.events):
                if len(event.json()) > 2**20:
                    refusals.append((position, "too long for a note"))
                else:
                    lines.append(json.dumps({"tag": event.tag, "of": event.minion_id, "data": event.data}) + "\\n")
            if refusals and len(batch.events) != sum(events for _, events in batch.chunks):
                raise Refused(refusals[0][1])
            try:
                with open(self.path, "a", encoding="utf-8") as file:
                    file.write("".join(lines))
            except PermissionError as exc:
                raise Held(str(exc)) from exc
            except OSError as exc:
                raise Transient(str(exc)) from exc
            batch.bury(refusals, None)

        def check(self) -> str:
            if not os.path.isdir(os.path.dirname(self.path)):
                raise Transient(f"there is no folder for {self.path}")
            return f"notes go to {self.path}"

        def close(self) -> None:
            pass
"""
#: Changes to it that break the contract: a piece of it, its replacement, the broken promise, and the message.
WRONG = {
    "swallows": (
        "except OSError as exc:\n                raise Transient(str(exc)) from exc",
        "except OSError:\n                pass",
        "while the place is away, write and check raise in time",
        "it returned as if all was well",
    ),
    "swallows-everything": (
        "for position, event in enumerate(batch.events):",
        "for position, event in enumerate(all_of(batch.events)):",
        "an error while events are read is not swallowed",
        "write() returned as if all was well",
    ),
    "another-error": (
        "raise Transient(str(exc)) from exc",
        "raise RuntimeError(str(exc)) from exc",
        "while the place is away, write and check raise in time",
        "write() raised RuntimeError: ",
    ),
    "takes-any-option": (
        'context.known("path", "password")',
        "context.options",
        "an option that the worker does not know is refused",
        "the worker was made",
    ),
    "refuses-defaults": (
        'options = context.known("path", "password")',
        'options = {**context.defaults, **context.options}; context = Context("x", options, ""); context.known("path")',
        "defaults that are for other workers are passed over",
        "the worker was not made",
    ),
    "opens-at-once": (
        "self.path = path",
        "self.path = path; self.file = os.open(path, os.O_CREAT)",
        "making a worker opens nothing",
        "it left 1 more files or connections open, and 0 more threads running",
    ),
    "empties-the-batch": (
        "batch.bury(refusals, None)",
        "batch.bury(refusals, None); batch.events.clear()",
        "a batch is left as it is",
        "there were 20 events in it, and there are 0",
    ),
    "ascii": (
        'json.dumps({"tag": event.tag, "of": event.minion_id, "data": event.data})',
        'repr((event.tag, event.data)).encode("ascii").decode()',
        "what looks like a command, or is no ASCII, is written as it is",
        "write() raised UnicodeEncodeError: ",
    ),
    "no-mapping": (
        '"data": event.data}',
        '"data": event.data, "stamp": event.data.get("_stamp")}',
        "events of all kinds are written",
        "has no attribute 'get' (AttributeError in notes.py, line ",
    ),
    "one-type-only": (
        '"data": event.data}',
        '"data": event.data, "size": len(event.data["return"])}',
        "empty, deep and odd payloads are written",
        "write() raised TypeError: ",
    ),
    "refuses-copies": (
        "lines = []",
        "lines = []\n            if batch.replay: raise Refused('I have it')",
        "a batch that comes again is no error, and a new worker takes it",
        "20 of its events were refused: I have it",
    ),
    "loses-some": (
        '"".join(lines)',
        '"".join(lines[:500])',
        "a thousand events are written, in their order",
        "500 of them are missing",
    ),
    "disorder": (
        '"".join(lines)',
        '"".join(reversed(lines))',
        "a thousand events are written, in their order",
        "they are there in another order",
    ),
    "doubles": (
        '"".join(lines)',
        '"".join(lines * 2)',
        "an event is written",
        "1 are there too often",
    ),
    "buries-the-wrong-one": (
        "refusals.append((position, ",
        "refusals.append((position + 99, ",
        "large events are written or refused, and harm no other",
        "in a batch of 5",
    ),
    "buries-a-good-one": (
        "refusals.append((position, ",
        "refusals.append((position - 1, ",
        "large events are written or refused, and harm no other",
        "small ones were refused, too",
    ),
    "waits-for-ever": (
        "lines = []",
        "lines = []; import threading; threading.Event().wait()",
        "an event is written",
        "it has not returned after 1 s",
    ),
    "not-for-two-threads": (
        'with open(self.path, "a", encoding="utf-8") as file:',
        "if getattr(self, 'busy', False):\n"
        "                    raise ValueError('busy')\n"
        "                self.busy = True; import time; time.sleep(0.02); self.busy = False\n"
        '                with open(self.path, "a", encoding="utf-8") as file:',
        "two threads write at once",
        "write() raised ValueError: busy",
    ),
    "says-nothing": (
        'return f"notes go to {self.path}"',
        "return None",
        "a check is one line, and writes nothing",
        "it returned None",
    ),
    "leaves-a-trial": (
        'return f"notes go to {self.path}"',
        "import pathlib; pathlib.Path(self.path).write_text('{\"tag\": \"trial\"}\\n'); return 'reachable'",
        "a check is one line, and writes nothing",
        "1 events more or less are there",
    ),
    "closes-once": (
        "def close(self) -> None:\n            pass",
        "def close(self) -> None:\n            del self.path",
        "closing is harmless, twice too, and before the first batch",
        "before the first batch it raised: ",
    ),
    "tells-the-password": (
        "return Notes(options",
        "import logging; logging.getLogger('notes').info('with %s', options); return Notes(options",
        "a password is told nowhere",
        "it stands in the log",
    ),
    "tells-the-password-in-an-error": (
        'if "path" not in options:',
        "if not isinstance(options['password'], str): raise context.problem('password', str(options['password']))\n"
        '        if "path" not in options:',
        "a password is told nowhere",
        "it stands in the error of a wrong password",
    ),
}
#: A function that one of the wrong workers calls.
ALL_OF = """
    def all_of(events):
        try:
            return list(events)
        except Exception:
            return []
"""
