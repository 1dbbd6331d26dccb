"""Globs mean what they mean to Salt, whose own are Python's."""

from __future__ import annotations

import random
import sys
from fnmatch import fnmatchcase

import pytest

from salt_eventsd.common.globs import beginning_of, is_glob, matcher


def _by_chance(pick: random.Random) -> tuple[str, list[str]]:
    marks = "abc[]!^-*?\\%_.&~|zA0\n'(}$+"

    def text(most: int) -> str:
        return "".join(pick.choice(marks) for _ in range(pick.randint(0, most)))

    bracket = f"[{pick.choice(['', '!'])}{text(4)}]"
    return "".join([text(2), bracket, pick.choice("*?a"), text(2)]), [text(4) for _ in range(40)]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="older releases refuse ranges that are the wrong way round")
def test_a_glob_fits_what_it_fits_in_python() -> None:
    pick = random.Random(11)
    fitted = 0
    for glob, texts in (_by_chance(pick) for _ in range(500)):
        fits = matcher(glob)
        for text in texts:
            assert fits(text) == fnmatchcase(text, glob), (glob, text)
            fitted += fits(text)
    assert fitted > 100


@pytest.mark.parametrize(
    ("glob", "fitting", "others"),
    [
        ("web[1-3]", ["web1", "web3"], ["web4", "web"]),
        ("[z-a]", [], ["a", "z", "-", ""]),
        ("[!z-a]", ["a", "-", "\n"], ["", "ab"]),
        ("[[]a", ["[a"], ["a", "[[]a"]),
        ("a[!]", ["a[!]"], ["a", "a!"]),
        ("a[!]]", ["ab"], ["a]", "a"]),
        ("[^a]", ["^", "a"], ["b"]),
        ("*b", ["b", "a\nb"], ["b\n"]),
        ("a[", ["a["], ["a"]),
    ],
)
def test_odd_brackets(glob: str, fitting: list[str], others: list[str]) -> None:
    fits = matcher(glob)
    assert [one for one in fitting if not fits(one)] == []
    assert [one for one in others if fits(one)] == []


def test_a_name_is_no_glob() -> None:
    assert not is_glob("web1.example.com]!^%_")
    assert is_glob("web*")


@pytest.mark.parametrize(
    ("glob", "begin"),
    [
        ("web*", "web"),
        ("web[0-4]?", "web"),
        ("*web", ""),
        ("web1", "web1"),
        ("we[b", "we[b"),
        ("we[?]b*", "we"),
        ("", ""),
    ],
)
def test_what_all_begin_with_that_fit_a_glob(glob: str, begin: str) -> None:
    assert beginning_of(glob) == begin
