"""Many tag patterns at once match just what each of them matches alone."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from salt_eventsd.config.structs import default_events
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


_PIECES = ["salt/", "job/", r"\d+/", r"[^/]+/", "ret/", "web", "1", r"\w*", "?", "*", "|", ".", r"\Z", "-"]
_PATTERNS = st.lists(st.sampled_from([*_PIECES, "(", ")", "(job/|x)"]), max_size=6).map("".join)
_TAGS = st.lists(st.sampled_from(["salt/", "job/", "12/", "ret/", "web", "1", "-", "/", "x"]), max_size=6).map("".join)


def compiling(patterns: list[str]) -> list[str]:
    return [pattern for pattern in patterns if _compiles(pattern)]


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


@given(patterns=st.lists(_PATTERNS, max_size=8), tag=_TAGS)
def test_any_patterns(patterns: list[str], tag: str) -> None:
    some = compiling(patterns)
    index = TagIndex((tag_pattern(pattern), number) for number, pattern in enumerate(some))

    assert sorted(index.matching(tag)) == naive(some, tag)


@given(pattern=_PATTERNS, tag=_TAGS, other=_TAGS)
@example(r"salt/job/\d+/ret/", "salt/job/12/ret/web", "x")
@example("salt/job", "salt/jobs/1", "x")
def test_tags_that_are_alike_up_to_the_slash_an_index_names_are_matched_alike(
    pattern: str, tag: str, other: str
) -> None:
    index = TagIndex((tag_pattern(one), number) for number, one in enumerate(compiling([pattern])))
    parts = tag.split("/")
    assume(index.slashes is not None and index.slashes < len(parts))

    same = "/".join([*parts[: index.slashes], other])

    assert index.matching(same) == index.matching(tag)


@pytest.mark.parametrize(
    ("patterns", "slashes"),
    [
        pytest.param([rule.tag for rule in default_events("history").values()], 4, id="the default rules"),
        pytest.param([r"salt/job/\d+/new", r"salt/job/\d+/ret/"], 4, id="jobs and returns"),
        pytest.param([r"salt/job/[^/]+/ret/", "salt/key"], 4, id="a run of anything but slashes"),
        pytest.param([r"salt/job/\d+/ret/web"], 5, id="a part of a minion id"),
        pytest.param([r"salt/job/\d+/ret/", "salt/.*"], None, id="anything"),
        pytest.param([r"salt/job/\d+"], 3, id="a run that no slash ends"),
        pytest.param([r"salt/(a/b|c/d/)?e"], None, id="slashes that may be there"),
        pytest.param([r"salt/(a/b|c/d/e/)f/"], 5, id="one of several"),
        pytest.param([r"salt/[^a]+/"], None, id="a run that has slashes"),
        pytest.param([r"salt/[!-9]/"], None, id="a sign that may be a slash"),
        pytest.param([r"salt/job/x$"], None, id="an end before a line feed"),
        pytest.param([r"salt/(?i:job)/"], None, id="capitals in a part"),
        pytest.param(["(?i)salt/"], None, id="capitals"),
        pytest.param([], 0, id="nothing"),
    ],
)
def test_with_which_slash_it_is_decided(patterns: list[str], slashes: int | None) -> None:
    index = TagIndex((tag_pattern(pattern), number) for number, pattern in enumerate(patterns))

    assert index.slashes == slashes


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
