"""A small inference service: answers over HTTP with the champion, publishes what it answered, and follows promotions.

What an application needs of Driftwarden is all here: a `ModelWatcher` and a `Publisher`.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from detectors.event_batch import Column
from streams import ModelWatcher, Publisher


class Service(ThreadingHTTPServer):
    """``POST /predict`` with rows; their predictions and the version come back."""

    daemon_threads = True

    def __init__(self, model: str, registry: str, port: int) -> None:
        self.model = model
        self.publisher = Publisher()
        self.watcher = ModelWatcher(model, registry=registry)
        self.watcher.current()
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"  # keeps the connection, which a request every few milliseconds needs

    def do_POST(self) -> None:
        """Answer a batch, and tell Driftwarden."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        features = {name: _column(values) for name, values in asked["features"].items()}
        began = time.perf_counter()
        champion, version = self.server.watcher.current(), self.server.watcher.version
        assert version is not None  # noqa: S101  current() waits for the first
        predictions, scores = champion.predict(features).tolist(), champion.score(features).tolist()
        took = 1_000 * (time.perf_counter() - began)
        for row, (event_id, timestamp) in enumerate(zip(asked["event_ids"], asked["timestamps"], strict=True)):
            self.server.publisher.predict(
                event_id=event_id,
                model=self.server.model,
                version=version.version,
                timestamp=timestamp,
                features={name: values[row] for name, values in asked["features"].items()},
                prediction=predictions[row],
                score=None if np.isnan(scores[row]) else scores[row],
                latency_ms=took,  # an application waits for the whole batch
            )
        self._answer({"predictions": predictions, "version": version.version})

    def do_GET(self) -> None:
        """``/flush``: everything published is acknowledged."""
        self._answer({"flushed": self.server.publisher.flush(30)})

    def _answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """A line for each request would drown the demonstration."""


def _column(values: list[Any]) -> Column:
    if any(isinstance(value, str) for value in values):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    return np.array(values, dtype=np.float64)


def main() -> None:
    """``python -m streams.demo.service MODEL REGISTRY PORT``."""
    model, registry, port = sys.argv[1:]
    service = Service(model, registry, int(port))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=service.shutdown).start())
    service.serve_forever()
    service.publisher.close()


if __name__ == "__main__":
    main()
