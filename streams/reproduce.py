"""A version trained again in a fresh process, and in a fresh environment where that is asked for: is it the same, bit by bit?"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from detectors.errors import DriftwardenError, SettingsError
from retrainer.provenance import digest_of_source, requirements, source_archive
from retrainer.reproduction import RESULT, TASK, Result, Task
from retrainer.versions import Version

_CODE = "code"
_PROGRAM = "reproduce.py"
_README = """\
# {name}, trained again

`task.msgpack` holds all that the training was given, the folder `code` Driftwarden's source, `requirements.txt` the packages. With Python {python}:

    python -m venv environment
    environment/bin/pip install --no-deps -r requirements.txt
    environment/bin/python reproduce.py

It prints the digest of the model; {digest} was announced.
"""
_REPEAT = """\
import os
import pathlib
import sys

folder = pathlib.Path(__file__).resolve().parent
code = str(folder / "code")  # of the version, whatever is installed here
sys.path.insert(0, code)
os.environ["PYTHONPATH"] = os.pathsep.join([code, *filter(None, [os.environ.get("PYTHONPATH")])])

from retrainer.reproduction import repeat

print(repeat(folder).digest)
"""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A version, and what came of training it again.

    Attributes
    ----------
    same : whether the artifact's digest is the announced one.
    digest, announced : the two.
    differences : of code and environment, key to the recorded and the present value; what would explain another digest.
    """

    version: str
    same: bool
    digest: str
    announced: str
    differences: dict[str, tuple[Any, Any]]


def reproduce(record: Version, task: Task, *, source: bytes | None = None, fresh_environment: bool = False, folder: Path | None = None) -> Reproduction:
    """Train a version again.

    Parameters
    ----------
    record : of the registered version.
    source : Driftwarden's code as it trained the version; default: ours.
    fresh_environment : make a virtual environment of the recorded packages (pip, network, a minute), instead of running in this one.
    folder : where the task is written and left; default: a temporary one.

    Raises
    ------
    DriftwardenError
        If the training, or the making of the environment, fails; with its reason.
    """
    from retrainer.trainers.command import KEPT  # noqa: PLC0415  scikit-learn takes a second to import, which the other commands need not wait for

    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftwarden-reproduce-")))
        write_task(place, record, task, source=source)
        python = _fresh_environment(place) if fresh_environment else Path(sys.executable)
        kept = {"PYTHONPATH", *KEPT, *task.variables}  # a trainer of yours is found by PYTHONPATH, a command is given the rest; nothing else reaches the training
        variables = {name: os.environ[name] for name in kept if name in os.environ}
        done = subprocess.run([python, place.resolve() / _PROGRAM], env=variables, capture_output=True, text=True, check=False)  # noqa: S603  our own program
        if done.returncode:
            raise DriftwardenError(f"version {record.version} of '{record.model}' could not be trained again: {_last_line(done.stderr)}")
        result = msgspec.json.decode((place / RESULT).read_bytes(), type=Result)
    return Reproduction(
        version=record.version,
        same=result.digest == record.digest,
        digest=result.digest,
        announced=record.digest,
        differences=differences(record.provenance, result.provenance),
    )


def write_task(folder: Path, record: Version, task: Task, *, source: bytes | None = None) -> None:
    """Write what it takes to train a version again: the task, the code, the packages, and how to go about it; SettingsError where the folder is a file."""
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file; pass a folder, which is made")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TASK).write_bytes(msgspec.msgpack.encode(task))
    shutil.rmtree(folder / _CODE, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(source or source_archive())) as archive:
        archive.extractall(folder / _CODE)  # as files: a training by a command starts one of them as a program
    (folder / "requirements.txt").write_text(requirements(record.provenance))
    said = {"name": f"{record.model}@{record.version}", "python": record.provenance.get("python", "3.11"), "digest": record.digest}
    (folder / "README.md").write_text(_README.format(**said))
    (folder / _PROGRAM).write_text(_REPEAT)


def needs_kept_source(record: Version) -> bool:
    """Whether the version was trained by other code than ours."""
    return bool(record.provenance.get("code")) and record.provenance["code"] != digest_of_source()


def differences(recorded: dict[str, Any], present: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs in code and environment, package by package.

    Examples
    --------
    >>> differences({"seed": 0, "python": "3.11.2", "packages": {"numpy": "2.4.5"}}, {"python": "3.11.2", "packages": {"numpy": "2.4.6", "pip": "25"}})
    {'numpy': ('2.4.5', '2.4.6'), 'pip': (None, '25')}
    """
    found = {key: (recorded.get(key), present.get(key)) for key in ("code", "trainer_code", "python", "platform")}
    before, now = recorded.get("packages", {}), present.get("packages", {})
    found |= {name: (before.get(name), now.get(name)) for name in sorted({*before, *now} - {"driftwarden"})}  # it is the code
    return {key: values for key, values in found.items() if values[0] != values[1]}


def _fresh_environment(folder: Path) -> Path:
    environment = folder / "environment"
    shutil.rmtree(environment, ignore_errors=True)
    venv.create(environment)
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    _pip(["--python", str(python), "--quiet", "install", "--no-deps", "--requirement", str(folder / "requirements.txt")])
    return python


def _pip(arguments: Sequence[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)  # noqa: S603  our own command
    if done.returncode:
        raise DriftwardenError(f"the packages of the version could not be installed: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
