"""Many tag patterns at once match just what each of them matches alone."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.rules.tags import TagIndex, tag_glob, tag_pattern

PATTERNS = [
    *("salt/", r"salt/job/\d+/ret/", r"salt/job/\d+/ret/web1", r"salt/job/\d+/ret/web", r"salt/job/[^/]+/new\Z"),
    *(r"salt/job/[0-9]*/ret/\w+", r"salt/job/\d+/?", r"salt/jobs?/", r"salt/job/1\d+/ret/", r"(?i)SALT/", ".*/ret/"),
    *(
        r"salt/job|company/",
        r"(salt|company)/",
        r"",
        r"company/a{2}/",
        r"salt/job/\d+/ret/(?:db|web)1",
        r"salt/\w+/\d+",
    ),
    *(r"salt/job/\d+/", r"salt/job/\d+/ret/[^/]+/x", r"salt/job/\d+\Z", r"salt/job/[^/]*/", r"salt/job/\d+/ret/\b"),
]
TAGS = [
    *("", "salt", "salt/", "salt/job/1/ret/web1", "salt/job/12/ret/web1/x", "salt/job/12/new", "salt/job//new"),
    *("SALT/job/1/ret/web1", "company/aa/x", "company/a{2}/", "salt/jobs/1", "salt/job/x/ret/db1", "salt/job/12"),
    *("salt/job/20260102030405678901/ret/db1", "x/ret/", "salt/job/1/ret/", "salt/job/1/2/ret/web1", "salt/jo"),
]


def naive(patterns: list[str], tag: str) -> list[int]:
    return [number for number, pattern in enumerate(patterns) if re.match(pattern, tag)]


@pytest.mark.parametrize("tag", TAGS)
def test_an_index_finds_what_each_pattern_matches(tag: str) -> None:
    index = TagIndex((tag_pattern(pattern), number) for number, pattern in enumerate(PATTERNS))

    assert sorted(index.matching(tag)) == naive(PATTERNS, tag)


@given(
    patterns=st.lists(
        st.lists(
            st.sampled_from(
                ["salt/", "job/", r"\d+/", r"[^/]+/", "ret/", "web", "1", r"\w*", "?", "*", "|", ".", r"\Z", "-"]
            ),
            max_size=6,
        ).map("".join),
        max_size=8,
    ),
    tag=st.lists(st.sampled_from(["salt/", "job/", "12/", "ret/", "web", "1", "-", "/", "x"]), max_size=6).map("".join),
)
def test_any_patterns(patterns: list[str], tag: str) -> None:
    compiling = []
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error:
            continue
        compiling.append(pattern)

    index = TagIndex((tag_pattern(pattern), number) for number, pattern in enumerate(compiling))

    assert sorted(index.matching(tag)) == naive(compiling, tag)


def test_a_pattern_of_several_rules_finds_them_all() -> None:
    index = TagIndex((tag_pattern(r"salt/job/\d+/ret/"), number) for number in range(3))

    assert index.matching("salt/job/1/ret/m") == (0, 1, 2)


@pytest.mark.parametrize(
    ("glob", "tag"),
    [
        pytest.param("salt/job/*/ret/*", "salt/job/1/ret/web1", id="stars"),
        pytest.param("salt/*", "salt/job/1/ret/web1", id="a star takes slashes"),
        pytest.param("salt/job", "salt/job/1", id="the whole tag"),
        pytest.param("salt/?ob/*", "salt/job/1", id="question mark"),
        pytest.param("salt/[jk]ob/*", "salt/job/1", id="one of several"),
        pytest.param(r"salt/\d+", "salt/1", id="no regular expression"),
        pytest.param("*\n", "salt\n", id="line feed"),
    ],
)
def test_globs(glob: str, tag: str) -> None:
    index = TagIndex([(tag_glob(glob), 0)])

    assert bool(index.matching(tag)) == fnmatch.fnmatchcase(tag, glob)
