"""What errors of the client mean for what was asked."""

from __future__ import annotations

import re
import ssl

from nats import errors
from nats.js.errors import BadRequestError, NotFoundError

from salt_eventsd.exceptions import Held, Transient, WorkerError
from salt_eventsd.redact.error_text import one_line

_NO_ENTRY = re.compile("authorization|authentication|permissions? violation|credentials|certificate", re.IGNORECASE)


def meaning(error: Exception) -> WorkerError:
    """
    Return what an error means for what was asked.

    :param error: of the client.
    """
    text = one_line(error)
    configured = (NotFoundError, BadRequestError, errors.NoRespondersError, FileNotFoundError, PermissionError)
    secure = (errors.SecureConnRequiredError, errors.SecureConnWantedError, ssl.SSLCertVerificationError)
    if isinstance(error, (*configured, *secure, errors.AuthorizationError)) or _NO_ENTRY.search(text):
        return Held(text)
    return Transient(text)
