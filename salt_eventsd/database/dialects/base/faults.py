"""
What an error of SQLAlchemy or a driver means for the batch: try again, wait for an operator, or find the bad event.

Here is what all databases share: SQLSTATEs, which are standard SQL, and the classes that DB-API gives errors. What a
server answers and nobody has listed is a refusal: whether the event or the table is to blame shows when each event has
been tried alone. What comes without an answer of a server is judged by its class.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc as sqlalchemy_exc

from salt_eventsd.exceptions import Held, Lost, Refused, Transient, WorkerError

#: SQLSTATE class or code -> meaning; the longer match wins. PostgreSQL's appendix A has the list.
_STATES: dict[str, type[WorkerError]] = {
    "08": Transient,  # connection
    "53": Transient,  # resources: disk full, too many connections
    "53200": Lost,  # out of memory, perhaps for this one
    "55": Transient,  # lock not available
    "55000": Refused,  # an object is not in the state it must be in; a trigger's, too
    "57": Transient,  # shutdown, cancelled
    "57014": Lost,  # it took too long
    "58": Transient,  # the system below
    "40": Transient,  # deadlock, serialization
    "25": Transient,  # read-only: a standby, until it is promoted
    "28": Held,
    "3D": Held,
    "3F": Held,
    "42804": Refused,  # a value of the wrong type
    "42": Held,  # no such table or column, no permission
}
_UNIQUE_VIOLATION = "23505"
#: What drivers say of a value they cannot send.
_UNSENDABLE = ("is not supported", "can not be used with", "can't adapt", "Error binding parameter")
#: Errors of values that never reached the database.
_OF_VALUES = (sqlalchemy_exc.StatementError, ValueError, TypeError, OverflowError)


class Faults:
    """
    Classifies errors.

    A dialect says more of an error than its SQLSTATE does, in the methods whose names begin with ``of_`` and ``is_``.
    """

    def classify(self, error: BaseException) -> WorkerError:
        """
        Return what an error means for the batch, as the exception to raise.

        :param error: from SQLAlchemy, a driver or the making of a statement.
        """
        if isinstance(error, WorkerError):
            return error
        original = getattr(error, "orig", None) or error
        if isinstance(error, sqlalchemy_exc.DBAPIError):
            kind = Lost if error.connection_invalidated else self.of_answer(original) or _of_class(error)
        elif isinstance(error, (sqlalchemy_exc.TimeoutError, OSError)):
            kind = Transient
        elif isinstance(error, _OF_VALUES):
            kind = Refused
        else:
            kind = Held
        return kind(self.said(original))

    def passes(self, error: BaseException) -> bool:
        """
        Return whether the database or the connection is to blame, and not the statement that was tried.

        :param error: from SQLAlchemy or a driver.
        """
        if not isinstance(self.classify(error), Transient):
            return False
        original = getattr(error, "orig", None)
        return bool(getattr(error, "connection_invalidated", False)) or original is None or self.is_passing(original)

    def can_only_be_a_value(self, error: BaseException) -> bool:
        """
        Return whether a refusal is of a kind that only values can cause.

        :param error: from SQLAlchemy, a driver or the making of a statement.
        """
        if not isinstance(error, sqlalchemy_exc.DBAPIError):
            return isinstance(error, (Refused, *_OF_VALUES))
        return error.orig is not None and self.is_of_a_value(error.orig)

    def may_be_a_value(self, error: BaseException) -> bool:
        """
        Return whether what looks like a fault of a statement may come from a value: an operator for text and a number.

        :param error: from SQLAlchemy.
        """
        return False

    def is_double(self, error: BaseException) -> bool:
        """
        Return whether a unique key is the reason: a row of that key is there already.

        :param error: from SQLAlchemy.
        """
        return state_of(original_of(error)) == _UNIQUE_VIOLATION

    def is_without_place(self, error: BaseException) -> bool:
        """
        Return whether a table of several partitions has none for a row.

        :param error: from SQLAlchemy.
        """
        return False

    def of_answer(self, original: BaseException) -> type[WorkerError] | None:
        """
        Return what an answer of the server means, None where it gave none.

        :param original: the driver's exception.
        """
        if state := state_of(original):
            return _STATES.get(state) or _STATES.get(state[:2], Refused)
        return Refused if is_unsendable(original) else None

    def is_of_a_value(self, original: BaseException) -> bool:
        """
        Return whether only a value can have caused an answer of the server or the driver.

        :param original: the driver's exception.
        """
        if state := state_of(original):
            # A sequence at its end is counted among the data, and is not.
            return state in ("21000", "42804", "54000") or (state[:2] == "22" and state != "2200H")
        return is_unsendable(original)

    def is_passing(self, original: BaseException) -> bool:
        """
        Return whether an error that counts as transient passes: some drivers call a wrong statement operational.

        :param original: the driver's exception.
        """
        return True

    def said(self, original: BaseException) -> str:
        """
        Return the driver's own words, without the statement that SQLAlchemy would add.

        :param original: the driver's exception.
        """
        return f"{type(original).__name__}: {original}"


def original_of(error: BaseException) -> BaseException:
    """
    Return the driver's exception, the error itself where it is one.

    :param error: from SQLAlchemy or a driver.
    """
    return getattr(error, "orig", None) or error


def state_of(original: BaseException) -> str:
    """
    Return an error's SQLSTATE, "" where it has none.

    :param original: the driver's exception.
    """
    state = getattr(original, "pgcode", None) or getattr(original, "sqlstate", None)
    return state if isinstance(state, str) else ""


def number_of(original: BaseException) -> Any:
    """
    Return what an error begins with, which is its number in the drivers of MySQL.

    :param original: the driver's exception.
    """
    return original.args[0] if original.args else None


def is_unsendable(original: BaseException, also: tuple[str, ...] = ()) -> bool:
    """
    Return whether a driver says that it cannot send a value.

    :param original: the driver's exception.
    :param also: further texts that say so.
    """
    said = str(original)
    return any(text in said for text in (*_UNSENDABLE, *also))


def _of_class(error: sqlalchemy_exc.DBAPIError) -> type[WorkerError]:
    if isinstance(error, (sqlalchemy_exc.DataError, sqlalchemy_exc.IntegrityError)):
        return Refused
    if isinstance(error, (sqlalchemy_exc.ProgrammingError, sqlalchemy_exc.NotSupportedError)):
        return Held
    return Transient
