"""``driftwarden topics``: make Driftwarden's topics."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import msgspec
import typer

from detectors.duration import parse_duration
from detectors.errors import SettingsError
from streams.topics import create_topics

app = typer.Typer(help="Make Driftwarden's topics and keep their settings right.", no_args_is_help=True)


@app.callback()
def _topics() -> None:
    """Make Driftwarden's topics and keep their settings right."""


@app.command()
def apply(
    bootstrap: Annotated[str | None, typer.Option(help="host:port of Kafka; default $DRIFTWARDEN_BOOTSTRAP, or 127.0.0.1:9092.", show_default=False)] = None,
    partitions: Annotated[int | None, typer.Option(help="Partitions of inference.events and what goes with it; default: what it has, or 4.", min=1, show_default=False)] = None,
    replication: Annotated[int, typer.Option(help="Copies of each new topic.", min=1)] = 1,
    prefix: Annotated[str | None, typer.Option(help="Put before each topic's name; default $DRIFTWARDEN_TOPIC_PREFIX.", show_default=False)] = None,
    max_ahead: Annotated[str, typer.Option(help="The broker refuses events this far ahead of its clock.")] = "1h",
    allow_repartitioning: Annotated[bool, typer.Option("--allow-repartitioning", help="Add partitions although open labels then miss their predictions.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON.")] = False,
) -> None:
    """Make the topics that are missing; correct the settings of the others."""
    try:
        ahead = parse_duration(max_ahead)
    except ValueError as error:
        raise SettingsError(f"--max-ahead: {error}") from error
    changes = create_topics(bootstrap, partitions=partitions, replication=replication, prefix=prefix, max_ahead=ahead, allow_repartitioning=allow_repartitioning)
    if json:
        typer.echo(msgspec.json.encode(asdict(changes)).decode())
        return
    for what, names in asdict(changes).items():
        for name in names:
            typer.echo(f"{what.replace('_', ' '):18} {name}")
