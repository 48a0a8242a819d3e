"""``driftwarden ui``: a live page of all models, in a browser, from the topics alone."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from typing import Annotated

import typer
from pydantic import SecretStr

from detectors.errors import DriftwardenError
from streams.cli.options import Bootstrap, LogLevel, Prefix, messages
from streams.connection import connect
from streams.ui.access import TOKEN_VARIABLE, Access
from streams.ui.bounds import Bounds

PORT = 8600
_BOUNDS = Bounds()


def command(
    address: Annotated[str, typer.Option(help=f"IP address to listen on; another than loopback needs a token in ${TOKEN_VARIABLE}.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="TCP port; 0: a free one.")] = PORT,
    host: Annotated[list[str] | None, typer.Option(help="A name by which people reach the page, as behind a proxy; may be given again.", show_default=False)] = None,
    max_points: Annotated[int, typer.Option(help="Most points of a series that are kept, the newest.")] = _BOUNDS.points,
    max_series: Annotated[int, typer.Option(help="Most lines of a measurement of a model: each metric of each feature, version or segment is one.")] = _BOUNDS.series,
    max_models: Annotated[int, typer.Option(help="Most models.")] = _BOUNDS.models,
    max_alerts: Annotated[int, typer.Option(help="Most alerts of a model, the newest.")] = _BOUNDS.alerts,
    max_records: Annotated[int, typer.Option(help="Most records of an alert: its opening, and the newest.")] = _BOUNDS.records,
    max_versions: Annotated[int, typer.Option(help="Most records of versions of a model, the newest.")] = _BOUNDS.versions,
    max_decisions: Annotated[int, typer.Option(help="Most decisions of the retrainer on a model, the newest.")] = _BOUNDS.decisions,
    max_pages: Annotated[int, typer.Option(help="Most pages that are open at a time.")] = _BOUNDS.pages,
    history: Annotated[int, typer.Option(help="Records of each partition of the metrics that are read at the start, the newest.")] = _BOUNDS.history,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    log_level: LogLevel = "INFO",
) -> None:
    """Show all models live in a browser: is each healthy, since when not, why, and what was done about it. Ends with Ctrl-C."""
    from streams.telemetry.figures import Figures  # noqa: PLC0415
    from streams.telemetry.otlp import export  # noqa: PLC0415
    from streams.ui.follower import Follower  # noqa: PLC0415  scipy and the web server take a second to import, which --help need not wait for
    from streams.ui.live_view import LiveView  # noqa: PLC0415
    from streams.ui.server import Server, address_of  # noqa: PLC0415

    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kafka").setLevel(logging.ERROR)  # it tells of every connection, and of every try while the broker is away, which we tell once
    of_model = {"alerts": max_alerts, "records": max_records, "versions": max_versions, "decisions": max_decisions}
    bounds = Bounds(points=max_points, series=max_series, models=max_models, pages=max_pages, history=history, **of_model)
    token = os.environ.get(TOKEN_VARIABLE) or None
    access = Access(address=address, token=SecretStr(token) if token else None, hosts=tuple(host or ()))
    connection = connect(bootstrap, topic_prefix=prefix)
    view = LiveView(connection.topics, bounds)
    figures = Figures("ui", socket.gethostname())
    export(figures)
    server = Server(view, access, port, figures=figures, started=lambda found: messages().print(f"the page: {address_of(access, found)}  (Ctrl-C ends)"))
    follower = Follower(connection, view, failed=server.stop, figures=figures)
    try:
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again that has ended it
            server.run()
    except SystemExit:  # so uvicorn ends where it cannot listen, which is told below
        if server.started:
            raise
    finally:
        follower.stop()
    if follower.error is not None:
        raise DriftwardenError(f"the page ended, as its topics could not be followed: {type(follower.error).__name__}: {follower.error}") from follower.error
    if not server.started:
        raise DriftwardenError(f"nothing can listen on {address}, port {port}; is the page running already? --port takes another one")
