"""Whom to trust behind an https address."""

from __future__ import annotations

import ssl

from indexes.errors import ConfigurationError


def trust(ca_file: str = "") -> ssl.SSLContext:
    """Return a context that trusts the system's authorities, and those of the PEM file `ca_file` where one is given.

    Certificates and host names are always checked. Raises ConfigurationError where the file cannot be read.
    """
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except ssl.SSLError as error:
            raise ConfigurationError(f"engine.ca_file {ca_file!r} holds no certificates in PEM form") from error
        except OSError as error:
            raise ConfigurationError(f"engine.ca_file {ca_file!r} cannot be read: {error.strerror}") from error
    return context
