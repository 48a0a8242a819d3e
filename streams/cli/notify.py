"""``driftwarden notify``: alerts, promotions, rollbacks, canaries and challengers that wait for a person, sent to people and pagers."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Annotated

import typer

from detectors.errors import SettingsError
from streams.cli.log_lines import log_to_terminal
from streams.cli.options import Bootstrap, LogLevel, MetricsAddress, Prefix, answering
from streams.connection import connect

app = typer.Typer(help="Alerts, and what becomes of versions, to webhooks, Slack, Alertmanager, PagerDuty and by mail, as notify.yaml says.", no_args_is_help=True)

File = Annotated[Path, typer.Option("--file", "-f", envvar="DRIFTWARDEN_NOTIFY_FILE", help="Who is told of what, and how.")]
_DEFAULT = Path("notify.yaml")


@app.command()
def run(file: File = _DEFAULT, bootstrap: Bootstrap = None, prefix: Prefix = None, metrics_address: MetricsAddress = None, log_level: LogLevel = "INFO") -> None:
    """Send what comes on monitoring.alerts, models.versions and retraining.decisions; while a receiver is away, Kafka holds it."""
    from streams.notify.notifier import Notifier  # noqa: PLC0415  a second, which --help need not wait for
    from streams.notify.settings import load_notify_settings  # noqa: PLC0415
    from streams.telemetry.figures import Figures  # noqa: PLC0415
    from streams.telemetry.serve import serve  # noqa: PLC0415
    from streams.telemetry.settings import metrics_settings  # noqa: PLC0415

    metrics = metrics_settings(metrics_address)
    log_to_terminal(log_level)
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # it tells of the paths of addresses, which may be secrets
    settings = load_notify_settings(file, os.environ)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    figures = Figures("notify", socket.gethostname(), models=metrics.models)
    serve(figures, metrics)
    Notifier(answering(connect(bootstrap, topic_prefix=prefix)), settings, stopping, figures).run()


@app.command("test")
def try_receiver(receiver: Annotated[str, typer.Argument(metavar="RECEIVER", help="Name of a receiver in the file.")], file: File = _DEFAULT) -> None:
    """Send a sample alert to one receiver, and that it is resolved. Exit code 1: it was not taken."""
    from streams.notify.settings import load_notify_settings  # noqa: PLC0415
    from streams.notify.trial import try_out  # noqa: PLC0415

    settings = load_notify_settings(file, os.environ)
    if receiver not in settings.receivers:
        raise SettingsError(f"{file} has no receiver {receiver!r}; it has: {', '.join(settings.receivers)}")
    story = try_out(receiver, settings)
    if story is not None:
        typer.echo(f"{receiver}: {story}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{receiver} has taken a sample alert, and its resolution")


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Such as notify.yaml.")] = _DEFAULT,
    model: Annotated[str | None, typer.Option(help="Say who is told of this model's notices.", show_default=False)] = None,
    kind: Annotated[str, typer.Option(help="With --model: kind of the alert, or promotion, rollback, canary, or approval.")] = "drift",
    severity: Annotated[str, typer.Option(help="With --model: warning, critical or info.")] = "warning",
    owner: Annotated[str, typer.Option(help="With --model: the owner that its monitor names.")] = "",
) -> None:
    """Check a file without sending anything; secrets need not be there."""
    from streams.notify.routing import receivers_of  # noqa: PLC0415
    from streams.notify.settings import KINDS, SEVERITIES, in_words  # noqa: PLC0415
    from streams.notify.trial import checked  # noqa: PLC0415

    settings, missing = checked(file, os.environ)
    for name, value, known in (("--kind", kind, KINDS), ("--severity", severity, SEVERITIES)):
        if value not in known:
            raise SettingsError(f"{name} {value!r} is none of: {', '.join(known)}")
    if model is not None:
        found = receivers_of(settings.routes, model=model, kind=kind, severity=severity, owner=owner)
        typer.echo(", ".join(found) or "nobody: no route fits")
        return
    for line in in_words(settings):
        typer.echo(line)
    if missing:
        typer.echo(f"not set here: {', '.join(missing)}", err=True)
