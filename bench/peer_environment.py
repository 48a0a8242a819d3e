"""A virtual environment for each peer, made once for a user from the requirements beside its program: peers need other versions than we do."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from filelock import FileLock

from bench.installation import BenchError
from streams.java import user_cache

PEERS = Path(__file__).parent / "peers"


def requirements(peer: str) -> Path:
    """Its file of exact versions; the first line is the peer's own."""
    return PEERS / f"{peer}.txt"


def version(peer: str) -> str:
    """What is compared.

    Examples
    --------
    >>> version("quix").partition("==")[0]
    'quixstreams'
    """
    return version_in(requirements(peer))


def version_in(wanted: Path) -> str:
    """The first line of a file of exact versions."""
    return wanted.read_text().splitlines()[0]


def python_of(peer: str) -> Path:
    """The interpreter of its environment, see `environment_of`."""
    return environment_of(requirements(peer))


def environment_of(wanted: Path) -> Path:
    """The interpreter of an environment with exact versions, which is made on the first call (10-30 s).

    Parameters
    ----------
    wanted : file of requirements, named like what is compared.

    Raises
    ------
    BenchError
        If pip cannot install it here; with pip's own reason.
    """
    digest = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = user_cache() / "bench-peers" / f"{wanted.stem}-{digest}"
    whole = folder / "installed"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)  # an interrupted installation
            venv.create(folder)
            command = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "install", "--only-binary", ":all:", "--requirement", str(wanted)]
            pip = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own command
            if pip.returncode:
                raise BenchError(f"{version_in(wanted)} could not be installed: {reason(pip.stderr)}")
            whole.touch()
    return python


def reason(said: str) -> str:
    r"""Last error that pip told, without the addresses of anybody's index.

    Examples
    --------
    >>> reason("WARNING: slow\nERROR: No matching distribution found for bytewax==0.21.1\n")
    'No matching distribution found for bytewax==0.21.1'
    >>> reason("ERROR: HTTP error 404 while getting https://index.example/bytewax")
    'HTTP error 404 while getting <address>'
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["pip said nothing"]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return re.sub(r"\w+://\S+", "<address>", (errors or lines)[-1])
