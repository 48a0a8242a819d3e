"""A real Alertmanager for tests: ``$ALERTMANAGER``, the one on the PATH, or one that is built here and kept in the user's cache.

Its source, and all that it needs, is on Go's registry of modules; Go is what the InfluxDB of the tests needs, too. ``make alertmanager`` prints where it is; a cold build takes
a minute of processor time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from streams.java import user_cache

VERSION = "v0.25.0"
SOURCE = "github.com/prometheus/alertmanager/cmd/alertmanager"
NAMES = ("prometheus-alertmanager", "alertmanager")
"""Of the program: Debian's, and its makers'."""
HERE = Path(__file__).resolve().parent


class AlertmanagerError(RuntimeError):
    """There is no Alertmanager, and it could not be built."""


def alertmanager(*, cache: Path) -> Path:
    """The program; built where there is none.

    Parameters
    ----------
    cache : folder of the user's cache.

    Raises
    ------
    AlertmanagerError
        If Go is missing, or the build fails.
    """
    given = os.environ.get("ALERTMANAGER") or next(filter(None, map(shutil.which, NAMES)), None)
    if given:
        return Path(given)
    folder = cache / f"alertmanager-{VERSION}"
    program = folder / "alertmanager"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not program.exists():
            _build(program)
    return program


def _build(program: Path) -> None:
    if shutil.which("go") is None:
        how = "install Go 1.21 or newer (https://go.dev/doc/install, or a package such as golang), or Alertmanager itself (a package such as prometheus-alertmanager)"
        raise AlertmanagerError(f"the tests need an Alertmanager: set ALERTMANAGER to its program, or {how}")
    print(f"building Alertmanager {VERSION}, once: a minute", file=sys.stderr, flush=True)
    unfinished = program.with_suffix(".unfinished")
    command = ["go", "build", "-o", str(unfinished), SOURCE]
    done = subprocess.run(command, cwd=HERE, env=os.environ | {"GOFLAGS": "-buildvcs=false"}, capture_output=True, text=True, check=False)  # noqa: S603  our own command
    if done.returncode:
        raise AlertmanagerError(f"{' '.join(command)} failed:\n{done.stderr[-3_000:]}")
    unfinished.rename(program)


if __name__ == "__main__":
    try:
        print(f"Alertmanager for the tests: {alertmanager(cache=user_cache())}")
    except AlertmanagerError as error:
        sys.exit(f"error: {error}")
