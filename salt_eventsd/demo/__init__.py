"""
``python -m salt_eventsd.demo`` (or ``make demo``): a real master and minion for a few seconds, and what was kept of it.

:mod:`~salt_eventsd.demo.sandbox` runs Salt in a folder of its own, as :mod:`~salt_eventsd.demo.configuration` says;
:mod:`~salt_eventsd.demo.story` is what happens and what is shown, :mod:`~salt_eventsd.demo.terminal` lays it out.
Nothing of it is used by the engine.
"""


class DemoError(Exception):
    """Something the demo cannot go on without."""
