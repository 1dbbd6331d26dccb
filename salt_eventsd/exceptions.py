"""
What can go wrong, by what the engine does about it.

The first line of an exception's docstring is its message where none is given. What a worker raises decides what becomes
of its batch: :class:`Transient` is tried again, :class:`Held` is tried again and reported as failing, :class:`Refused`
is split until the bad events stand alone. :class:`Cut` and :class:`Doubtful` are for what nobody can know at once.
"""

from __future__ import annotations

from collections.abc import Collection


class EventsdError(Exception):
    """Something in salt-eventsd went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class ConfigError(EventsdError):
    """The configuration is wrong.

    :param problems: one line each, ``eventsd: <key>: what is wrong and what would be right``.
    """

    def __init__(self, problems: list[str]) -> None:
        # A key or value may have line feeds in it.
        self.problems = [problem.replace("\n", "\\n") for problem in problems]
        super().__init__("\n".join(self.problems))


class Unavailable(ConfigError):
    """Where part of the configuration is kept (pillar, SDB) does not answer; it may well do so later."""


class SpoolBusy(EventsdError):
    """Another engine has this spool open."""


class SpoolError(EventsdError):
    """The spool cannot be written."""


class WorkerError(EventsdError):
    """A worker could not write its batch."""


class Transient(WorkerError):
    """The backend is away or busy; the same batch may well be taken later."""


class Cut(Transient):
    """The connection ended, or no answer came, while the batch was on its way; what is in the batch may be why."""


class Reused(Transient):
    """Receipts of other chunks stand under the names of some chunks of the batch.

    :param chunks: the ids of these chunks; they are written under another name.
    """

    def __init__(self, chunks: Collection[int]) -> None:
        self.chunks = sorted(chunks)
        super().__init__(f"the database has receipts of other events under {len(self.chunks)} of this spool's names")


class Lost(Transient):
    """The connection was lost, or was too slow and cut off, while the backend was at it."""


class Held(WorkerError):
    """The backend refuses everything (no such table, no permission, no driver); an operator has to act."""


class Refused(WorkerError):
    """The backend refused at least one event of the batch because of what is in it."""


class Doubtful(Refused):
    """The backend refused something for a reason that may be an event's, or the backend's own.

    It is split like any refusal. The event that stands alone is set aside if the backend has taken another one.
    """


class Doubted(Held):
    """The backend took no event of the batch, each tried alone; so none of them is to blame.

    :param message: what was refused, and why.
    :param chunks: ids of the chunks that have such events, if the backend told; it may well take the others.
    """

    def __init__(self, message: str | None = None, chunks: Collection[int] = ()) -> None:
        super().__init__(message)
        self.chunks = frozenset(chunks)
