"""Fetching pages: what is refused, what is bounded, and that good pages come through."""

from __future__ import annotations

import ipaddress
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from indexes.errors import DocumentError, UsageError
from ingest.web.addresses import checked_addresses, is_public
from ingest.web.fetching import Fetched, fetch
from tests.ingest.misbehaving_server import ARTICLE, Misbehaving, free_port, serving


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, type[Misbehaving]]]:
    with serving() as running:
        yield running


def _fetch(server: tuple[str, type[Misbehaving]], path: str, **bounds: object) -> Fetched:
    address, _ = server
    return fetch(address + path, allow_hosts=[address.removeprefix("http://")], **bounds)  # type: ignore[arg-type]


def _reason(server: tuple[str, type[Misbehaving]], path: str, **bounds: object) -> str:
    with pytest.raises(DocumentError) as caught:
        _fetch(server, path, **bounds)
    return caught.value.reason


def test_a_good_page_comes_with_what_the_server_says_of_it(server: tuple[str, type[Misbehaving]]) -> None:
    """Bytes, type, encoding, and the marks for asking again."""
    page = _fetch(server, "/good")
    assert page.data.decode() == ARTICLE
    assert (page.media_type, page.charset) == ("text/html", "utf-8")
    assert (page.etag, page.last_modified) == ('"v1"', "Mon, 06 May 2024 10:00:00 GMT")
    path, headers = server[1].seen[-1]
    assert path == "/good" and headers["accept-encoding"] == "identity" and headers["host"] in server[0]


def test_an_unchanged_page_is_not_sent_again(server: tuple[str, type[Misbehaving]]) -> None:
    """With the mark of last time the server may answer that nothing changed."""
    assert _fetch(server, "/conditional").data
    again = _fetch(server, "/conditional", etag='"v1"')
    assert again.not_modified and again.data == b""


@pytest.mark.parametrize("path", ["/gzip", "/deflate"])
def test_packed_pages_are_unpacked_though_not_asked_for(server: tuple[str, type[Misbehaving]], path: str) -> None:
    """Some servers pack in any case."""
    assert _fetch(server, path).data.decode() == ARTICLE


def test_redirects_are_followed_to_the_final_address(server: tuple[str, type[Misbehaving]]) -> None:
    """The final address is known, without its fragment."""
    assert _fetch(server, "/moved").url == server[0] + "/good"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nothing", "vanished"),
        ("/private", "login_required"),
        ("/broken", "fetch_failed"),
        ("/image", "unsupported"),
        ("/brotli", "unsupported"),
        ("/huge", "too_large"),
        ("/cut", "fetch_failed"),
        ("/rubbish", "fetch_failed"),
        ("/loop", "fetch_failed"),
        ("/to-metadata", "forbidden_address"),
        ("/to-file", "forbidden_address"),
        ("/to-loopback-in-octal", "forbidden_address"),
    ],
)
def test_what_goes_wrong_has_its_reason(server: tuple[str, type[Misbehaving]], path: str, reason: str) -> None:
    """Each failure of a server is a typed error."""
    assert _reason(server, path) == reason


def test_a_redirect_is_checked_like_a_first_address(server: tuple[str, type[Misbehaving]]) -> None:
    """An allowed host may not send us to another private address, and nothing is sent there."""
    with serving() as (elsewhere, handler):
        server[1].elsewhere = elsewhere + "/good"
        assert _reason(server, "/to-elsewhere") == "forbidden_address"
        assert handler.seen == []


def test_bombs_and_endless_pages_stop_at_the_limit(server: tuple[str, type[Misbehaving]]) -> None:
    """A bomb of 200 MiB, packed to 200 KiB, and a page without end cost no more than the limit."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert _reason(server, "/bomb", max_bytes=1 << 20) == "too_large"
    assert _reason(server, "/endless", max_bytes=1 << 20) == "too_large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@pytest.mark.parametrize("path", ["/drip", "/drip-headers", "/silent"])
def test_slow_servers_cannot_hold_us_past_the_deadline(server: tuple[str, type[Misbehaving]], path: str) -> None:
    """One byte now and then, in the page or in its headers, does not start the clock again."""
    begun = time.monotonic()
    assert _reason(server, path, seconds=0.5) == "timeout"
    assert time.monotonic() - begun < 2


def test_nobody_listening_is_a_failure_of_the_page() -> None:
    """A refused connection is told, and quickly."""
    port = free_port()
    with pytest.raises(DocumentError) as caught:
        fetch(f"http://127.0.0.1:{port}/", allow_hosts=["127.0.0.0/8"])
    assert caught.value.reason == "fetch_failed"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "①②⑦.⓪.⓪.①", "0", "0.0.0.0",
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255",
        "192.0.0.1", "198.18.0.1", "203.0.113.5", "240.0.0.1",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001::1]", "[fe80::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]",
        "[2001:db8::1]", "[100::1]", "[::ffff:0:127.0.0.1]",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_in_every_spelling(host: str) -> None:
    """Loopback, private, link-local, metadata, carrier, multicast, mapped, NAT64 and 6to4: refused by default."""
    try:
        with pytest.raises(DocumentError) as caught:
            fetch(f"http://{host}/", seconds=3)
    except UsageError:  # a spelling that is no host name at all is refused even earlier
        return
    if ":" in host and caught.value.reason == "fetch_failed":
        assert "is not known" in caught.value.detail  # a system without IPv6 cannot name these addresses
    else:
        assert caught.value.reason == "forbidden_address"


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "223.5.5.5", "2606:4700::1111", "240e::1", "64:ff9b::808:808"])
def test_public_addresses_are_allowed(text: str) -> None:
    """Public IPv4 and IPv6, and public IPv4 reached through NAT64."""
    assert is_public(ipaddress.ip_address(text))


def _fake_names(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[list[str]]]) -> list[str]:
    """Let host names resolve to the given answers, one after the other; return the list of names asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, port: object, *arguments: object, **named: object) -> object:
        if host not in answers:
            return real(host, port, *arguments, **named)  # type: ignore[arg-type]
        asked.append(host)
        addresses = answers[host].pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with several addresses is refused if any of them is private."""
    _fake_names(monkeypatch, {"mixed.test": [["8.8.8.8", "127.0.0.1"]]})
    with pytest.raises(DocumentError) as caught:
        checked_addresses("mixed.test", 80, (), 2)
    assert caught.value.reason == "forbidden_address"


def test_a_name_that_changes_its_address_is_connected_to_as_checked(
    server: tuple[str, type[Misbehaving]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is looked up once for each connection; a second answer, were it asked for, would lead elsewhere."""
    port = server[0].rpartition(":")[2]
    asked = _fake_names(monkeypatch, {"intranet.test": [["127.0.0.1"], ["169.254.169.254"]]})
    page = fetch(f"http://intranet.test:{port}/good", allow_hosts=["127.0.0.0/8"])
    assert page.data.decode() == ARTICLE
    assert asked == ["intranet.test"]
    assert server[1].seen[-1][1]["host"] == f"intranet.test:{port}"
    with pytest.raises(DocumentError) as caught:
        fetch(f"http://intranet.test:{port}/good", allow_hosts=["127.0.0.0/8"])
    assert caught.value.reason == "forbidden_address"


def test_a_host_may_be_allowed_by_name_with_or_without_port(server: tuple[str, type[Misbehaving]]) -> None:
    """`ingest.allow_hosts` names intranet hosts; another port of the same host is not meant."""
    port = server[0].rpartition(":")[2]
    assert fetch(f"{server[0]}/good", allow_hosts=["127.0.0.1"]).data
    with pytest.raises(DocumentError) as caught:
        fetch(f"http://127.0.0.1:{port}/good", allow_hosts=["127.0.0.1:1"])
    assert caught.value.reason == "forbidden_address"


def test_proxies_of_the_environment_are_not_used(
    server: tuple[str, type[Misbehaving]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would resolve names by itself, after our check."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert _fetch(server, "/good").data
