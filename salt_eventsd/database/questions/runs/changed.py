"""
Changes by what they are of: which minions, functions of states, names and ids have any is known from indexes over
changes alone. Of those that a question means, few have to be looked for, and what is not there need not be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from salt_eventsd.common.globs import is_glob, matcher
from salt_eventsd.database.dialects.beginning import LENGTH, Beginning
from salt_eventsd.database.questions.read import Reader
from salt_eventsd.database.questions.which import Condition
from salt_eventsd.database.schema import states

#: Of more that fit, the newest changes have some.
_MOST_FITTING = 20
#: To find out about more names takes as long as to look through many changes.
_MOST_KNOWN = 1000


def of_named(name: str) -> list[Condition]:
    """
    Return the conditions of the two indexes over the beginnings of names and of ids.

    :param name: of a state, or its id.
    """
    return [Beginning(column) == Beginning(sa.literal(name)) for column in (states.c.name, states.c.state_id)]


def few_ways(reader: Reader, minion: str | None, state: str | None, name: str | None) -> tuple[Condition, ...] | None:
    """
    Return conditions of which one is true for each change that is asked for: a few, each with an index of its own. None
    if there are no such conditions, and nothing if there is no such change.

    :param reader: of the history; its database has indexes over some rows only.
    :param minion: a glob; None for any.
    :param state: a module, a function, an id or a name of a state, or a glob; None for any.
    :param name: a glob for names and ids; None for any.
    """
    if minion is not None and (found := _fitting(reader, states.c.minion_id, matcher(minion))) is not None:
        return found
    if name is not None and (found := _of_names(reader, name)) is not None:
        return found
    if state is None:
        return None
    fits, fits_module = matcher(state), matcher(f"{state}.*")
    functions = _fitting(reader, states.c.state, lambda known: fits(known) or fits_module(known))
    named = None if functions is None else _of_names(reader, state)
    if functions is None or named is None:
        return None
    return found if len(found := (*functions, *named)) <= _MOST_FITTING else None


def _of_names(reader: Reader, glob: str) -> tuple[Condition, ...] | None:
    """Return the conditions of names and ids."""
    if not is_glob(glob):
        return tuple(of_named(glob))
    fits = matcher(glob)

    def may_fit(known: str) -> bool:
        # Of a long one, an index has no more than its beginning.
        return len(known) >= LENGTH or fits(known)

    names = _fitting(reader, Beginning(states.c.name), may_fit)
    ids = None if names is None else _fitting(reader, Beginning(states.c.state_id), may_fit)
    return None if names is None or ids is None else (*names, *ids)


def _fitting(
    reader: Reader, column: sa.ColumnElement[Any], fits: Callable[[str], bool]
) -> tuple[Condition, ...] | None:
    """Return the conditions that a column has a value that fits, of all that changes have; None if these are many."""
    questions = reader.dialect.questions
    is_change = questions.beside(states.c.changed) == sa.true()
    known = reader.values(questions.distinct(column, is_change).limit(_MOST_KNOWN + 1))
    fitting = [one for one in known if fits(one)]
    if len(known) > _MOST_KNOWN or len(fitting) > _MOST_FITTING:
        return None
    return tuple(column == one for one in fitting)
