"""
Append events to files, a line of JSON each: whole lines or none.

A file is opened for each batch, so whoever moves it away meanwhile (logrotate) gets a new one.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from salt_eventsd.backends.envelope import envelope
from salt_eventsd.backends.ids import event_id
from salt_eventsd.backends.names import render
from salt_eventsd.backends.options import read_options, read_template
from salt_eventsd.backends.refusals import bury, make_each
from salt_eventsd.config import Size
from salt_eventsd.event import Event
from salt_eventsd.exceptions import Held, Refused, Transient, WorkerError
from salt_eventsd.fields import Facts, Template
from salt_eventsd.requirements import require
from salt_eventsd.workers import Batch, Context

#: What a field may not bring into a file's name: another folder, or what terminals and shells trip over.
_NOT_IN_A_NAME = re.compile(r"[^\w.@+=,: -]")
#: File systems take 255 bytes for a name, of which a field gets this many characters at the most.
_LONGEST_PART = 60
_LONGEST_NAME = 255
#: Somebody has to act; everything else may pass.
_HELD = frozenset((errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EROFS, errno.ELOOP, errno.EEXIST))


#: An event's id and its line.
Line = tuple[str, bytes]


class Rotate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    When a file is moved away.

    :param bytes: it would grow beyond this.
    :param keep: how many of those moved away are kept, the newest.
    """

    bytes: Size = Size(100 * 2**20)
    keep: int = 10

    def __post_init__(self) -> None:
        require(1 <= self.keep <= 1000, f"keep: expected a number from 1 to 1000, got {self.keep}")


class FileOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a file worker.

    :param path: of the file, a template.
    :param rotate: by size; None: never.
    :param fsync: a batch is on the disk before it is forgotten.
    :param mode: of the files, octal.
    """

    path: str = ""
    rotate: Rotate | None = None
    fsync: bool = False
    mode: str | int = "0600"

    def __post_init__(self) -> None:
        require(bool(self.path), "path: missing; expected a file such as /var/log/salt/events.jsonl")
        require(os.path.isabs(self.path), f"path: expected a file's full path, beginning with /, got {self.path!r}")
        require(
            isinstance(self.mode, int) or re.fullmatch("0?[0-7]{3}", self.mode) is not None,
            f"mode: expected an octal number such as '0600', got {self.mode!r}",
        )
        require(
            0o600 <= self.bits <= 0o777, f"mode: expected one by which the owner reads and writes, got {self.mode!r}"
        )

    @property
    def bits(self) -> int:
        """The mode as the system takes it; YAML reads a plain 0600 as octal by itself."""
        return self.mode if isinstance(self.mode, int) else int(self.mode, 8)


def read(context: Context) -> Files:
    """
    Return the worker; it opens nothing yet.

    :param context: what it is made from.
    :raises ConfigError: an option is wrong.
    """
    options = read_options(context, FileOptions)
    return Files(options, read_template(context, "path", options.path), context.node_id)


class Files:
    """
    Files of events.

    :param options: how they are written.
    :param path: of an event's file.
    :param node_id: the master's (or minion's) id.
    """

    def __init__(self, options: FileOptions, path: Template, node_id: str) -> None:
        self._options = options
        self._path = path
        self._node_id = node_id
        # Of a batch that got stuck halfway: ids of events that need not be written again.
        self._ahead: set[str] = set()
        self._one_at_a_time = threading.Lock()

    def write(self, batch: Batch) -> None:
        """
        Append a batch.

        :param batch: the batch.
        :raises WorkerError: not all of it could be written, and why.
        """
        made, refusals = make_each(batch, self._line)
        with self._one_at_a_time:
            files: dict[str, list[Line]] = {}
            for _, (path, line) in made:
                if line[0] not in self._ahead:
                    files.setdefault(path, []).append(line)
            try:
                for path, lines in files.items():
                    self._append(path, lines)
            except OSError as exc:
                raise _meaning(exc) from exc
            self._ahead.difference_update(line[0] for _, (_, line) in made)
        bury(batch, refusals)

    def check(self) -> str:
        """Return a line that says the folder is there or can be made, or raise like :meth:`write`."""
        folder = self._folder()
        there = next(one for one in (folder, *folder.parents) if one.exists())
        if not there.is_dir():
            raise Held(f"{there} is not a folder")
        if not os.access(there, os.W_OK | os.X_OK):
            raise Held(f"{there} cannot be written")
        return f"{folder} can be written" if there == folder else f"{folder} can be made"

    def _folder(self) -> Path:
        """The folder of all files, as far as it does not depend on the event."""
        literal = self._path.parts[0][0]
        return Path(literal[: literal.rindex("/")] or "/")

    def _line(self, event: Event) -> tuple[str, Line]:
        path = render(self._path, Facts(event, self._node_id), clean)
        if any(len(part.encode()) > _LONGEST_NAME for part in path.split("/")):
            raise Refused("the event makes a file's name longer than 255 bytes")
        id_ = event_id(event)
        return path, (id_, b'{"id":"%s",%s\n' % (id_.encode(), envelope(event, self._node_id)[1:]))

    def _append(self, path: str, lines: Sequence[Line]) -> None:
        """Append lines, in portions where the file is rotated between them."""
        rotate = self._options.rotate
        at = 0
        while at < len(lines):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with _opened(path, self._options.bits) as descriptor:
                size = os.fstat(descriptor).st_size
                upto = _fitting(lines, at, rotate.bytes - size) if rotate else len(lines)
                if upto == at and not size:
                    # A line that is longer than a file may be has one to itself.
                    upto = at + 1
                if upto > at:
                    _write(descriptor, size, b"".join(text for _, text in lines[at:upto]), self._options.fsync)
                    self._ahead.update(id_ for id_, _ in lines[at:upto])
            if rotate and upto < len(lines):
                make_room(path, rotate.keep)
            at = upto


def clean(text: str) -> str:
    """
    Return text as a part of a file's name, never a folder's above it or a hidden one's.

    :param text: of a field.
    """
    made = _NOT_IN_A_NAME.sub("_", text)[:_LONGEST_PART]
    return f"_{made[1:]}" if made[:1] in ("", ".") else made


def make_room(path: str, keep: int) -> None:
    """
    Move a file to ``<path>.1``, that one to ``<path>.2`` and so on; the oldest of them gives way.

    :param path: the file.
    :param keep: how many of those moved away there may be.
    """
    free = next((number for number in range(1, keep) if not os.path.exists(f"{path}.{number}")), keep)
    for number in range(free, 1, -1):
        os.replace(f"{path}.{number - 1}", f"{path}.{number}")
    os.replace(path, f"{path}.1")


@contextmanager
def _opened(path: str, mode: int) -> Iterator[int]:
    try:
        # Without O_EXCL nobody could tell whose file it is, and so whose mode.
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        os.fchmod(descriptor, mode)
    except FileExistsError:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Held(f"{path} is not a file")
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, size: int, text: bytes, fsync: bool) -> None:
    """Append text, or leave the file as it was."""
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        # Half a line, from a crash.
        text = b"\n" + text
    left = memoryview(text)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
        if fsync:
            os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _fitting(lines: Sequence[Line], start: int, room: int) -> int:
    """Return the position of the first line that has no room."""
    for at in range(start, len(lines)):
        room -= len(lines[at][1])
        if room < 0:
            return at
    return len(lines)


def _meaning(error: OSError) -> WorkerError:
    said = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    return Held(said) if error.errno in _HELD else Transient(said)
