"""``driftwarden models promote``, ``reject`` and ``rollback``: what a person decides, whatever the gate says."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import typer

from retrainer.approval import awaiting
from retrainer.versions import champion
from streams.asking import read_decisions
from streams.by_hand import announce, decided, declined
from streams.cli.models.account import Name
from streams.cli.options import REGISTRY_HELP, Bootstrap, Prefix, results
from streams.connection import connect
from streams.version_name import find_version
from streams.whole_topic import read_versions

By = Annotated[str, typer.Option(help="Who decides; stands in the history.")]
Why = Annotated[str, typer.Option(help="Why; stands in the history.")]
Registry = Annotated[str | None, typer.Option(envvar="DRIFTWARDEN_REGISTRY", help=f"{REGISTRY_HELP} What was decided is written down there, too.", show_default=False)]


def promote(version: Name, by: By, why: Why = "a person decided", registry: Registry = None, bootstrap: Bootstrap = None, prefix: Prefix = None) -> None:
    """Have a version serve, such as one that passed the gate where retrain.approval is manual, or one that was rolled back."""
    _decide(version, "promoted", by, why, registry, bootstrap, prefix)


def roll_back(version: Name, by: By, why: Why = "a person decided", registry: Registry = None, bootstrap: Bootstrap = None, prefix: Prefix = None) -> None:
    """Take the champion back, and the one before it serves again; or a canary, and the champion serves alone."""
    _decide(version, "rolled_back", by, why, registry, bootstrap, prefix)


def reject(version: Name, by: By, why: Why = "a person decided", registry: Registry = None, bootstrap: Bootstrap = None, prefix: Prefix = None) -> None:
    """Say no to a version that passed the gate and waits for a person, where retrain.approval is manual; it may be promoted later all the same."""
    connection = connect(bootstrap, topic_prefix=prefix)
    models = read_versions(connection)
    model, number = find_version(models, version)
    waiting = awaiting(models[model], read_decisions(connection, model))
    record = declined(models[model], number, waiting, by=by, why=why, at=time.time_ns() // 1_000_000)
    announce(connection, record)
    if registry is not None:
        from retrainer.registry import registry_at  # noqa: PLC0415  as below

        registry_at(registry).note(record)
    results().print(f"version {number} of '{model}' is rejected", markup=False)


def _decide(name: str, status: Literal["promoted", "rolled_back"], by: str, why: str, registry: str | None, bootstrap: str | None, prefix: str | None) -> None:
    connection = connect(bootstrap, topic_prefix=prefix)
    models = read_versions(connection)
    model, version = find_version(models, name)
    record = decided(models[model], version, status, by=by, why=why, at=time.time_ns() // 1_000_000)
    announce(connection, record)
    serving = champion([*models[model], record])
    if registry is not None and serving is not None:
        from retrainer.registry import registry_at  # noqa: PLC0415  scikit-learn takes a second to import, which --help need not wait for

        place = registry_at(registry)
        place.set_alias(model, "champion", serving.version, digest=serving.digest)
        place.note(record)
    results().print(f"version {serving.version if serving else 'none'} of '{model}' serves", markup=False)
