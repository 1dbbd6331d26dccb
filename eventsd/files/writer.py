"""
Check a writer's configuration before it replaces the one in use: ``writer.py FILE`` prints what is wrong with it, and
fails if anything is. A database or a broker that is away is not wrong. Runs in the Python that has the package.
"""

from __future__ import annotations

import json
import subprocess
import sys

_WRONG = 2


def main() -> int:
    """Check the file that the argument names."""
    command = [sys.executable, "-m", "salt_eventsd.writer", "-c", sys.argv[1], "--check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        print(done.stderr.strip() or "salt-eventsd-writer is not there: the package is older than its formula")
        return 1
    told = json.loads(done.stdout)
    print("\n".join(told["problems"]))
    return 1 if told["retcode"] == _WRONG else 0


if __name__ == "__main__":
    sys.exit(main())
