"""``driftwarden models list`` and ``history``: which versions there were, why, and which one serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table as Shown

from detectors.errors import SettingsError
from detectors.rfc3339 import format_time
from retrainer.canary import canary
from retrainer.versions import Version, champion, history
from streams.cli.options import Bootstrap, Json, Prefix, print_json, results
from streams.connection import connect
from streams.whole_topic import read_versions
from streams.wire import encode_version


def list_models(bootstrap: Bootstrap = None, prefix: Prefix = None, json: Json = False) -> None:
    """List the models with their champions."""
    models = read_versions(connect(bootstrap, topic_prefix=prefix))
    if json:
        print_json([_model(name, records) for name, records in sorted(models.items())])
        return
    if not models:
        results().print("no version was announced yet; with a retrainer running, a first one is trained on labelled events by: driftwarden retrain request MODEL", soft_wrap=True)
        return
    table = Shown()
    for heading in ("model", "champion", "since", "versions", "last"):
        table.add_column(heading)
    for name, records in sorted(models.items()):
        serving, last = champion(records), records[-1]
        since = "" if serving is None else format_time(serving.at)
        table.add_row(
            name, "none" if serving is None else serving.version, since, str(len(history(records))), f"version {last.version} {_word(last.status)} {format_time(last.at)}"
        )
    results().print(table)


def show_history(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Show every version of a model: what became of it, why it was trained, from what, and the evidence of its gate."""
    models = read_versions(connect(bootstrap, topic_prefix=prefix))
    if model not in models:
        raise SettingsError(
            f"no version of the model '{model}' was announced; there are: {', '.join(sorted(models)) or 'none'}. "
            f"Its first one is trained on labelled events when somebody asks, with a retrainer running: driftwarden retrain request {model}"
        )
    records = models[model]
    if json:
        print_json(_model(model, records) | {"records": [msgspec.Raw(encode_version(record)) for record in records]})
        return
    serving = champion(records)
    table = Shown(title=f"versions of '{model}'", title_justify="left")
    for heading in ("version", "status", "at", "parent", "cause", "rows", "evidence"):
        table.add_column(heading)
    for version, told in history(records).items():
        last = told[-1]
        is_champion, share = serving is not None and serving.version == version, last.share
        mark = " (champion)" if is_champion else "" if share is None else f" ({share:.3g} of the events)"
        rows = told[0].trained_on.get("rows")
        table.add_row(version, _word(last.status) + mark, format_time(last.at), last.parent, last.cause, "" if rows is None else f"{rows:,}", evidence(last))
    results().print(table)


def evidence(version: Version) -> str:
    """The evidence of a version's gate in words: its reason, with the figures where the reason does not tell them itself.

    Examples
    --------
    >>> gate = {"reason": "superseded by version 2", "labels": 800, "difference": 0.031, "interval": [0.01, 0.05], "wealth": 25.0, "threshold": 80.0}
    >>> evidence(Version(model="churn", version="3", status="rejected", at=0, gate=gate))
    'superseded by version 2; loss lower by 0.031 (95 % +0.01 to +0.05) on 800 labels; evidence 25 of 80 needed'
    """
    gate = version.gate
    reason = str(gate.get("reason") or ("in the gate" if version.status == "registered" and version.parent else ""))
    said = [reason] if reason else []
    difference, labels = gate.get("difference"), gate.get("labels")
    if difference is not None and labels and "labels" not in reason:
        interval = gate.get("interval") or [None, None]
        between = "" if None in interval else f" (95 % {interval[0]:+.3g} to {interval[1]:+.3g})"
        said.append(f"loss {'lower' if difference >= 0 else 'higher'} by {abs(difference):.3g}{between} on {labels:,} labels")
    if gate.get("wealth") is not None and gate.get("threshold") is not None and "wealth" not in reason:
        said.append(f"evidence {gate['wealth']:.3g} of {gate['threshold']:.3g} needed")
    return "; ".join(said)


def _model(name: str, records: Sequence[Version]) -> dict[str, Any]:
    serving = champion(records)
    versions = [
        {
            "version": version,
            "status": told[-1].status,
            "at": format_time(told[-1].at),
            "parent": told[-1].parent,
            "cause": told[-1].cause,
            "rows": told[0].trained_on.get("rows"),
            "evidence": evidence(told[-1]),
        }
        for version, told in history(records).items()
    ]
    beside = canary(records)
    return {
        "model": name,
        "champion": None if serving is None else serving.version,
        "canary": None if beside is None else beside.version,
        "since": None if serving is None else format_time(serving.at),
        "versions": versions,
    }


def _word(status: str) -> str:
    return status.replace("_", " ")
