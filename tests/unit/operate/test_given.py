"""Wrong arguments of verbs, as YAML makes them of what was typed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from _runners import eventsd as runner

ODD = [5, 0, True, float("inf"), [], ["a"], {"a": 1}, date(2026, 11, 26), "", " ", "a\0b", "a\ud800", "a\nb"]


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the runner tells Salt besides its answer."""
    told: dict[str, Any] = {}
    opts = {"cachedir": str(tmp_path), "conf_file": str(tmp_path / "master"), "engines": ["eventsd"]}
    monkeypatch.setattr(runner, "__opts__", opts, raising=False)
    monkeypatch.setattr(runner, "__context__", told, raising=False)
    monkeypatch.setattr(runner, "__salt__", {}, raising=False)
    return told


@pytest.mark.parametrize("given", ODD, ids=ascii)
@pytest.mark.parametrize(("verb", "key"), [("convert", "path"), ("test", "path"), ("check", "config")])
def test_what_is_no_path_is_one_line(context: dict[str, Any], verb: str, key: str, given: Any) -> None:
    # When
    found = getattr(runner, verb)(**{key: given})

    # Then
    [problem] = found.get("problems") or [found["problem"]]
    assert problem == f"eventsd.{verb}: {key}: expected the path of a file or folder, got {given!r}"
    assert context["retcode"] == found["retcode"] == 2


@pytest.mark.parametrize(
    ("verb", "arguments", "says"),
    [
        ("schema", {"action": ["show"]}, "action: expected one of show, "),
        ("schema", {"action": {}}, "action: expected one of show, "),
        ("dead", {"limit": float("inf")}, "expected numbers, got limit=inf"),
        ("dead", {"after": float("inf")}, "expected numbers, got limit=20 after=inf"),
    ],
    ids=str,
)
def test_what_yaml_makes_of_an_argument_is_one_line(
    context: dict[str, Any], verb: str, arguments: dict[str, Any], says: str
) -> None:
    # When
    found = getattr(runner, verb)(**arguments)

    # Then
    assert says in found["problem"]
    assert "\n" not in found["problem"]
    assert context["retcode"] == 2
