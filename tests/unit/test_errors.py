"""What is told of an error: one line, and no password."""

from __future__ import annotations

import pytest

from salt_eventsd.errors import brief, masked, place, story
from salt_eventsd.exceptions import Transient

SECRET = "hunter2"


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(Transient("gone\n  away"), "gone away", id="ours, in one line"),
        pytest.param(KeyError("x"), "KeyError: 'x'", id="with its kind"),
        pytest.param(ValueError(), "ValueError: ValueError", id="without a text"),
        pytest.param(Speechless(), "Speechless: Speechless", id="that cannot say what it is"),
        pytest.param(Transient("x" * 1000), "x" * 500, id="long"),
    ],
)
def test_an_error_is_told_in_one_line(error: Exception, told: str) -> None:
    assert brief(error) == told


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"cannot connect to redis://bob:{SECRET}@cache:6379/0", id="a URL"),
        pytest.param(f"cannot connect to redis://:{SECRET}@cache:6379/0", id="without a user"),
        pytest.param(f"http://bob:a@{SECRET}@db:80/x refused", id="with an unescaped @"),
        pytest.param(f"http://bob:a/{SECRET}@db/x refused", id="with a slash"),
        pytest.param(f"host=db password={SECRET} port=1", id="a connection string"),
        pytest.param(f"password='{SECRET} {SECRET}' port=1", id="in quotes"),
        pytest.param(f"while scanning:\n    db_password: {SECRET}: x\n                ^", id="a piece of YAML"),
        pytest.param(f"GET /write?u=bob&TOKEN={SECRET}&db=x", id="a query"),
    ],
)
def test_passwords_are_not_told(text: str) -> None:
    # Given
    error = ValueError(text)

    # When, Then
    for told in (brief(error), masked(text), story(error)):
        assert SECRET not in told
        assert "***" in told
        assert ("bob" in told) == ("bob" in text)


def test_what_is_no_password_is_told() -> None:
    text = "1045: Access denied for user 'salt'@'10.0.0.1' (using password: YES) at http://db:3306/x"

    assert masked(text) == text


def test_where_an_error_was_raised_is_told_without_what_was_in_the_event() -> None:
    try:
        int(SECRET)
    except ValueError as exc:
        told = place(exc)

    assert told.startswith("ValueError in test_errors.py, line ")
    assert SECRET not in told
