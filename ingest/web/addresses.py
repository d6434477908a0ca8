"""Which network addresses may be fetched from: public ones, checked by a list of our own.

The standard library's `is_global` calls addresses public that lead to this machine or network (IPv4 inside of
NAT64, 6to4 and compatible IPv6 addresses, multicast), so nothing is taken from it.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Sequence

from indexes.errors import DocumentError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# IANA special-purpose registry for IPv4, with multicast and the reserved block.
_REFUSED_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# In IPv6 only the global unicast block is public at all, and parts of it are not: protocol assignments with
# Teredo, documentation, 6to4, AS112.
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_6 = tuple(
    ipaddress.IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
# Networks without IPv4 reach public IPv4 servers through this prefix; the IPv4 address inside is what counts.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to a server on the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_4)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _PUBLIC_6 and not any(address in network for network in _REFUSED_6)


def checked_addresses(host: str, port: int, allow_hosts: Sequence[str], seconds: float) -> list[str]:
    """Resolve a host once and return its addresses, all of which may be connected to.

    `allow_hosts` holds hosts (`name` or `name:port`) and networks (`10.0.0.0/8`) that may be private. Raise
    DocumentError: `forbidden_address` where any address is not public, `fetch_failed` where there is none.
    """
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in _resolve(host, port, seconds)]
    name = host.lower().rstrip(".")
    by_name = any(entry.lower() in (name, f"{name}:{port}", f"[{name}]:{port}") for entry in allow_hosts)
    if not by_name:
        networks = [network for entry in allow_hosts if (network := _network(entry)) is not None]
        for address in addresses:
            if not is_public(address) and not any(address in network for network in networks):
                detail = f"{host} is {address}, an address that is not on the public internet"
                raise DocumentError("forbidden_address", f"{detail}; name it in ingest.allow_hosts if it is meant")
    return [str(address) for address in addresses]


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry)
    except ValueError:
        return None


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """Ask the system for the addresses of a host, giving up after `seconds`: the resolver itself has no limit."""
    found: list[str] = []
    failure: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as error:
            failure.append(error)

    thread = threading.Thread(target=ask, daemon=True, name="resolver")
    thread.start()
    thread.join(seconds)
    if failure:
        raise DocumentError("fetch_failed", f"the host {host} is not known ({failure[0]})") from failure[0]
    if not found:
        raise DocumentError("fetch_failed", f"the host {host} could not be looked up in time")
    return found
