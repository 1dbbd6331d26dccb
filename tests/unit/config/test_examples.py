"""The configurations in examples/ are right as they stand there."""

from __future__ import annotations

from pathlib import Path

import pytest
import salt.config

from salt_eventsd.config import load as config_load
from tests.support.docs import ROOT

EXAMPLES = sorted(one.parent for one in (ROOT / "examples").glob("*/eventsd.conf"))


def test_there_are_five() -> None:
    assert [one.name for one in EXAMPLES] == ["central", "chat", "job_history", "redis_batch", "subevents"]


@pytest.mark.parametrize("folder", [pytest.param(one, id=one.name) for one in EXAMPLES])
def test_a_master_reads_it_and_the_engine_finds_it_right(folder: Path, tmp_path: Path) -> None:
    # Given: the file where an operator puts it
    (tmp_path / "master.d").mkdir()
    (tmp_path / "master.d" / "eventsd.conf").write_bytes((folder / "eventsd.conf").read_bytes())
    (tmp_path / "master").write_text(f"root_dir: {tmp_path}\n", encoding="utf-8")

    # When
    opts = salt.config.master_config(str(tmp_path / "master"))
    config = config_load.load(opts)

    # Then
    assert opts["engines"] == ["eventsd"]
    assert config.events
    assert {name for rule in config.events.values() for name in rule.all_workers} == set(config.workers)


@pytest.mark.parametrize("folder", [pytest.param(one, id=one.name) for one in EXAMPLES])
def test_its_readme_names_its_files(folder: Path) -> None:
    text = (folder / "README.rst").read_text(encoding="utf-8")

    assert all(one.name in text for one in folder.iterdir() if one.name != "README.rst")
