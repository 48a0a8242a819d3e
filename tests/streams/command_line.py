"""Commands as a test calls them: the very application, without a process of its own."""

from __future__ import annotations

import importlib

import typer
from typer.testing import CliRunner, Result


def run(name: str, *arguments: object, environment: dict[str, str] | None = None) -> Result:
    """Run ``driftwarden NAME ARGUMENTS...``; an error that is raised on purpose is in ``exception``."""
    module = importlib.import_module(f"streams.cli.{name}")
    app = typer.Typer()
    if hasattr(module, "app"):
        app = module.app
    else:
        app.command(cls=getattr(module, "CLASS", None))(module.command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)
