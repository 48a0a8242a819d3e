"""``driftwarden models list`` and ``history``: which versions there were, why, and which one serves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table as Shown

from detectors.errors import SettingsError
from detectors.rfc3339 import format_time
from retrainer.approval import Asked, unanswered
from retrainer.canary import canary
from retrainer.decision import Decision
from retrainer.versions import Version, champion, history
from streams.asking import read_decisions
from streams.cli.options import Bootstrap, Json, Prefix, print_json, results
from streams.connection import connect
from streams.view.gate_words import asked_in_words, gate_in_words
from streams.whole_topic import read_versions
from streams.wire import encode_version


def list_models(bootstrap: Bootstrap = None, prefix: Prefix = None, json: Json = False) -> None:
    """List the models with their champions."""
    connection = connect(bootstrap, topic_prefix=prefix)
    models, decisions = read_versions(connection), defaultdict[str, list[Decision]](list)
    for decision in read_decisions(connection):
        decisions[decision.model].append(decision)
    asked = {name: unanswered(records, decisions[name]) for name, records in models.items()}
    if json:
        print_json([_model(name, records, asked[name]) for name, records in sorted(models.items())])
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
        newest = asked[name].get(last.version)
        word, at = ("waits for a person since", newest.decision.at) if newest is not None and newest.waits else (_word(last.status), last.at)
        shown = f"version {last.version} {word} {format_time(at)}"
        table.add_row(escape(name), "none" if serving is None else serving.version, since, str(len(history(records))), shown)
    results().print(table)


def show_history(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Show every version of a model: what became of it, why it was trained, from what, and the evidence of its gate."""
    connection = connect(bootstrap, topic_prefix=prefix)
    models = read_versions(connection)
    if model not in models:
        raise SettingsError(
            f"no version of the model '{model}' was announced; there are: {', '.join(sorted(models)) or 'none'}. "
            f"Its first one is trained on labelled events when somebody asks, with a retrainer running: driftwarden retrain request {model}"
        )
    records = models[model]
    asked = unanswered(records, read_decisions(connection, model))
    if json:
        print_json(_model(model, records, asked) | {"records": [msgspec.Raw(encode_version(record)) for record in records]})
        return
    serving = champion(records)
    table = Shown(title=escape(f"versions of '{model}'"), title_justify="left")
    for heading in ("version", "status", "at", "parent", "cause", "rows", "evidence"):
        table.add_column(heading)
    for version, told in history(records).items():
        last = told[-1]
        is_champion, share = serving is not None and serving.version == version, last.share
        mark = " (champion)" if is_champion else "" if share is None else f" ({share:.3g} of the events)"
        rows = told[0].trained_on.get("rows")
        shown = (version, _word(last.status) + mark, format_time(last.at), last.parent, last.cause, "" if rows is None else f"{rows:,}", evidence(last, asked.get(version)))
        table.add_row(*map(escape, shown))
    results().print(table)


def evidence(version: Version, asked: Asked | None = None) -> str:
    """The evidence of a version's gate in words; of a challenger whose trial goes on, that it does, and of one that waits for a person, how to answer."""
    if asked is not None:
        return asked_in_words(version, asked)
    return gate_in_words(version) or ("in the gate" if version.status == "registered" and version.cause and version.by == "retrainer" else "")


def _model(name: str, records: Sequence[Version], asked: Mapping[str, Asked]) -> dict[str, Any]:
    serving = champion(records)
    versions = [
        {
            "version": version,
            "status": told[-1].status,
            "at": format_time(told[-1].at),
            "parent": told[-1].parent,
            "cause": told[-1].cause,
            "rows": told[0].trained_on.get("rows"),
            "evidence": evidence(told[-1], asked.get(version)),
        }
        for version, told in history(records).items()
    ]
    beside = canary(records)
    return {
        "model": name,
        "champion": None if serving is None else serving.version,
        "canary": None if beside is None else beside.version,
        "since": None if serving is None else format_time(serving.at),
        "waiting": [version for version, one in asked.items() if one.waits],
        "versions": versions,
    }


def _word(status: str) -> str:
    return status.replace("_", " ")
