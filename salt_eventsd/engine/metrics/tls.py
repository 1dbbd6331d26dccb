"""TLS for metrics: who reads them knows whom of, and nobody else reads along."""

from __future__ import annotations

import ssl

from salt_eventsd.config.structs import MetricsConfig
from salt_eventsd.redact.error_text import one_line


def tls_of(config: MetricsConfig) -> ssl.SSLContext | None:
    """
    Return what a connection is secured by; None if ``metrics`` has no ``certfile``.

    It is made anew for each connection, for a certificate is renewed every few weeks.

    :param config: where the files are.
    :raises OSError: one of them cannot be read, or is not what it should be.
    """
    if config.certfile is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.certfile, config.keyfile)
    except OSError as exc:
        raise OSError(f"certfile {config.certfile}, keyfile {config.keyfile}: {_why(exc)}") from None
    if config.client_cafile is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(config.client_cafile)
        except OSError as exc:
            raise OSError(f"client_cafile {config.client_cafile}: {_why(exc)}") from None
    return context


def _why(error: OSError) -> str:
    return (error.strerror or one_line(error)) if not isinstance(error, ssl.SSLError) else "not a certificate in PEM"
