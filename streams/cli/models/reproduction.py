"""``driftwarden models reproduce``: is a version the same when it is trained again?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from detectors.errors import DriftwardenError, SettingsError
from detectors.rows.examples import Examples
from retrainer.versions import Version, history
from streams.cli.models.account import Name, specification_of
from streams.cli.options import REGISTRY_HELP, Bootstrap, Json, Prefix, messages, print_json, results
from streams.connection import KafkaConnection, connect
from streams.version_name import find_version
from streams.whole_topic import read_versions


def reproduce_version(
    version: Name,
    revision: Annotated[int, typer.Option(min=0, help="Of an adaptive champion: the revision at which a model joined; default: the first training.")] = 0,
    registry: Annotated[str | None, typer.Option(envvar="DRIFTWARDEN_REGISTRY", help=REGISTRY_HELP)] = None,
    datasets: Annotated[
        Path | None, typer.Option(envvar="DRIFTWARDEN_DATASETS", help="Folder of training sets; default: read them from Kafka by their offsets.", show_default=False)
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh-environment", help="Make an environment of the recorded packages first (pip, a minute).")] = False,
    folder: Annotated[Path | None, typer.Option("--folder", help="Leave here what it takes to train the version again, for another machine.", show_default=False)] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    json: Json = False,
) -> None:
    """Train a version again in a fresh process, from its offsets, seed and code, and compare digests.

    Exit code 0: the same, bit by bit; 1: another model; 2: it could not be told.
    """
    from retrainer.registry import registry_at  # noqa: PLC0415  scikit-learn takes a second to import, which the other commands need not wait for
    from retrainer.reproduction import announced_model, task_of, trained  # noqa: PLC0415  as above
    from streams.allowed_trainers import TrainerSettings  # noqa: PLC0415  as above
    from streams.reproduce import needs_kept_source, reproduce  # noqa: PLC0415  as above

    connection = connect(bootstrap, topic_prefix=prefix)
    models = read_versions(connection)
    model, number = find_version(models, version)
    told = history(models[model])
    record = trained(told[number], revision)
    specification = specification_of(connection, record)
    if specification is None:
        raise SettingsError(f"no applied monitor of '{model}' has the digest {record.provenance.get('specification')}, under which version {number} was trained")
    trainers = TrainerSettings()
    refusal = trainers.refusal(specification.retrain.trainer)
    if refusal:
        raise SettingsError(f"the monitor that version {number} was trained under came by Kafka, and its {refusal}")
    place = None if registry is None else registry_at(registry)
    source = None if place is None else place.source(record)
    if source is None and needs_kept_source(record):
        messages().print("[yellow]the code that trained it is not at hand, so ours is used; name the registry that keeps it: --registry[/yellow]")
    champion, announced = b"", record.digest
    online, joined = record.gate.get("cause", {}).get("mode") == "online", revision > 0
    serving = number if joined else record.parent
    parent = told[serving][0] if serving in told else None
    if (online or (specification.retrain.champion == "adaptive" and not joined)) and parent is not None and parent.uri:
        if place is None:
            raise SettingsError(f"the training of version {number} was given the champion of its time, version {serving}; name the registry that holds it: --registry")
        champion = place.artifact(parent.uri, parent.digest)
    if joined:
        if place is None:
            raise SettingsError(f"the model that joined is in the artifact of revision {revision} of version {number}; name the registry that holds it: --registry")
        announced = announced_model(record, place.artifact(record.uri, record.digest))
    task = msgspec.structs.replace(task_of(record, _rows(connection, record, datasets), specification, champion=champion), variables=trainers.variables)
    done = reproduce(msgspec.structs.replace(record, digest=announced), task, source=source, fresh_environment=fresh, folder=folder)
    latest = max(one.revision for one in told[number])
    if latest and not joined:
        messages().print(
            f"note: this is the training that version {number} began with; revision {latest} has learnt since, and may hold models that joined: --revision", style="dim"
        )
    if json:
        print_json(asdict(done))
    else:
        out = results()
        what = f"the model that joined version {number} of '{model}' in revision {revision}" if joined else f"version {number} of '{model}'"
        out.print(f"{what}: {'the same, bit by bit' if done.same else 'another model'}")
        out.print(f"  announced  {done.announced}\n  trained    {done.digest}")
        for key, (before, now) in done.differences.items():
            out.print(f"  {key}: {before or 'nothing'} then, {now or 'nothing'} now")
    if not done.same:
        raise typer.Exit(1)


def _rows(connection: KafkaConnection, record: Version, datasets: Path | None) -> Examples:
    from streams.dataset_files import DatasetFiles  # noqa: PLC0415  pyarrow takes a while to import, which --help need not wait for
    from streams.topic_examples import training_set_of  # noqa: PLC0415  as above

    if datasets is not None:
        return DatasetFiles(datasets).find(str(record.trained_on.get("digest", ""))).examples()
    topic = record.trained_on.get("topic")
    if topic != connection.topics.inference_events:
        raise DriftwardenError(
            f"version {record.version} was trained on {topic!r}, not on rows of {connection.topics.inference_events}; pass --datasets FOLDER with its training set"
        )
    try:
        return training_set_of(connection, record.model, record.trained_on).examples
    except DriftwardenError as error:
        raise DriftwardenError(f"{error}; where training sets are kept as files, pass --datasets FOLDER") from error
