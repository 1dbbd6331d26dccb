"""Expressions of users that see minions' text: the same answers as re, and no text that takes long."""

from __future__ import annotations

import contextlib
import fnmatch
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.common.pattern_cost import longest_cheap
from salt_eventsd.common.patterns import TIME_LIMIT_SECONDS, PatternTimeout, compile_pattern
from tests.support.growth import assert_linear

PLAIN = [
    r"salt/job/\d+/ret/",
    r"salt/(job|run|wheel)/[^/]+/new\Z",
    r"salt/(job/[^/]+/ret/|(run|wheel)/[^/]+/ret\Z)",
    fnmatch.translate("salt/job/*/ret/web*"),
    r"state\.(apply|highstate|sls)\Z",
    r"AKIA[0-9A-Z]{16}",
    r"\b\d{4}-\d{4}\b",
    r"n*",
    r"(?i)straße|ﬁ",
    r"(?P<first>\w+) (?P=first)",
    r"(?<!x)token(?=\s*=)",
    r"^\s+$",
    r"(?m)^b",
    r"a{e}|[[:alpha:]]|x{,2}|\{1\}",
    r"(?x) a  b # a{e}",
    r"[\w.+-]+@[\w.]+",
    r"(a+)+$",
    r"(?a)\w+",
    r".*é.*",
]
TEXTS = st.text("ab1 /=-.{}e:éﬁßSs\n@xntoken", max_size=30) | st.sampled_from(
    ["salt/job/20260102030405678901/ret/web1", "salt/run/1/new", "AKIAIOSFODNN7EXAMPLE", "token = 1", "a{e}", "x y"]
).map(lambda text: f"{text} {text}" * 8)


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize("expression", PLAIN)
@given(text=TEXTS)
def test_the_answers_are_those_of_re(expression: str, text: str) -> None:
    # Given
    pattern, plain = compile_pattern(expression), re.compile(expression)

    # When, Then
    for method in ("match", "search"):
        found, wanted = getattr(pattern, method)(text), getattr(plain, method)(text)
        assert (found and (found.span(), found.groups())) == (wanted and (wanted.span(), wanted.groups()))
    assert pattern.sub("*", text) == plain.sub("*", text)


@pytest.mark.parametrize("expression", ["(", "a**", "[z-a]", r"\m", "(?P<1>a)", "a{9999999999}"])
def test_what_is_wrong_is_said_with_its_place(expression: str) -> None:
    with pytest.raises(ValueError, match="in '"):
        compile_pattern(expression)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        pytest.param(r"(a|aa)+$", "a" * 5000 + "b", id="two ways each round"),
        pytest.param(r"(x+x+)+y", "x" * 5000, id="repeats in a repeat"),
        pytest.param(r"a*a*a*a*[bc]d", "a" * 100_000, id="repeats in a row"),
        pytest.param(r"(?:.*,)*(?:.*;)*x", ",;" * 20_000, id="anything, twice"),
    ],
)
def test_what_takes_too_long_is_given_up(expression: str, text: str) -> None:
    # Given
    pattern = compile_pattern(expression)

    for method in (pattern.match, pattern.search, lambda text: pattern.sub("", text)):
        began = time.monotonic()

        # When
        with contextlib.suppress(PatternTimeout):
            method(text)

        # Then
        assert time.monotonic() - began < TIME_LIMIT_SECONDS * 20


def test_an_expression_that_explodes_says_so() -> None:
    with pytest.raises(PatternTimeout, match=r"took longer than 0\.1 s"):
        compile_pattern(r"(a|aa)+$").match("a" * 100 + "b")


@pytest.mark.parametrize("expression", PLAIN[:6])
def test_the_usual_expressions_on_tags_and_functions_are_left_to_re(expression: str) -> None:
    pattern = compile_pattern(expression)

    assert pattern.linear
    assert pattern.match == pattern.regex.match


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize("expression", PLAIN)
@pytest.mark.parametrize("unit", ["a", "1", "/", "salt/job/1/ret/", "ab ", ",;"])
def test_what_is_found_cheap_grows_with_the_text(expression: str, unit: str) -> None:
    plain = re.compile(expression)
    for anywhere, method in ((False, plain.match), (True, plain.search)):
        if longest_cheap(expression, plain.flags, anywhere) is None:
            step: Callable[[str], object] = method
            assert_linear(step, lambda size: unit * (size // len(unit)), largest=2**17)


@pytest.mark.parametrize("expression", [r"(a+)+$", r"(a|a)*b", r"(?:a?){50}b", r"(?:(?:a|b)?c?)*d", r"((a*)*)*b"])
def test_what_could_explode_is_never_found_cheap(expression: str) -> None:
    longest = longest_cheap(expression, re.compile(expression).flags, anywhere=False)

    assert longest is not None
    assert longest < 20
