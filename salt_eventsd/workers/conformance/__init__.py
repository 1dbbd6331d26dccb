"""
The contract of workers as a suite that anybody can run against a module of their own.

::

    python -m salt_eventsd.workers.conformance my_worker.py --options options.yaml

or in tests of their own::

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    def test_the_contract(check, tmp_path):
        check(Subject("my_worker.py", {"path": f"{tmp_path}/events.jsonl"}))

``docs/writing_a_worker.rst`` has the contract in words. Here, ``subject`` loads a module and has its workers write as
the engine would; ``events`` has what they get, ``making`` and ``writing`` have the checks; ``verdict`` is what a check
finds, and ``report`` prints it. The suite has no engine, no spool and no lane: what these do with a batch has tests of
its own.
"""

from salt_eventsd.workers.conformance import making, writing
from salt_eventsd.workers.conformance.subject import Subject
from salt_eventsd.workers.conformance.verdict import Broken, Check, NotTried

#: All checks, in the order in which they are best read.
CHECKS: tuple[Check, ...] = (*making.CHECKS, *writing.CHECKS)

__all__ = ["CHECKS", "Broken", "Check", "NotTried", "Subject"]
