"""Whom to trust behind an https address."""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from indexes.errors import ConfigurationError


def trust(urls: Iterable[str], ca_file: str = "") -> ssl.SSLContext | bool:
    """Return what httpx is to check certificates by; False where no address is https, so that there are none.

    Trusted are the system's authorities, and those of the PEM file `ca_file` where one is given. Certificates and host
    names are always checked. Raises ConfigurationError where the file cannot be read.
    """
    if not ca_file and not any(url.lower().startswith("https:") for url in urls):
        return False
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except ssl.SSLError as error:
            raise ConfigurationError(f"engine.ca_file {ca_file!r} holds no certificates in PEM form") from error
        except OSError as error:
            raise ConfigurationError(f"engine.ca_file {ca_file!r} cannot be read: {error.strerror}") from error
    return context
