"""
Run pytest, and try what failed once more, alone: ``python -m tests.support.attempts [pytest's arguments]``.

Seven thousand tests with real daemons share two cores. One that fails because another took its time is no reason to
refuse everything; one that fails alone, too, is. What passed only at the second try is said last of all, for that is a
fault as well, of the test or of the program.

``EVENTSD_CACHE`` names another folder for pytest's cache: who runs this beside others needs one of his own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_CACHE = Path(os.environ.get("EVENTSD_CACHE") or ROOT / ".pytest_cache")
_FAILED = _CACHE / "v/cache/lastfailed"
#: More than so many functions do not fail by chance. Where a daemon is shared, one fails with all its parameters.
MOST = 8
#: What pytest returns if tests have failed, and nothing else went wrong.
_TESTS_FAILED = 1


def _run(*arguments: str) -> int:
    # tox would have it elsewhere.
    cache = f"cache_dir={_CACHE}"
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.times", "-o", cache, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _failed() -> list[str]:
    return list(json.loads(_FAILED.read_text(encoding="utf-8"))) if _FAILED.exists() else []


def main(arguments: list[str]) -> int:
    """
    Run pytest, once or twice, and return its return code.

    :param arguments: pytest's.
    """
    _FAILED.unlink(missing_ok=True)
    code = _run(*arguments)
    failed = _failed()
    if code != _TESTS_FAILED or not 0 < len({test.partition("[")[0] for test in failed}) <= MOST:
        return code
    print(f"\n==> trying again, alone: {', '.join(failed)}", flush=True)
    code = _run(*arguments, "-n", "0", "--last-failed")
    if code == 0:
        print(f"==> passed only when tried again: {', '.join(failed)}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
