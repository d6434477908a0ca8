"""Keys, Host names, origins, and where the service may listen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from indexes.errors import ConfigurationError
from kb.api.dependencies import ServiceOptions
from kb.api.security import allowed_hosts, check_binding
from tests.kb.api.serving import ENGLISH, RunningService, check_error

KEY = "s3cret-密钥"
GUARDED = [
    ("POST", "/ask"), ("POST", "/search"), ("GET", "/documents"), ("POST", "/documents"), ("GET", "/documents/x"),
    ("DELETE", "/documents/x"), ("GET", "/documents/x/original"), ("GET", "/versions"), ("GET", "/jobs"),
    ("POST", "/jobs"),
    ("GET", "/metrics"), ("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("GET", "/docs"),
    ("GET", "/openapi.json"), ("GET", "/nowhere"), ("POST", "/"), ("GET", "/static"),
]  # fmt: skip


@pytest.fixture
def guarded(serve_home: Callable[..., RunningService], filled_home: Path) -> RunningService:
    return serve_home(filled_home, ServiceOptions(api_key=KEY))


def test_everything_but_the_page_and_the_probes_needs_the_key(guarded: RunningService) -> None:
    """Without the key, or with a wrong one, requests are 401 before anything is read; the shell and probes are open."""
    wrong = [
        (b"Authorization", b"Bearer wrong"),
        (b"Authorization", b"Basic " + b"a" * 20),
        (b"Authorization", b"Bearer \xff\xfe"),
        (b"Authorization", b"Bearer"),
        (b"X-API-Key", KEY[:-1].encode()),
        (b"X-API-Key", b""),
    ]
    for method, path in GUARDED:
        response = guarded.client.request(method, path)
        check_error(response, 401, "unauthorized")
        assert response.headers["www-authenticate"].startswith("Bearer")
    for header in wrong:
        check_error(guarded.client.post("/ask", json={"question": ENGLISH}, headers=[header]), 401, "unauthorized")
    for path in ("/", "/healthz", "/readyz", "/static/app.js"):
        assert guarded.client.get(path).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        (b"Authorization", f"Bearer {KEY}".encode()),
        (b"Authorization", f"bearer  {KEY}".encode()),
        (b"X-API-Key", KEY.encode()),
    ],
)
def test_the_key_opens(guarded: RunningService, header: tuple[bytes, bytes]) -> None:
    """The key is taken as a bearer token or as X-API-Key."""
    assert guarded.client.post("/ask", json={"question": ENGLISH}, headers=[header]).json()["status"] == "answered"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "169.254.169.254",
        "10.0.0.1",
        "[::2]",
    ],
)
def test_foreign_host_names_are_refused(
    serve_home: Callable[..., RunningService], filled_home: Path, host: str
) -> None:
    """On loopback without a key only the names of this machine are answered to: a rebound DNS name is not."""
    running = serve_home(filled_home, ServiceOptions(hosts=allowed_hosts("127.0.0.1", "")))
    check_error(running.client.get("/documents", headers={"Host": host}), 403, "forbidden_host", host)
    for own in ("localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:1", "[::1]:8000", "testserver"):
        assert running.client.get("/healthz", headers={"Host": own}).status_code == 200
    check_error(running.client.get("/healthz", headers={"Host": "localhost:80:80"}), 400, "bad_request")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://[", "http://127.0.0.1.evil.example"]
)
def test_pages_of_other_sites_cannot_change_or_ask(served: RunningService, origin: str) -> None:
    """A request with the Origin of another site is 403, whatever it asks for; the page's own origin is taken."""
    headers = {"Origin": origin}
    check_error(
        served.client.post("/documents", files={"file": ("a.txt", b"a")}, headers=headers), 403, "forbidden_origin"
    )
    check_error(served.client.post("/ask", json={"question": ENGLISH}, headers=headers), 403, "forbidden_origin")
    own = served.client.post("/ask", json={"question": ENGLISH}, headers={"Origin": served.url})
    assert own.status_code == 200 and "access-control-allow-origin" not in own.headers


def test_binding() -> None:
    """Off loopback the service needs a key or the explicit word that it may go without."""
    for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"):
        check_binding(host, "", False)
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org", ""):
        with pytest.raises(ConfigurationError, match="KB_SERVE__API_KEY"):
            check_binding(host, "", False)
        check_binding(host, "key", False)
        check_binding(host, "", True)
