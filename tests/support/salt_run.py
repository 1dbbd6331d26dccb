"""``salt-run`` of the Salt that runs the tests, for tests that interact with it while it runs."""

from __future__ import annotations

import sys

import salt.scripts

if __name__ == "__main__":
    sys.argv[0] = "salt-run"
    salt.scripts.salt_run()
