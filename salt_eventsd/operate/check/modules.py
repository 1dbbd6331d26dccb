"""Which worker modules there are, which file each is, and how it is configured: ``salt-run eventsd.workers``."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.workers.load import load_modules


def worker_modules(opts: Mapping[str, Any], functions: Any = None, runners: Any = None) -> dict[str, dict[str, str]]:
    """
    Return the worker modules by name, each with ``file``, ``about``, ``config``, and with ``problem`` if it cannot be
    used.

    :param opts: Salt's options.
    :param functions: Salt's execution modules, for workers that want them.
    :param runners: Salt's runners, likewise.
    """
    modules = load_modules(opts, functions, runners)
    usable = {key.split(".")[0] for key in modules if key.endswith(".worker")}
    found = {}
    for name, (path, *_) in sorted(modules.file_mapping.items()):
        about, config = _documented(Path(path))
        found[name] = {"file": str(path), "about": about, "config": config}
        if name not in usable:
            found[name]["problem"] = modules.missing_fun_string(f"{name}.worker")
    return found


def _documented(path: Path) -> tuple[str, str]:
    """Return the first paragraph of a module's docstring, and the first block of YAML in it."""
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return "", ""
    _, marked, after = text.partition(".. code-block:: yaml\n")
    block = []
    for line in after.splitlines() if marked else []:
        if line.strip() and not line.startswith(" "):
            break
        block.append(line)
    return " ".join(text.strip().partition("\n\n")[0].split()), textwrap.dedent("\n".join(block)).strip()
