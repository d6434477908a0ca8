"""Running the service: where it listens, how slow clients are cut off, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI

from indexes.errors import UsageError
from kb.api.app import create_app
from kb.api.connection import PatientH11
from kb.api.dependencies import ServiceOptions
from kb.api.security import allowed_hosts, check_binding

if TYPE_CHECKING:
    from kb.settings import Settings
    from kb.wiring import Application

# SIGTERM: answers under way may finish for this long, then they are stopped; with what the lifespan waits after that
# the process ends well within 15 s.
_GRACE_SECONDS = 6
_KEEP_ALIVE_SECONDS = 15
_HEADER_BYTES = 16 * 1024


def serve(
    application: Application,
    host: str,
    port: int,
    workers: int = 1,
    read_only: bool = False,
    *,
    kb: str = "default",
) -> None:
    """Serve until SIGTERM or SIGINT; the first returns, the second raises KeyboardInterrupt.

    Raises ConfigurationError where the address is open to others without a key, UsageError where it cannot be used.
    """
    settings = application.settings
    check_binding(host, settings.serve.api_key, settings.serve.allow_remote)
    options = service_options(settings, host, read_only, kb)
    listener = listen(host, port)
    _set_up_logging()
    with listener, _plain_termination():
        _announce(listener, host)
        if workers > 1:
            # Each worker puts its own application together: locks, threads and maps do not survive a fork.
            application.close()
            _serve_many(partial(_worker_app, settings, options), listener, workers)
        else:
            KbServer(server_config(partial(create_app, application, options))).run([listener])


def service_options(settings: Settings, host: str, read_only: bool, kb: str) -> ServiceOptions:
    """Return how the service behaves under these settings."""
    return ServiceOptions(
        kb=kb,
        api_key=settings.serve.api_key,
        hosts=allowed_hosts(host, settings.serve.api_key),
        read_only=read_only or settings.serve.read_only,
    )


def server_config(factory: partial[FastAPI], workers: int = 1) -> uvicorn.Config:
    """Return how uvicorn runs the service."""
    return uvicorn.Config(
        factory,
        factory=True,
        http=PatientH11,
        ws="none",
        lifespan="on",
        loop="asyncio",
        workers=workers,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        backlog=512,
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to the first address of `host`; raise UsageError where that is not possible."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"cannot listen on {host}: {getattr(error, 'strerror', None) or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Listening from here on, so that a second service on the port fails at once.
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
        ) from error
    return listener


class KbServer(uvicorn.Server):
    """uvicorn's server; when it is told to stop, answers under way are ended in time to say so to their clients."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for the open connections, but not longer than the grace; end the streams before it is over."""
        app = self.config.loaded_app
        stop = asyncio.get_running_loop().call_later(_GRACE_SECONDS - 1, app.state.service.works.stop)
        try:
            await super().shutdown(sockets)
        finally:
            stop.cancel()


class _Terminated(BaseException):
    """SIGTERM, after the service has ended in order."""


@contextmanager
def _plain_termination() -> Iterator[None]:
    """Make SIGTERM an ordinary end: uvicorn raises it again once it has shut down."""

    def end(_: int, __: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except _Terminated:
        logging.getLogger("kb.api").debug("terminated")
    finally:
        signal.signal(signal.SIGTERM, before)


def _serve_many(factory: partial[FastAPI], listener: socket.socket, workers: int) -> None:
    from uvicorn.supervisors import Multiprocess

    Multiprocess(server_config(factory, workers), [listener]).run()


def _worker_app(settings: Settings, options: ServiceOptions) -> FastAPI:
    """Return the application of one of several server processes."""
    from kb.wiring import Application

    _set_up_logging()
    return create_app(Application(settings), options, close_application=True)


def _announce(listener: socket.socket, host: str) -> None:
    port = listener.getsockname()[1]
    shown = f"[{host.strip('[]')}]" if ":" in host else host
    sys.stderr.write(f"serving http://{shown}:{port} (Ctrl-C to stop)\n")
    sys.stderr.flush()


def _set_up_logging() -> None:
    """Send the access log to standard error, unless whoever runs the process has arranged its logging."""
    access = logging.getLogger("kb.access")
    if not access.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        access.addHandler(handler)
        access.setLevel(logging.INFO)
        access.propagate = False
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        # What a model takes is told before it is loaded.
        logging.getLogger("kb.engines.qwen.loading").setLevel(logging.INFO)
