"""Metrics over TLS: who has no certificate of the right authority reads nothing, and a renewed one counts at once."""

from __future__ import annotations

import gc
import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pytestshellutils.utils import ports

from tests.functional.engine.conftest import Engine
from tests.support.certificates import Certificate, make_certificate
from tests.support.lanes import eventually

SECONDS = 30.0


@pytest.fixture
def port() -> int:
    return int(ports.get_unused_localhost_port())


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture
def engine(tmp_path: Path, port: int, certificate: Certificate) -> Iterator[Engine]:
    """An engine that tells those its metrics who have its own certificate, too."""
    metrics = {
        "port": port,
        "certfile": str(certificate.file),
        "keyfile": str(certificate.key),
        "client_cafile": str(certificate.file),
    }
    made = Engine(tmp_path, metrics=metrics)
    made.service.start()
    eventually(lambda: made.service.reporter.latest and made.service.metrics.port, SECONDS)
    yield made
    made.service.close()


def scrape(port: int, trusted: Certificate, own: Certificate | None) -> str:
    """Return what a client gets that trusts a certificate and may have one of its own."""
    context = ssl.create_default_context(cafile=str(trusted.file))
    if own:
        context.load_cert_chain(own.file, own.key)
    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)) as connection:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


@pytest.mark.usefixtures("engine")
def test_who_has_a_certificate_reads(port: int, certificate: Certificate) -> None:
    assert "salt_eventsd_events_received_total" in scrape(port, certificate, certificate)


@pytest.mark.usefixtures("engine")
def test_who_has_none_or_another_does_not(port: int, certificate: Certificate, tmp_path: Path) -> None:
    # Given
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")

    # When, then
    for own in (None, other):
        with pytest.raises(OSError, match=r"alert|reset|EOF|closed"):
            scrape(port, certificate, own)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as plain:
        plain.request("GET", "/metrics")
        with pytest.raises((http.client.HTTPException, OSError)):
            plain.getresponse()
    assert "salt_eventsd_build_info" in scrape(port, certificate, certificate)


@pytest.mark.usefixtures("engine")
def test_who_says_nothing_holds_up_nobody(port: int, certificate: Certificate) -> None:
    # Given
    with socket.create_connection(("127.0.0.1", port)):
        # When
        found = scrape(port, certificate, certificate)

    # Then
    assert "salt_eventsd_build_info" in found


@pytest.mark.usefixtures("engine")
def test_nothing_is_left_of_who_speaks_no_tls(port: int) -> None:
    # When
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port)) as one:
            one.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            while one.recv(1000):
                pass

    # Then
    eventually(lambda: not any(isinstance(one, ssl.SSLSocket) for one in gc.get_objects()), 5.0)


@pytest.mark.usefixtures("engine")
def test_a_renewed_certificate_counts_at_once(port: int, certificate: Certificate, tmp_path: Path) -> None:
    # Given
    assert scrape(port, certificate, certificate)

    # When
    renewed = make_certificate(tmp_path)

    # Then
    assert "salt_eventsd_build_info" in scrape(port, renewed, renewed)


def test_a_certificate_that_is_none_is_told_and_tried_again(tmp_path: Path, port: int) -> None:
    # Given
    (tmp_path / "tls").mkdir()
    for name in ("certificate.pem", "key.pem"):
        (tmp_path / "tls" / name).write_text("nothing")
    files = {"certfile": f"{tmp_path}/tls/certificate.pem", "keyfile": f"{tmp_path}/tls/key.pem"}

    # When
    engine = Engine(tmp_path, metrics={"port": port, **files})
    engine.service.start()

    # Then
    eventually(lambda: "not a certificate in PEM" in engine.service.metrics.problem, SECONDS)
    assert f"certfile {files['certfile']}" in engine.service.metrics.problem

    # When
    made = make_certificate(tmp_path / "tls")

    # Then
    eventually(lambda: engine.service.metrics.port, SECONDS)
    assert "salt_eventsd_build_info" in scrape(port, made, made)
    engine.service.close()
