"""Every command of ours that the documentation shows is one that the runner has, with keywords that it takes."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator

import pytest
import salt.config
import salt.loader

from tests.support.docs import DOCUMENTS, ROOT

_COMMAND = re.compile(r"salt-run (?:--?[\w=-]+ )*eventsd\.[a-z][^`\n#]*")
_ALL = (*DOCUMENTS, ROOT / "eventsd" / "README.rst", ROOT / "CONTRIBUTING.rst", ROOT / "pillar.example")


def _commands() -> Iterator[pytest.param]:
    for document in _ALL:
        text = document.read_text(encoding="utf-8")
        for found in _COMMAND.finditer(text):
            # In a sentence, words follow the command; its own arguments are keywords, or are told apart by their case.
            yield pytest.param(found[0], id=f"{document.name}:{text.count(chr(10), 0, found.start()) + 1}")


@pytest.fixture(scope="module")
def runner() -> salt.loader.LazyLoader:
    return salt.loader.runner(salt.config.DEFAULT_MASTER_OPTS.copy())


@pytest.mark.parametrize("command", list(_commands()))
def test_a_command_is_one_that_the_runner_takes(command: str, runner: salt.loader.LazyLoader) -> None:
    # Given
    words = [word for word in shlex.split(command.replace("...", "")) if not word.startswith("-")]
    verb = words[1].rstrip(".,;:)")
    keywords = [word.split("=")[0] for word in words[2:] if re.match(r"\w+=", word)]

    # When
    function = runner[verb]

    # Then
    parameters = inspect.signature(function).parameters
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    assert takes_any or set(keywords) <= set(parameters)


def test_the_documentation_shows_commands() -> None:
    assert len(list(_commands())) > 50
