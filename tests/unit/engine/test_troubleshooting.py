"""The page on troubleshooting knows each kind of problem that a status can tell."""

from __future__ import annotations

import re

from tests.support.docs import ROOT


def test_each_kind_of_problem_is_on_the_page() -> None:
    # Given
    source = (ROOT / "salt_eventsd" / "engine" / "problems.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "troubleshooting.rst").read_text(encoding="utf-8")
    kinds = set(re.findall(r'Problem\(\s*"(\w+)"', source)) | {"retrying", "held"}

    # When
    told = set(re.findall(r"``(\w+)``", page.partition("What the status says")[2]))

    # Then
    assert {"gap", "growing"} <= kinds
    assert kinds <= told
