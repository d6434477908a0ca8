"""The identity of a web page: one spelling for all addresses that name the same page."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from indexes.errors import UsageError

MAX_URL_LENGTH = 4096
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HEX = re.compile(r"%[0-9a-fA-F]{2}")
_BARE_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")


def normalise_url(url: str) -> str:
    """Return `url` in one spelling: scheme and host in lower case, IDNA host, no default port, no fragment.

    Raise UsageError where it is no http(s) address, or carries a user name or password, which would be stored.
    """
    if len(url) > MAX_URL_LENGTH or any(ord(character) < 33 or ord(character) == 127 for character in url.strip()):
        raise UsageError("an address must have at most 4096 characters, and neither spaces nor control characters")
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"not a web address: {url[:200]!r} ({error})") from error
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not host:
        raise UsageError(f"not a web address: {url[:200]!r}; only http:// and https:// are fetched")
    if "@" in parts.netloc:
        raise UsageError("an address with a user name or password is not accepted: it would be stored with the page")
    name = _ascii_host(host)
    place = f"[{name}]" if ":" in name else name
    if port is not None and port != _DEFAULT_PORTS[scheme]:
        place = f"{place}:{port}"
    return urlunsplit((scheme, place, _escape(parts.path or "/"), _escape(parts.query), ""))


def site_of(url: str) -> str:
    """Return the host of an address in our spelling, with its port unless that is the usual one of its scheme.

    The same for http and https, which sites lead from one to the other.
    """
    return urlsplit(url).netloc


def _ascii_host(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise UsageError(f"not a host name: {host[:200]!r}") from error


def _escape(text: str) -> str:
    """Percent-encode what must be, keep what is encoded already, and write the hexadecimal digits in capitals."""
    text = _HEX.sub(lambda match: match.group().upper(), _BARE_PERCENT.sub("%25", text))
    return quote(text, safe="/:@!$&'()*+,;=?-._~%[]|")
