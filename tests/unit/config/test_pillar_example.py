"""pillar.example has every key that the documentation has, and tells the default of each."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.docs import ROOT

_ENTRY = re.compile(r"^``([^`]+)``\n    Default: ``([^`]*)``", re.MULTILINE)
_KEY = re.compile(r"( *(?:# *)?)([\w.*<>]+):(?: |$)")
#: A sort of worker, or of rule, has the same keys whatever it is called.
_NAMES = [
    (re.compile(r"\beventsd\.workers\.[^.]+"), "eventsd.workers.<name>"),
    (re.compile(r"\beventsd\.events\.[^.]+(\.subs\.[^.]+)*"), "eventsd.events.<name>"),
]


def _told() -> Iterator[tuple[str, str]]:
    """Yield each key of the example and what the comment above it says."""
    stack: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in (ROOT / "pillar.example").read_text(encoding="utf-8").splitlines():
        found = _KEY.match(line)
        if not found or (line.lstrip().startswith("#") and "Default:" in line):
            comment = [*comment, line.strip(" #")] if line.strip() else []
            continue
        indent = len(found[1].replace("# ", ""))
        while stack and stack[-1][0] >= indent:
            stack.pop()
        stack.append((indent, found[2]))
        path = ".".join(key for _, key in stack)
        for names, placeholder in _NAMES:
            path = names.sub(placeholder, path)
        yield path.removeprefix("eventsd."), " ".join(comment)
        comment = []


@pytest.mark.parametrize(
    ("key", "default"),
    [
        pytest.param(*entry, id=entry[0])
        for entry in _ENTRY.findall((ROOT / "docs" / "configuration.rst").read_text(encoding="utf-8"))
    ],
)
def test_the_example_has_the_key_and_tells_its_default(key: str, default: str) -> None:
    # Given a key that is documented, when the example is read
    told = [comment for path, comment in _told() if path == key]
    # Then it is there, and its default is told where it comes first
    assert told, f"pillar.example has no {key}"
    assert any(f"Default: {default}" in comment for comment in told), (default, told)
