"""
Who may in at a NATS server: the right ones of each kind do, and for wrong ones one line names the option. Real servers
decide, for all who talk to them: the workers ``nats`` and ``central``, and a writer's ``source``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salt_eventsd.backends.broker.jetstream.consumer import JetStreamConsumer
from salt_eventsd.backends.broker.jetstream.options import Naming, Source
from salt_eventsd.config.servers import read_secret
from salt_eventsd.exceptions import Held
from tests.support.backends import worker
from tests.support.certificates import make_certificate
from tests.support.events import numbered
from tests.support.nats_access import WAYS, Guarded, Realm
from tests.support.stores import batch_of

_STREAM = "EVENTSD"


def _central(options: dict[str, Any]) -> None:
    made: Any = worker("central", {**options, "stream": _STREAM})
    try:
        made.write(batch_of(numbered(1)))
    finally:
        made.close()


def _nats(options: dict[str, Any]) -> None:
    made: Any = worker("nats", {**options, "stream": "OTHER", "create_stream": True})
    try:
        made.write(batch_of(numbered(1)))
    finally:
        made.close()


def _writer(options: dict[str, Any]) -> None:
    source = msgspec.convert({**options, "stream": _STREAM}, Source, dec_hook=read_secret)
    consumer = JetStreamConsumer(source, "sink", Naming("source."))
    try:
        consumer.prepare([])
    finally:
        consumer.close()


#: What all of them are asked to do, each with how it names its options.
_ALL = ((_central, "workers.sink"), (_nats, "workers.sink"), (_writer, "source"))


def _wrong(way: str, right: dict[str, Any], folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return wrong options, each with the key that is to be named."""
    (folder / "torn").write_bytes(b"\x00\xff")
    torn = str(folder / "torn")
    if way == "token":
        return [("user", {}), ("token", {"token": "wrong"}), ("password", {"user": "a", "password": "wrong"})]
    if way == "certificate":
        (folder / "other").mkdir()
        other = make_certificate(folder / "other")
        without_key = {key: value for key, value in right.items() if key != "key_file"}
        return [
            ("ca_file", {}),
            ("ca_file", {**right, "ca_file": str(other.file)}),
            ("ca_file", {**right, "ca_file": torn}),
            ("cert_file", {"ca_file": right["ca_file"]}),
            ("cert_file", {**right, "cert_file": str(other.file), "key_file": str(other.key)}),
            ("cert_file", {**right, "cert_file": torn}),
            ("key_file", {**right, "key_file": str(other.key)}),
            ("key_file", {**right, "key_file": torn}),
            ("key_file", without_key),
        ]
    stranger = Realm()
    (folder / "stranger.nk").write_bytes(stranger.user.seed)
    (folder / "account.nk").write_bytes(stranger.account.seed)
    named = [stranger.credentials(folder / "stranger.creds"), folder / "stranger.nk", folder / "account.nk", torn]
    return [("user", {}), *(("credentials", {"credentials": str(path)}) for path in named)]


@pytest.mark.parametrize("way", WAYS)
def test_the_right_ones_get_in_and_wrong_ones_are_named(
    installed: Callable[..., Guarded], tmp_path: Path, way: str
) -> None:
    # Given
    with installed(partial(Guarded, way)) as server:
        right = server.right(tmp_path)
        address = {"url": server.address, "timeout": 10}

        # When / Then
        for act, _ in _ALL:
            act({**address, **right})
        for number, (key, wrong) in enumerate(_wrong(way, right, tmp_path)):
            # To close a connection that TLS has broken takes a while.
            for act, prefix in _ALL if way != "certificate" else [_ALL[number % len(_ALL)]]:
                with pytest.raises(Held) as caught:
                    act({**address, **wrong})
                line = str(caught.value)
                assert line.startswith(f"eventsd: {prefix}.{key}: "), (wrong, line)
                assert "\n" not in line
                assert server.realm.user.seed.decode() not in line


def test_credentials_that_have_run_out_are_named(installed: Callable[..., Guarded], tmp_path: Path) -> None:
    with installed(partial(Guarded, "jwt")) as server:
        old = server.realm.credentials(tmp_path / "old.creds", until=int(time.time()) - 60)
        with pytest.raises(Held, match=r"^eventsd: workers\.sink\.credentials: "):
            _central({"url": server.address, "credentials": str(old), "timeout": 10})
