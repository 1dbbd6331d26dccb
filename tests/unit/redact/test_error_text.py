"""What is told of an error: one line, and no password."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote

import pytest

from salt_eventsd.config.load import load
from salt_eventsd.exceptions import ConfigError, Transient
from salt_eventsd.redact import own_secrets
from salt_eventsd.redact.error_text import location, masked, one_line, traceback_text
from salt_eventsd.workers import load as workers
from tests.support.growth import assert_linear

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
        pytest.param(Transient("no \x1b]0;me\x07\x9b2J"), r"no \x1b]0;me\x07\x9b2J", id="with what a terminal obeys"),
        pytest.param(Transient("x" * 1000), "x" * 500, id="long"),
    ],
)
def test_an_error_is_told_in_one_line(error: Exception, told: str) -> None:
    assert one_line(error) == told


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
    for told in (one_line(error), masked(text), traceback_text(error)):
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
        told = location(exc)

    assert told.startswith("ValueError in test_error_text.py, line ")
    assert SECRET not in told


PASSWORDS = ["p@ss/w:rd", 'it\'s "x"\\', "münchen+1 %", "a b&c=d", "%41bcdef"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda text: text, id="plain"),
        pytest.param(lambda text: quote(text, safe=""), id="quoted"),
        pytest.param(lambda text: quote(text, safe="").lower(), id="quoted in small letters"),
        pytest.param(lambda text: quote_plus(text), id="quoted with pluses"),
        pytest.param(lambda text: unquote(text), id="unquoted"),
        pytest.param(lambda text: repr(text)[1:-1], id="as Python shows it"),
        pytest.param(lambda text: repr(text.encode())[2:-1], id="as Python shows its bytes"),
        pytest.param(lambda text: json.dumps(text)[1:-1], id="as JSON"),
        pytest.param(lambda text: text.replace("'", "''"), id="as SQL"),
        pytest.param(lambda text: b64encode(f"bob:{text}".encode()).decode(), id="as a header has it"),
    ],
)
def test_the_passwords_of_workers_are_not_told(password: str, spell: Callable[[str], str]) -> None:
    # Given
    own_secrets.learn({"url": f"mariadb://bob:{password.replace(' ', '%20')}@db/salt", "auth": {"password": password}})
    own_secrets.learn({"url": f"mariadb://bob:{quote(password, safe='')}@db/salt"})
    spelled = spell(password)

    for told in ("cannot connect to {} today", "host '{}' not found", "x{}y"):
        # When
        found = one_line(ValueError(told.format(spelled)))

        # Then
        assert spelled not in found
        assert "***" in found


def test_a_password_of_a_configuration_that_was_read_is_not_told() -> None:
    # Given
    opts = {"eventsd": {"workers": {"history": {"url": "postgresql://bob:a-word-of-mine@db/salt"}}}}

    # When
    load(opts)

    # Then: not in the first error, and not in later ones
    assert one_line(ValueError("a-word-of-mine was refused")) == "ValueError: *** was refused"
    assert one_line(ValueError("a-word-of-mine was refused")) == "ValueError: *** was refused"


def test_a_password_with_signs_of_a_url_is_not_shown_in_part() -> None:
    for text in ("mariadb://u:p@ss/w:rd@h/db", "cannot parse 'mariadb://u:p@ss/w:rd@h/db': no port"):
        for told in (one_line(ValueError(text)), masked(text)):
            assert not re.search("p@ss|ss/|w:rd|rd@", told)
            assert "mariadb://u:***@h/db" in told


@pytest.mark.parametrize("url", ["redis://u:p@ss/w:rd@h/0", "http://u:p/w@h/", "nats://u:p@w@h", "mongodb://u:p?w@h/x"])
def test_a_url_whose_password_ends_nobody_knows_where_is_refused(url: str) -> None:
    context = workers.Context("w", {"url": url}, "master")

    with pytest.raises(ConfigError, match=r"workers\.w\.url: there is a . in what looks like its password") as wrong:
        workers.make({}, "redis", context)
    assert "ss" not in str(wrong.value).replace("password", "")


def test_words_that_are_no_secret_are_told_though_somebody_chose_one_as_password() -> None:
    own_secrets.learn({"url": "postgresql://salt:salt@db/salt"})
    own_secrets.learn({"user": "u", "password": "secret"})
    text = "eventsd: /etc/salt/master: the secret of the salt is not told"

    assert masked(text) == text


@pytest.mark.parametrize(
    "unit",
    ["://a:", "://a:@", "password=", 'password="', "password=\\", "token ", "'a' ", "x", "\\", "pw: {", "@", "-p "],
)
def test_what_an_error_says_is_masked_in_a_time_in_proportion_to_it(unit: str) -> None:
    assert_linear(masked, lambda size: unit * (size // len(unit)), largest=2**16)
    assert_linear(
        lambda text: one_line(ValueError(text)), lambda size: unit * (size // len(unit)), smallest=2**18, largest=2**21
    )
