"""https: certificates are checked, and a private authority is trusted where it is named."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes.errors import ConfigurationError, EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.openai.endpoints import ServerAddress
from kb.engines.openai.engine import OpenAIEngine
from kb.records import Message, Prompt
from tests.kb.engines.openai.scripted_server import delta, head

PROMPT = Prompt((Message("user", "问题"),), (), "问题", "zh", "test")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate for 127.0.0.1 that is its own authority, and its key, made on the spot."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=kb-test", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("the openssl command is not here")
    return folder / "certificate.pem", folder / "key.pem"


class SecureServer:
    """Answers each question over TLS; `secrets` are the keys that arrived."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.keys: list[str] = []
        self.release = threading.Event()
        self.left = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self.release.set()
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as connection:
                data = b""
                while "问题".encode() not in data:
                    data += connection.recv(65536)
                for line in data.decode("utf-8", "replace").splitlines():
                    if line.lower().startswith("authorization:"):
                        self.keys.append(line.partition(":")[2].strip())
                connection.sendall(head() + delta("好").encode())
                if not self.release.is_set():
                    connection.settimeout(30)
                    if connection.recv(1) == b"":
                        self.left.set()
                    return
                connection.sendall(b"data: [DONE]\n\n")
        except OSError:
            # The client left, or did not trust us.
            self.left.set()


@pytest.fixture
def server(certificate: tuple[Path, Path]) -> Iterator[SecureServer]:
    made = SecureServer(*certificate)
    yield made
    made.close()


def ask(engine: OpenAIEngine) -> str:
    items = engine.stream(PROMPT, GenerationOptions(), threading.Event())
    return "".join(item for item in items if isinstance(item, str))


def test_a_named_authority_is_trusted(server: SecureServer, certificate: tuple[Path, Path]) -> None:
    """With the authority's file the answer comes, and the key goes over the sealed line."""
    server.release.set()
    address = ServerAddress(f"https://127.0.0.1:{server.port}/v1", "m", api_key="sealed")
    assert ask(OpenAIEngine([address], ca_file=str(certificate[0]))) == "好"
    assert server.keys == ["Bearer sealed"]


def test_an_unknown_certificate_is_refused(server: SecureServer) -> None:
    """Without it nothing is sent, not even once more, and the setting is named."""
    address = ServerAddress(f"https://127.0.0.1:{server.port}/v1", "m", api_key="sealed")
    with pytest.raises(EngineUnavailableError, match=r"engine\.ca_file"):
        ask(OpenAIEngine([address]))
    assert server.keys == []


def test_the_host_name_is_checked(server: SecureServer, certificate: tuple[Path, Path]) -> None:
    """A trusted certificate for another host is refused."""
    address = ServerAddress(f"https://localhost:{server.port}/v1", "m", api_key="sealed")
    with pytest.raises(EngineUnavailableError, match="not trusted"):
        ask(OpenAIEngine([address], ca_file=str(certificate[0])))
    assert server.keys == []


def test_leaving_closes_a_sealed_connection(server: SecureServer, certificate: tuple[Path, Path]) -> None:
    """When the reader goes the server sees the end, so that it stops generating."""
    address = ServerAddress(f"https://127.0.0.1:{server.port}/v1", "m")
    stream = OpenAIEngine([address], ca_file=str(certificate[0])).stream(PROMPT, GenerationOptions(), threading.Event())
    assert next(iter(stream)) == "好"
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert server.left.wait(10)


def test_wrong_files(tmp_path: Path) -> None:
    """A file that is missing or holds no certificate is a configuration error that names the setting."""
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("hello")
    for path in (nothing, tmp_path / "missing.pem"):
        with pytest.raises(ConfigurationError, match=r"engine\.ca_file"):
            OpenAIEngine([ServerAddress("https://127.0.0.1/v1")], ca_file=str(path))
