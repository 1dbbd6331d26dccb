"""Imports without what is of no use here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without(name: str) -> Iterator[None]:
    """
    Have a module look as if it were not installed, in the ``with`` block. One that is loaded already stays as it is.

    Alembic loads Mako for the templates of new versions, and Mako loads Pygments, if it is there, for errors in web
    pages: 5 MB of memory for nothing.

    :param name: the module's; whoever imports it must be able to do without it.
    """
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None is how Python tells it
    is_ours = name not in modules
    if is_ours:
        modules[name] = None
    try:
        yield
    finally:
        if is_ours and modules.get(name) is None:
            modules.pop(name, None)
