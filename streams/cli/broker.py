"""``driftwarden broker``: a real Kafka on loopback, without Docker or Java."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from streams.broker import Broker, BrokerError, BrokerStatus

app = typer.Typer(help="A real Apache Kafka on this machine, without Docker or Java; for trying things, not for production.", no_args_is_help=True)

Port = Annotated[int, typer.Option(help="Port on 127.0.0.1 for clients.", min=1, max=65_535)]
ItsPort = Annotated[int | None, typer.Option("--port", help="Refuse when the Kafka of the data folder is on another port.", min=1, max=65_535, show_default=False)]
Data = Annotated[Path, typer.Option(help="Folder for topics, log and pid.")]
Json = Annotated[bool, typer.Option("--json", help="Print the status as JSON.")]

_DEFAULT_DATA = Path(".driftwarden/broker")
_NOT_RUNNING = 1


@app.command()
def start(port: Port = 9092, data: Data = _DEFAULT_DATA, json: Json = False) -> None:
    """Start Kafka in the background and wait until it answers; downloads it (45 MB) the first time."""
    broker = Broker(port=port, data=data)
    with Console(stderr=True).status("starting Kafka"):
        broker.start()
    _print(broker.status(), json=json)


@app.command()
def stop(port: ItsPort = None, data: Data = _DEFAULT_DATA, json: Json = False) -> None:
    """Stop the Kafka of a data folder; its topics stay. Exit code 1 if none was running."""
    broker = Broker(data=data)
    before = _on_port(broker.status(), port)
    stopped = broker.stop()
    if json or not stopped:
        _print(broker.status(), json=json)
    else:
        typer.echo(f"stopped the Kafka on {before.bootstrap}; its topics stay in {before.data}")
    if not stopped:
        raise typer.Exit(_NOT_RUNNING)


@app.command()
def status(port: ItsPort = None, data: Data = _DEFAULT_DATA, json: Json = False) -> None:
    """Tell whether the Kafka of a data folder runs and answers. Exit code 1 if it does not."""
    found = _on_port(Broker(data=data).status(), port)
    _print(found, json=json)
    if not found.answers:
        raise typer.Exit(_NOT_RUNNING)


def _on_port(found: BrokerStatus, port: int | None) -> BrokerStatus:
    if port is not None and found.bootstrap is not None and not found.bootstrap.endswith(f":{port}"):
        raise BrokerError(f"the Kafka with the data in {found.data} is on {found.bootstrap}, not on port {port}; name the folder of the other one with --data")
    return found


def _print(found: BrokerStatus, *, json: bool) -> None:
    if json:
        typer.echo(msgspec.json.encode(found).decode())
    elif found.answers:
        typer.echo(f"Kafka {found.version} answers on {found.bootstrap} (pid {found.pid}, log {found.log})")
    elif found.running:
        typer.echo(f"Kafka {found.version} runs (pid {found.pid}) but does not answer on {found.bootstrap}; see {found.log}")
    else:
        typer.echo(f"no Kafka runs with the data in {found.data}")
