"""
Demo: ``make demo`` runs a real master and minion for a few seconds and shows what the engine has kept.

- ``sandbox`` runs Salt in a folder of its own, with the options of ``configuration``
- ``story`` is what happens and what is shown, ``terminal`` lays it out
- ``__main__`` is the command
"""


class DemoError(Exception):
    """The demo cannot go on."""
