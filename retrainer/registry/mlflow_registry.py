"""A registry in MLflow: every training is a run, every version a registered one, and the champion an alias that people see and may move.

It speaks to a server through ``mlflow-skinny``, the client alone. Who may do what there is the server's own business: ``MLFLOW_TRACKING_TOKEN``, or
``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``, as every client of MLflow reads them.
"""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import quote

import msgspec

from detectors.errors import SettingsError
from retrainer.registry import Alias, GoneError, RegistryError, digest_of, load_model, verified
from retrainer.registry.mlflow_folder import write_folder
from retrainer.trainers import Model
from retrainer.versions import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

_SCHEME = "models:/"
_FOLDER = "model"
_ARTIFACT = f"{_FOLDER}/data/model.skops"
_SOURCE = f"{_FOLDER}/code/driftwarden.zip"
_VERSION, _REVISION, _DIGEST, _MODEL = "driftwarden.version", "driftwarden.revision", "driftwarden.digest", "driftwarden.model"
_SHARE = "driftwarden.share"  # of the events, while a version is a canary
_LONGEST = 5_000  # characters that a tag may have on every server
_LONGEST_NAME = 250  # and the name of a metric
_FOREIGN = re.compile(r"[^/\w.\- ]") if os.name == "nt" else re.compile(r"[^/\w.\- :]")  # as MLflow checks names
_OURS = "driftwarden.champion"  # of the registered model: the version that we announced as champion last


class Pointed(msgspec.Struct, frozen=True, kw_only=True):
    """What the alias champion is on.

    Attributes
    ----------
    version, revision : ours. An artifact that was never announced may have those of another one (`docs/adr/0054`).
    uri, digest : of the artifact.
    ours : whether we put the alias on this version, or took over that somebody else did.
    """

    version: str
    revision: str = "0"
    uri: str
    digest: str
    ours: bool


class MLflowRegistry:
    """Models named as ours are, with ``/`` and ``:`` escaped; a uri is MLflow's own (``models:/churn/3``), numbered by MLflow.

    Parameters
    ----------
    address : of the server, ``http://host:5000``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._known: MlflowClient | None = None

    def __repr__(self) -> str:
        return f"MLflowRegistry({self.address!r})"

    @property
    def client(self) -> MlflowClient:
        """MLflow's client; it is imported at the first use, which takes two seconds."""
        if self._known is None:
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
            os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
            try:
                from mlflow import MlflowClient  # noqa: PLC0415  of the optional extra 'mlflow'
            except ImportError as error:
                raise SettingsError("a registry in MLflow needs the package mlflow-skinny; install it with: pip install 'driftwarden[mlflow]'") from error
            self._known = MlflowClient(tracking_uri=self.address, registry_uri=self.address)
        return self._known

    def register(self, artifact: bytes, record: Version) -> tuple[str, str]:
        """Upload a model with the run of its training; a version that is there with the same bytes is left as it is."""
        digest = digest_of(artifact)
        with self._explained():
            there = next((one for one in self._versions(record.model, record.version) if one.tags.get(_DIGEST) == digest), None)
            if there is None:
                there = self._upload(artifact, msgspec.structs.replace(record, digest=digest))
            return f"{_SCHEME}{there.name}/{there.version}", digest

    def fetch(self, uri: str, digest: str) -> Model:
        """The model behind a uri; see `artifact` for what is refused."""
        return load_model(self.artifact(uri, digest))

    def artifact(self, uri: str, digest: str) -> bytes:
        """The bytes behind a uri.

        Raises
        ------
        GoneError
            If a server that knows others of ours knows no such version, or no run of it; or if its run has other files, and not this one.
        RegistryError
            If the server knows none of ours or does not answer, or if there is no file of the run, as where the server's own store is away.
        DigestError
            If its content is not what was announced; nothing of it was loaded.
        """
        name, _, number = uri.removeprefix(_SCHEME).rpartition("/")
        if not uri.startswith(_SCHEME) or not name or not number.isdecimal():
            raise RegistryError(f"there is no {uri!r} in the registry {self.address}; a uri reads 'models:/MODEL/NUMBER'")
        with self._explained():
            with self._gone(uri, self._holds_any):
                run = str(self.client.get_model_version(name, number).run_id)
                self.client.get_run(run)
            with self._gone(uri, lambda: bool(self.client.list_artifacts(run))):
                content = self._downloaded(run, _ARTIFACT)
            return verified(content, digest, uri)

    def source(self, record: Version) -> bytes | None:
        """Driftwarden's own source as it trained a version."""
        with self._explained():
            for one in self._versions(record.model, record.version):
                if one.tags.get(_DIGEST) == record.digest:
                    return self._downloaded(str(one.run_id), _SOURCE)
        return None

    def note(self, record: Version) -> None:
        """Write what became of a version to its run; a training that failed has a run, too."""
        with self._explained():
            run = self._run(record)
            if run is None:
                run = self._started(record)
                self.client.set_terminated(run.info.run_id, "FINISHED" if record.uri else "FAILED", end_time=record.at)
            said: dict[str, Any] = {"driftwarden.status": record.status, "driftwarden.by": record.by}
            if record.status != "registered":
                said["driftwarden.gate"] = record.gate
            if run.info.lifecycle_stage == "active":  # one that somebody deleted cannot be written to
                for key, value in said.items():
                    self.client.set_tag(run.info.run_id, key, _text(value))
            for one in self._told_of(record):
                self.client.set_model_version_tag(one.name, one.version, "driftwarden.status", record.status)
                if record.share is not None:
                    self.client.set_model_version_tag(one.name, one.version, _SHARE, f"{record.share:g}")
                elif _SHARE in one.tags:
                    self.client.delete_model_version_tag(one.name, one.version, _SHARE)
            if record.status == "updated":
                self._follow_revision(record)

    def set_alias(self, model: str, alias: Alias, version: str, *, digest: str = "") -> None:
        """Point an alias at a version, after it was written down that it is us who do so: `pointed` then knows a person's hand."""
        with self._explained():
            target = self._one(model, version, digest)
            if alias == "champion":
                self.client.set_registered_model_tag(target.name, _OURS, version)
            self.client.set_registered_model_alias(target.name, alias, target.version)

    def alias(self, model: str, alias: Alias) -> str | None:
        """Version that an alias points at; None where there is none, or where it is not one of ours."""
        with self._explained():
            target = self._aliased(model, alias)
            return None if target is None else target.tags.get(_VERSION)

    def pointed(self, model: str) -> Pointed | None:
        """What the alias champion is on, whoever put it there; None where there is no alias, or it is not on a version of ours."""
        with self._explained():
            target = self._aliased(model, "champion")
            if target is None or _VERSION not in target.tags:
                return None
            ours = self.client.get_registered_model(target.name).tags.get(_OURS)
            return Pointed(
                version=target.tags[_VERSION],
                revision=target.tags.get(_REVISION, "0"),
                uri=f"{_SCHEME}{target.name}/{target.version}",
                digest=target.tags.get(_DIGEST, ""),
                ours=target.tags[_VERSION] == ours,
            )

    def take_over(self, model: str, version: str) -> None:
        """Write down that the champion that somebody else chose is known."""
        with self._explained():
            self.client.set_registered_model_tag(registered_name(model), _OURS, version)

    def model_of(self, name: str) -> str | None:
        """Our name of a registered model; None where it is not one of ours."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  see `client`

        with self._explained():
            try:
                model = self.client.get_registered_model(name).tags.get(_MODEL)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return None
        return None if model is None else str(model)

    def _follow_revision(self, record: Version) -> None:
        """An alias of an adaptive version goes to its newest revision; one that points elsewhere stays."""
        newest = next((one for one in self._versions(record.model, record.version) if one.tags.get(_DIGEST) == record.digest), None)
        for alias in get_args(Alias):
            target = self._aliased(record.model, alias)
            if target is not None and newest is not None and target.tags.get(_VERSION) == record.version:
                self.client.set_registered_model_alias(newest.name, alias, newest.version)

    def _upload(self, artifact: bytes, record: Version) -> ModelVersion:
        name = registered_name(record.model)
        run = self._started(record)
        with tempfile.TemporaryDirectory() as folder:
            write_folder(Path(folder) / _FOLDER, artifact, record)
            self.client.log_artifacts(run.info.run_id, str(Path(folder) / _FOLDER), _FOLDER)
        self.client.set_terminated(run.info.run_id, "FINISHED", end_time=record.at)
        if self.model_of(name) is None:
            self.client.create_registered_model(name, tags={_MODEL: record.model})
        tags = {
            _VERSION: record.version,
            _REVISION: str(record.revision),
            _DIGEST: record.digest,
            "driftwarden.cause": record.cause,
            "driftwarden.parent": record.parent,
            "driftwarden.status": record.status,
        }
        return self.client.create_model_version(name, f"runs:/{run.info.run_id}/{_FOLDER}", run.info.run_id, tags=tags, await_creation_for=0)

    def _started(self, record: Version) -> Run:
        """A run for a training; times are event times, as everywhere in Driftwarden."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param  # noqa: PLC0415  see `client`

        name = registered_name(record.model)
        experiment = self.client.get_experiment_by_name(name)
        identity = self.client.create_experiment(name) if experiment is None else experiment.experiment_id
        tags = {_MODEL: record.model, _VERSION: record.version, _DIGEST: record.digest, "driftwarden.cause": record.cause, "driftwarden.parent": record.parent}
        tags |= {f"driftwarden.{key}": _text(value) for key, value in record.provenance.items() if key != "packages"}
        run = self.client.create_run(identity, start_time=record.at, run_name=f"{record.model} {record.version}", tags=tags)
        metrics = [Metric(_metric_name(key), value, record.at, 0) for key, value in record.metrics.items() if value == value]  # noqa: PLR0124  nan
        parameters = [Param(key, _text(value)) for key, value in record.parameters.items()]
        self.client.log_batch(run.info.run_id, metrics=metrics, params=parameters)
        if record.trained_on:
            rows = Dataset(
                name=f"{record.model} examples",
                digest=str(record.trained_on.get("digest", "")).removeprefix("sha256:")[:36],
                source_type="kafka",
                source=_text(record.trained_on),
                schema="{}",
                profile=_text({"num_rows": record.trained_on.get("rows")}),
            )
            self.client.log_inputs(run.info.run_id, [DatasetInput(rows, [InputTag("mlflow.data.context", "training")])])
        return run

    def _run(self, record: Version) -> Run | None:
        versions = self._versions(record.model, record.version)
        ours = [one for one in versions if one.tags.get(_DIGEST) == record.digest]
        if ours:
            return self.client.get_run(str(ours[0].run_id))
        experiment = self.client.get_experiment_by_name(registered_name(record.model))
        if experiment is None:
            return None
        found = self.client.search_runs([experiment.experiment_id], f"tags.`{_VERSION}` = '{_quoted(record.version)}' and tags.`{_DIGEST}` = '{record.digest}'", max_results=1)
        return found[0] if found else None

    def _versions(self, model: str, version: str) -> list[ModelVersion]:
        """Registered versions that carry our number, the newest first; several where one was never announced, as its retrainer died or its number was taken."""
        found = self.client.search_model_versions(f"name = '{_quoted(registered_name(model))}' and tags.`{_VERSION}` = '{_quoted(version)}'")
        return sorted(found, key=lambda one: -int(one.version))

    def _told_of(self, record: Version) -> list[ModelVersion]:
        """Whom a record concerns: an adaptive version with all of its revisions, and nothing that was stored under its number and never announced."""
        return [one for one in self._versions(record.model, record.version) if one.tags.get(_DIGEST) == record.digest or one.tags.get(_REVISION) != str(record.revision)]

    def _one(self, model: str, version: str, digest: str) -> ModelVersion:
        found = self._versions(model, version)
        if not found:
            raise (GoneError if self._holds_any() else RegistryError)(
                f"there is no version {version} of '{model}' in MLflow at {self.address}; was it deleted, or registered in another registry? Have another version serve"
            )
        return next((one for one in found if one.tags.get(_DIGEST) == digest), found[0])

    @contextmanager
    def _gone(self, uri: str, is_there: Callable[[], bool]) -> Iterator[None]:
        """What does not exist, by the server's own word, is gone where something tells that the server has what else it should."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  see `client`

        try:
            yield
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST" or not is_there():
                raise
            raise GoneError(
                f"there is no {uri!r} in MLflow at {self.address}, which holds other things. Put it back where it was deleted, or have another version serve"
            ) from error

    def _holds_any(self) -> bool:
        """Whether the server knows any model of ours; one whose database is not there says of every version that it does not exist."""
        return bool(self.client.search_registered_models(f"tags.`{_MODEL}` LIKE '%'", max_results=1))

    def _aliased(self, model: str, alias: Alias) -> ModelVersion | None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  see `client`

        try:
            return self.client.get_model_version_by_alias(registered_name(model), alias)
        except MlflowException as error:
            if error.error_code in {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"}:
                return None
            raise

    def _downloaded(self, run: str, path: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return Path(self.client.download_artifacts(run, path, folder)).read_bytes()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        client_errors: tuple[type[Exception], ...] = (OSError,)
        if self.client is not None:
            from mlflow.exceptions import MlflowException  # noqa: PLC0415  see `client`

            client_errors = (MlflowException, OSError)
        try:
            yield
        except client_errors as error:
            raise RegistryError(f"MLflow at {self.address} did not do what it was asked: {str(error).splitlines()[0][:300]}") from error


def registered_name(model: str) -> str:
    """A model's name in MLflow, where ``/``, ``:`` and quotes cannot be.

    Examples
    --------
    >>> registered_name("loans"), registered_name("loans/eu")
    ('loans', 'loans%2Feu')
    """
    return quote(model, safe=" ")


def _metric_name(name: str) -> str:
    """A metric's name as MLflow takes it, whatever a trainer or the id of a request says: letters, digits and ``_ - . : /``, as a path that resolves to itself.

    Examples
    --------
    >>> _metric_name("weight of the online forest"), _metric_name("weight of pr#12/0"), _metric_name("f1@0.5"), _metric_name("/a//b")
    ('weight of the online forest', 'weight of pr_12/0', 'f1_0.5', '_a__b')
    """
    kept = _FOREIGN.sub("_", name)[:_LONGEST_NAME]
    is_itself = posixpath.normpath(kept) == kept and kept != "." and not kept.startswith(("/", ".."))
    return kept if is_itself else re.sub(r"[/.]", "_", kept) or "_"


def _quoted(text: str) -> str:
    return text.replace("'", "%27")


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode())[:_LONGEST]
