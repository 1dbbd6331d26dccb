"""
Check: what ``salt-run eventsd.check`` and ``eventsd.workers`` tell an operator before an engine has to.

- ``checker`` goes through all there is to check, tries each worker's backend, and makes the answer
- ``places`` tells whether the engine can write where its configuration says
- ``running`` asks the engine that runs which configuration it has
- ``modules`` lists the worker modules there are

Whether Salt starts the engine is in :mod:`salt_eventsd.config.switch`; the engine needs to know it, too.
"""

from salt_eventsd.operate.check.checker import check

__all__ = ["check"]
