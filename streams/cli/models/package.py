"""``driftwarden models package``: a version as a folder that becomes a container."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detectors.errors import SettingsError
from retrainer.versions import history
from streams.cli.models.account import Name
from streams.cli.options import REGISTRY_HELP, Bootstrap, Prefix, messages
from streams.connection import connect
from streams.version_name import find_version
from streams.whole_topic import read_versions


def package_version(
    version: Name,
    registry: Annotated[str, typer.Option(envvar="DRIFTWARDEN_REGISTRY", help=REGISTRY_HELP)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to make; default: MODEL-VERSION.", show_default=False)] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
) -> None:
    """Pack a version with its code, the exact packages, a Dockerfile, and a server that answers /invocations and /ping."""
    from retrainer.registry import registry_at  # noqa: PLC0415  scikit-learn takes a second to import, which the other commands need not wait for
    from streams.packaging import PORT, write_package  # noqa: PLC0415  as above

    models = read_versions(connect(bootstrap, topic_prefix=prefix))
    model, number = find_version(models, version)
    record = next((one for one in reversed(history(models[model])[number]) if one.uri), None)
    if record is None:
        raise SettingsError(f"version {number} of '{model}' has no artifact: its training failed")
    place = registry_at(registry)
    folder = out or Path(f"{model.replace('/', '-')}-{number}")
    write_package(folder, place.artifact(record.uri, record.digest), record, source=place.source(record))
    messages().print(f"{folder}: serve it with  python {folder}/serve.py  (port {PORT}), or build it with  docker build {folder}")
