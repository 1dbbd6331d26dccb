"""What errors of the client mean for what was asked, and which option they are about."""

from __future__ import annotations

import re
import ssl

from nats import errors
from nats.js.errors import BadRequestError, NotFoundError

from salt_eventsd.backends.broker.jetstream.access import Access, Unusable
from salt_eventsd.backends.broker.jetstream.options import Naming
from salt_eventsd.exceptions import Held, Transient, WorkerError
from salt_eventsd.redact.error_text import one_line

_NO_ENTRY = re.compile("authorization|authentication|permissions? violation|credentials|certificate", re.IGNORECASE)
_CONFIGURED = (NotFoundError, BadRequestError, errors.NoRespondersError, FileNotFoundError, PermissionError)
_INSECURE = (errors.SecureConnRequiredError, errors.SecureConnWantedError)
_LOGINS = ("credentials", "token", "password")


def classify(error: Exception) -> WorkerError:
    """
    Return what an error means for what was asked.

    :param error: of the client.
    """
    text = one_line(error)
    configured = (*_CONFIGURED, *_INSECURE, ssl.SSLCertVerificationError, errors.AuthorizationError, Unusable)
    if isinstance(error, configured) or _NO_ENTRY.search(text):
        return Held(text)
    return Transient(text)


def told(error: Exception, options: Access, naming: Naming) -> WorkerError:
    """
    Return what an error means; where an operator has to act, it names the option that lets nobody in.

    :param error: of the client.
    :param options: how the servers are reached.
    :param naming: how errors name the options.
    """
    found = classify(error)
    if not isinstance(found, Held) or isinstance(error, _CONFIGURED):
        return found
    return Held(naming.problem(*_blamed(error, options, str(found))))


def _blamed(error: Exception, options: Access, text: str) -> tuple[str, str]:
    """Return an option, and what is wrong with it."""
    if isinstance(error, Unusable):
        return error.key, str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return "ca_file", text
    if isinstance(error, (*_INSECURE, ssl.SSLError)):
        return "url", text
    given = [key for key in _LOGINS if getattr(options, key) is not None]
    if given or options.user or any("@" in url for url in options.url):
        return (given[0] if given else "user"), text
    return "user", f"missing; expected user and password, or token, or credentials: {text}"
