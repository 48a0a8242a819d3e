"""``/metrics``, ``/healthz`` and ``/readyz`` of a process, from a thread of its own."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app
from typing_extensions import override

from detectors.errors import SettingsError
from streams.telemetry.figures import Figures

logger = logging.getLogger(__name__)

SLOWEST = 10.0  # seconds that a client may take to say what it wants

Respond = Callable[[str, list[tuple[str, str]]], Any]


def application(figures: Figures) -> Callable[[dict[str, Any], Respond], Iterable[bytes]]:
    """As any WSGI server can mount it.

    ``/metrics``: the figures, in the form that the client asks for; ``/healthz``: the process answers; ``/readyz``: it does its work, or 503 and what it waits for.
    """
    metrics = make_wsgi_app(figures.registry)

    def answer(environment: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        path, waits_for = environment.get("PATH_INFO", ""), figures.waits_for
        if path == "/metrics":
            exposed: Iterable[bytes] = metrics(environment, respond)
            return exposed
        status, said = {
            "/healthz": ("200 OK", "alive"),
            "/readyz": ("503 Service Unavailable", waits_for) if waits_for else ("200 OK", "ready"),
        }.get(path, ("404 Not Found", "there are: /metrics /healthz /readyz"))
        respond(status, [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")])
        return [f"{said}\n".encode()]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = SLOWEST

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """A line for each scrape would drown the log."""


class MetricsServer:
    """Serves the figures of a process until it is closed.

    Parameters
    ----------
    figures : what is served.
    address : host and port to listen on; port 0 takes a free one.

    Raises
    ------
    SettingsError
        If it cannot listen there.
    """

    def __init__(self, figures: Figures, address: tuple[str, int]) -> None:
        host, port = address
        try:
            self._server = (_Server6 if ":" in host else _Server)(address, _Handler)
        except OSError as error:
            raise SettingsError(f"metrics cannot be served on {host} port {port}: {error.strerror}; give another --metrics-address, or DRIFTWARDEN_METRICS_ADDRESS") from error
        self._server.set_app(application(figures))
        self.port = int(self._server.server_address[1])
        shown = f"[{host}]" if ":" in host else host
        logger.info("metrics on http://%s:%d/metrics", shown, self.port)
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._server.shutdown()
            self._server.server_close()
