"""``driftwarden models``: which versions there were, where they came from, and which one serves. A command a function, a file an idea."""

from __future__ import annotations

import typer

from streams.cli.models.account import compare, show_card, show_lineage
from streams.cli.models.by_hand import promote, reject, roll_back
from streams.cli.models.overview import list_models, show_history
from streams.cli.models.package import package_version
from streams.cli.models.register import register
from streams.cli.models.reproduction import reproduce_version
from streams.cli.models.webhook import follow_mlflow

app = typer.Typer(help="Versions of models: which one serves, where each came from, and what it had to prove.", no_args_is_help=True)
app.command("list")(list_models)
app.command("history")(show_history)
app.command("lineage")(show_lineage)
app.command("card")(show_card)
app.command("compare")(compare)
app.command("reproduce")(reproduce_version)
app.command("package")(package_version)
app.command("webhook")(follow_mlflow)
app.command("register")(register)
app.command("promote")(promote)
app.command("reject")(reject)
app.command("rollback")(roll_back)
