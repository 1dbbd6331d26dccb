"""What is said of each backend's options, in its module and in docs/backends.rst, is all there is and works."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import pytest
import salt.config
import yaml

from salt_eventsd.backends.central.options import CentralOptions
from salt_eventsd.backends.elasticsearch.options import ElasticsearchOptions
from salt_eventsd.backends.mongo.options import MongoOptions
from salt_eventsd.backends.nats.options import NatsOptions
from salt_eventsd.backends.redis.options import Action, RedisOptions
from salt_eventsd.config import load as config_load
from salt_eventsd.workers.load import load_modules, make
from salt_eventsd.workers.write import Context
from tests.support.docs import ROOT

_BACKENDS = [
    pytest.param("elasticsearch", [ElasticsearchOptions], id="elasticsearch"),
    pytest.param("mongo", [MongoOptions], id="mongo"),
    pytest.param("central", [CentralOptions], id="central"),
    pytest.param("nats", [NatsOptions], id="nats"),
    pytest.param("redis", [RedisOptions, Action], id="redis"),
]


def _docstring_config(module: str) -> str:
    source = (ROOT / "_eventsd_workers" / f"{module}.py").read_text(encoding="utf-8")
    [block] = re.findall(r"\.\. code-block:: yaml\n\n((?:(?: +[^\n]*)?\n)+)", source)
    return textwrap.dedent(block)


def _section(module: str) -> str:
    text = (ROOT / "docs" / "backends.rst").read_text(encoding="utf-8")
    [section] = re.findall(rf"^{module}\n=+\n(.*?)(?=^\w+\n===|\Z)", text, re.MULTILINE | re.DOTALL)
    return section


@pytest.mark.parametrize(("module", "structs"), _BACKENDS)
def test_every_option_is_documented_twice(module: str, structs: list[type[msgspec.Struct]]) -> None:
    # Given
    names = {field.name for struct in structs for field in msgspec.structs.fields(struct)}

    # When
    keys = set(re.findall(r"\b(\w+):", _docstring_config(module)))
    words = set(re.findall(r"``(\w+)\b[^`]*``", _section(module)))

    # Then
    assert names <= keys
    assert names <= words


@pytest.mark.parametrize(("module", "structs"), _BACKENDS)
def test_the_example_in_the_module_works(module: str, structs: list[type[msgspec.Struct]], tmp_path: Path) -> None:
    # Given
    given = yaml.safe_load(_docstring_config(module))
    opts: dict[str, Any] = {**salt.config.DEFAULT_MASTER_OPTS, "cachedir": str(tmp_path), **given}
    [(name, settings)] = config_load.load(
        {**opts, "eventsd": {**given["eventsd"], "events": _rules(given)}}
    ).workers.items()

    # When
    worker = make(load_modules(opts), settings.module, Context(name, settings.options, "master", 1, opts))

    # Then
    assert settings.module == module
    assert callable(worker.write)


def _rules(given: dict[str, Any]) -> dict[str, Any]:
    [name] = given["eventsd"]["workers"]
    return {"all": {"tag": "salt/", "worker": name}}
