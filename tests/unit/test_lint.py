"""What checks a commit is what `make lint` checks."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_pre_commit_runs_what_make_lint_runs() -> None:
    # Given
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^lint:.*\n((?:\t.+\n)+)", makefile, re.MULTILINE)
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))

    # When
    linted = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.group(1).splitlines()] if recipe else []
    hooked = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]

    # Then
    assert hooked == linted
    assert linted
