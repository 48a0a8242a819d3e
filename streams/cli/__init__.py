"""The command line: one module for each command, found when it is there.

A module in this folder that has an ``app`` (a typer application) or a ``command`` (a function) becomes ``driftwarden <module's name>``.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import signal
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from detectors.errors import DriftwardenError
from streams.heap import take_small_pages

app = typer.Typer(
    name="driftwarden",
    help="Watches machine-learning models behind Kafka, raises alarms that can be trusted, and retrains safely.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals may hold secrets
    add_completion=False,
)

COMMANDS = ("demo", "check", "replay", "monitor", "worker", "retrainer", "retrain", "alerts", "models", "gate", "datasets", "publish", "topics", "ui", "influx", "notify", "broker")


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"driftwarden {version('driftwarden')}")
        raise typer.Exit


@app.callback()
def _driftwarden(version: Annotated[bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")] = False) -> None:
    """Watches machine-learning models behind Kafka, raises alarms that can be trusted, and retrains safely."""


def register(name: str) -> None:
    """Add the command of a module in this folder, if the module exists."""
    path = f"{__name__}.{name}"
    if importlib.util.find_spec(path) is None:
        return
    module = importlib.import_module(path)
    if hasattr(module, "app"):
        app.add_typer(module.app, name=name)
    else:
        app.command(name=name, cls=getattr(module, "CLASS", None))(module.command)


def main() -> None:
    """Run a command; an error that Driftwarden raises on purpose is one red line and exit code 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # processes and folders that a command has made are ended and cleared away, as by Ctrl-C
    # Importing every command for every call would cost a second of pandas and scikit-learn: only help needs them all.
    named = sys.argv[1] if len(sys.argv) > 1 else ""
    gc.disable()  # what modules make stays, and would be looked through again and again
    if named == "worker":
        take_small_pages()
    for name in (named,) if named in COMMANDS else COMMANDS:
        register(name)
    gc.enable()
    try:
        app()
    except DriftwardenError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(Text(f"error: {error}", style="red"))
        sys.exit(2)
