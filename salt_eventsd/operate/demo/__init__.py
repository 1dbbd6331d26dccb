"""
``make demo``: a real master and minion for a few seconds, and what was kept of it.

``sandbox`` runs Salt in a folder of its own, as ``configuration`` says;
``story`` is what happens and what is shown, ``terminal`` lays it out.
Nothing of it is used by the engine.
"""


class DemoError(Exception):
    """Something the demo cannot go on without."""
