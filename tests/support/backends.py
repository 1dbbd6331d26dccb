"""
Makes workers as the engine does, for the tests of single backends.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import salt.config

from salt_eventsd.exceptions import ConfigError
from salt_eventsd.workers.conformance.events import HOSTILE as HOSTILE
from salt_eventsd.workers.load import load_modules, make
from salt_eventsd.workers.write import Batch, Context, Worker
from tests.support import events
from tests.support.docs import ROOT
from tests.support.stores import NODE, Buried

# Salt's loader needs these; no modules are synced into this master.
_OPTS = {**salt.config.DEFAULT_MASTER_OPTS, "id": NODE, "extension_modules": ""}
_BLOCKED = """
import sys
sys.modules[{library!r}] = None
from tests.support import backends
try:
    backends.worker({module!r}, {options!r})
except backends.ConfigError as exc:
    print(*exc.problems, sep="\\n")
assert backends.worker("noop", {{}}).check()
"""


def worker(module: str, options: dict[str, Any], **context: Any) -> Worker:
    """
    Make a worker, called ``sink``.

    :param module: its module.
    :param options: its options.
    :param context: further fields of its ``Context``.
    """
    return make(load_modules(_OPTS), module, Context("sink", options, NODE, **context))


def problem(module: str, options: dict[str, Any], **context: Any) -> str:
    """Return the one line that says what is wrong with a worker's options."""
    with pytest.raises(ConfigError) as caught:
        worker(module, options, **context)
    [line] = caught.value.problems
    assert "\n" not in line
    return line


def problem_without(library: str, module: str, options: dict[str, Any]) -> str:
    """Return the error about a worker in a Python that lacks a library, in which another worker is made, too."""
    code = _BLOCKED.format(library=library, module=module, options=options)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def hostile_batch(buried: Buried | None = None) -> Batch:
    """Return a batch of one chunk with a return for each of :data:`HOSTILE`; the position is the jid."""
    some = [events.returned(value, jid=str(number)) for number, value in enumerate(HOSTILE)]
    return Batch("spool-1", ((1, len(some)),), some, bury=buried or Buried())
