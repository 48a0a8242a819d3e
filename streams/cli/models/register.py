"""``driftwarden models register``: a version that no retrainer has trained, such as the first champion of an installation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from detectors.errors import SettingsError
from retrainer.versions import champion
from streams.by_hand import brought, decided, numbering
from streams.cli.models.by_hand import By
from streams.cli.options import REGISTRY_HELP, Bootstrap, Prefix, results
from streams.connection import connect
from streams.monitor_file import load_specification
from streams.whole_topic import read_versions


def register(
    file: Annotated[Path, typer.Argument(help="Artifact such as model.skops of another registry; or, with --monitor, a fitted estimator of scikit-learn by skops.io.dump.")],
    registry: Annotated[str, typer.Option(envvar="DRIFTWARDEN_REGISTRY", help=REGISTRY_HELP)],
    by: By,
    model: Annotated[str | None, typer.Option(help="The model's name; default: the monitor's, or that of the version.json beside the artifact.", show_default=False)] = None,
    monitor: Annotated[Path | None, typer.Option(help="The model's monitor: says the task of an estimator, and its columns.", show_default=False)] = None,
    why: Annotated[str, typer.Option(help="Why; stands in the history.")] = "the first champion",
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Put a model into the registry as the next version, and announce it; where no version serves yet it does, with the alias champion."""
    from retrainer.registry import digest_of, registry_at  # noqa: PLC0415  scikit-learn takes a second to import, which the other commands need not wait for
    from streams.model_file import read_model  # noqa: PLC0415  as above

    place, connection = registry_at(registry), connect(bootstrap, topic_prefix=prefix)
    specification = load_specification(monitor) if monitor is not None else None
    found = read_model(file, specification)
    name = model or (specification.model if specification is not None else found.record.model if found.record is not None else "")
    if not name:
        raise SettingsError("say whose version it is: --model NAME, or --monitor monitor.yaml")
    with numbering(connection, name) as tell:
        records = read_versions(connection).get(name, [])
        draft = brought(records, digest_of(found.content), model=name, found=found.record, by=by, at=time.time_ns() // 1_000_000)
        uri, digest = place.register(found.content, draft)
        registered = msgspec.structs.replace(draft, uri=uri, digest=digest)
        serving = champion(records)
        told = [registered] if serving is not None else [registered, decided([*records, registered], registered.version, "promoted", by=by, why=why, at=registered.at)]
        tell(told)
    for record in told:
        place.note(record)
    if serving is None:
        place.set_alias(name, "champion", registered.version, digest=digest)
        results().print(f"version {registered.version} of '{name}' serves; {digest}", markup=False)
        return
    results().print(f"version {registered.version} of '{name}' is registered; {digest}; version {serving.version} serves", markup=False)
    results().print(f"compare them with: driftwarden gate; have it serve with: driftwarden models promote {name}@{registered.version} --by {by}", markup=False)
