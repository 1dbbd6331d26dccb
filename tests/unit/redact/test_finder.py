"""The search that passes by the package's objects finds what the package's own search finds."""

from __future__ import annotations

import pytest

from salt_eventsd.redact import finder
from salt_eventsd.redact.finder import Finder

TEXTS = (b"", b"x", b"xxabab", b"\xff\x00token=\xe9", b"a" * 1000 + b"token", b"line\nPASSWORD\n")


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(rb"(?i)pass(?:word|wd)|tok(en)s?", id="names"),
        pytest.param(rb"a(b)?", id="a group"),
        pytest.param(rb"\bxx|(?m:^)PASS", id="what stands before"),
        pytest.param(rb"x*", id="nothing is enough"),
    ],
)
def test_both_searches_find_the_same(expression: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    direct = Finder(expression)
    monkeypatch.setattr(finder, "_direct", lambda pattern: None)
    usual = Finder(expression)
    asked = [(text, pos) for text in TEXTS for pos in range(len(text) + 1)]

    # When
    found = [direct.search(text, pos) for text, pos in asked]

    # Then
    assert direct._match is not None
    assert found == [usual.search(text, pos) for text, pos in asked]
    assert any(span is not None for span in found)


def test_a_package_that_is_built_otherwise_is_still_searched_with() -> None:
    assert finder._direct(object()) is None
