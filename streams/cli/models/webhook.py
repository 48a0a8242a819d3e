"""``driftwarden models webhook``: follow champions that a person chooses in MLflow."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import Annotated

import typer

from detectors.errors import DriftwardenError, SettingsError
from streams.cli.log_lines import log_to_terminal
from streams.cli.options import Bootstrap, LogLevel, Prefix, answering, messages
from streams.connection import connect

SECRET_VARIABLE = "DRIFTWARDEN_WEBHOOK_SECRET"  # noqa: S105  its name, not the secret
SHORTEST_SECRET = 16
LOOK_AGAIN = 60.0  # seconds: MLflow sends a webhook three times, and forgets it; a new webhook it knows after a minute


def follow_mlflow(
    registry: Annotated[str, typer.Option(envvar="DRIFTWARDEN_REGISTRY", help="mlflow: before the address of the MLflow server.")],
    host: Annotated[str, typer.Option(help="Address to listen on; MLflow has to reach it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8790,
    url: Annotated[str | None, typer.Option(help="How MLflow reaches us; with it, the webhook is made in MLflow.")] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    log_level: LogLevel = "INFO",
) -> None:
    """Follow champions that a person chooses in MLflow: listen to its signed webhooks, and announce on models.versions.

    The secret that MLflow signs with is read from DRIFTWARDEN_WEBHOOK_SECRET.
    """
    from retrainer.registry import registry_at  # noqa: PLC0415  scikit-learn takes a second to import, which the other commands need not wait for
    from retrainer.registry.mlflow_registry import MLflowRegistry  # noqa: PLC0415  as above
    from streams.mlflow_aliases import AliasFollower, WebhookServer, ensure_webhook  # noqa: PLC0415  as above

    mlflow, secret = registry_at(registry), os.environ.get(SECRET_VARIABLE, "")
    if not isinstance(mlflow, MLflowRegistry):
        raise SettingsError(f"only a registry in MLflow tells of moved aliases, got {registry!r}; pass --registry mlflow:http://HOST:PORT")
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(f"webhooks are checked by a secret of at least {SHORTEST_SECRET} characters; set {SECRET_VARIABLE} here, and the same in MLflow's webhook")
    log_to_terminal(log_level)
    follower = AliasFollower(mlflow, answering(connect(bootstrap, topic_prefix=prefix)), clock=lambda: time.time_ns() // 1_000_000)
    with WebhookServer((host, port), follower, secret, seconds=time.time) as server:
        if url is not None:
            made = ensure_webhook(mlflow, url, secret)
            messages().print(f"the webhook to {url} {'was made' if made else 'is there already'}")
        follower.follow_all()
        messages().print(f"listening on http://{host}:{server.server_port}")
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while not stopping.wait(LOOK_AGAIN):
            with contextlib.suppress(DriftwardenError):  # what is away comes back, and a webhook that was lost meanwhile is made up for
                follower.follow_all()
        server.shutdown()
