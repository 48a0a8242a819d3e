"""The first champion of the loops, which knows the old concept."""

from __future__ import annotations

import pytest

from retrainer.bootstrap import bootstrap_champion
from retrainer.registry.files import FilesRegistry
from retrainer.trainers import Model
from retrainer.versions import Version
from tests.retrainer.closed_loop import TRAINER
from tests.retrainer.concepts import specification, table


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> FilesRegistry:
    return FilesRegistry(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module")
def first(registry: FilesRegistry) -> list[Version]:
    return bootstrap_champion(*table(2_000, "old", 99), specification=specification(), trainer=TRAINER, registry=registry, at=0)


@pytest.fixture(scope="module")
def model(registry: FilesRegistry, first: list[Version]) -> Model:
    return registry.fetch(first[-1].uri, first[-1].digest)
