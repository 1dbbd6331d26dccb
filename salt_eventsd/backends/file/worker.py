"""
Events into files, a line of JSON each: whole lines or none.

A file is opened for each batch. So if logrotate moves it away in between, a new one is made.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from salt_eventsd.backends.ahead import Ahead
from salt_eventsd.backends.file.options import FileOptions
from salt_eventsd.backends.file.rotation import make_room, rotated_base
from salt_eventsd.backends.options import read_options, read_template
from salt_eventsd.backends.shape import event_id, with_id
from salt_eventsd.config.language.fields import Facts
from salt_eventsd.config.language.template import Template, tame
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Held, Refused, Transient
from salt_eventsd.workers.isolate import bury, make_each
from salt_eventsd.workers.write import Batch, Context, Refusal

#: What a field may not bring into a file's name: another folder, or signs with a meaning to terminals and shells.
_NOT_IN_A_NAME = re.compile(r"[^\w.@+=,: -]|\A\.")
#: File systems take 255 bytes for a name; a field gets this many characters of it.
_LONGEST_PART = 60
_LONGEST_NAME = 255
#: The system takes 4096 bytes for a path, with a NUL at its end.
_LONGEST_PATH = 4000
#: Faults that may concern one file alone; if no other can be written either, an operator has to act.
_OF_A_FILE = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EROFS, errno.ELOOP, errno.EEXIST),
        # A file system that takes only shorter names, fewer signs or smaller files.
        *(errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ENXIO, errno.ETXTBSY),
    )
)
#: All file workers of this process: no rotated file may have a name that an event of any of them can make.
_ALL: weakref.WeakSet[Files] = weakref.WeakSet()
_COUNTING = threading.Lock()

#: An event's position in its batch, its id and its line.
Line = tuple[int, str, bytes]


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
        self._ahead = Ahead()
        self._one_at_a_time = threading.Lock()
        with _COUNTING:
            _ALL.add(self)

    def write(self, batch: Batch) -> None:
        """
        Append a batch.

        :param batch: the batch.
        :raises WorkerError: not all of it could be written, and why.
        """
        made, refusals = make_each(batch, self._line)
        answers: list[Refusal] = []
        with self._one_at_a_time:
            files: dict[str, list[Line]] = {}
            for position, (path, id_, text) in made:
                if id_ not in self._ahead:
                    files.setdefault(path, []).append((position, id_, text))
            for path, lines in files.items():
                try:
                    self._append(path, lines)
                except OSError as exc:
                    if exc.errno not in _OF_A_FILE:
                        raise Transient(_said(exc)) from exc
                    answers += [(position, _said(exc)) for position, id_, _ in lines if id_ not in self._ahead]
            bury(batch, refusals, answers)
            self._ahead.settled(batch, [id_ for _, (_, id_, _) in made])

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
        """The folder of all files, up to where it depends on the event."""
        literal = self._path.parts[0][0]
        return Path(literal[: literal.rindex("/")] or "/")

    def _line(self, event: Event) -> tuple[str, str, bytes]:
        path = self._path.render(Facts(event, self._node_id), clean)
        if len(path.encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in path.split("/")):
            raise Refused("the event makes a file's name longer than 255 bytes")
        id_ = event_id(event)
        return path, id_, with_id(event, id_, self._node_id) + b"\n"

    def _append(self, path: str, lines: Sequence[Line]) -> None:
        """Append lines, in portions if the file is rotated between them."""
        rotate = self._options.rotate
        at = 0
        while at < len(lines):
            _make_folder(os.path.dirname(path), self._options.folder_bits)
            with _opened(path, self._options.bits) as descriptor:
                size = os.fstat(descriptor).st_size
                upto = _fitting(lines, at, rotate.bytes - size) if rotate else len(lines)
                if upto == at and not size:
                    # A line that is longer than a file may be gets a file for itself.
                    upto = at + 1
                if upto > at:
                    _write(descriptor, size, b"".join(text for _, _, text in lines[at:upto]), self._options.fsync)
                    self._ahead.add(id_ for _, id_, _ in lines[at:upto])
            if rotate and upto < len(lines):
                with _COUNTING:
                    templates = [one._path for one in _ALL]
                make_room(path, rotate.keep, rotated_base(path, rotate.keep, templates))
            at = upto


def clean(text: str, apart: str = "") -> str:
    """
    Return a field's text as part of a file's name: never a parent folder or a hidden file, and never the same as
    another's.

    :param text: of a field.
    :param apart: further signs that may not stand in it.
    """
    # An empty name would be a folder's.
    return tame(text, _NOT_IN_A_NAME, apart, _LONGEST_PART) if text else "_~"


def _make_folder(folder: str, mode: int) -> None:
    """Make a folder and all missing folders above it, each with a mode that no umask changes."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for one in reversed(missing):
        try:
            os.mkdir(one, 0o700)
            os.chmod(one, mode)
        except FileExistsError:
            if not os.path.isdir(one):
                raise


@contextmanager
def _opened(path: str, mode: int) -> Iterator[int]:
    try:
        # Only a file that we have made gets our mode; O_EXCL tells.
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode & 0o600)
        os.fchmod(descriptor, mode)
    except FileExistsError:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.ENXIO, f"{path} is not a file")
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
    """Return the position of the first line that does not fit."""
    for at in range(start, len(lines)):
        room -= len(lines[at][2])
        if room < 0:
            return at
    return len(lines)


def _said(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)


def make(context: Context) -> Files:
    """
    Make the worker.

    :param context: its options and its name.
    :raises ConfigError: an option is wrong.
    """
    options = read_options(context, FileOptions)
    return Files(options, read_template(context, "path", options.path), context.node_id)
