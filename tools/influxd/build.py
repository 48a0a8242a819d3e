"""A real InfluxDB 2.7 for tests: ``$INFLUXD``, the one on the PATH, or one that is built here and kept in the user's cache.

Nobody serves its program from a registry of packages, but its source and all that it needs are on those of Go and of Rust. ``make influxd``
prints where it is; a cold build takes six minutes on two cores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from streams.java import user_cache

VERSION = "v2.7.12"
SOURCE = "github.com/influxdata/influxdb/v2/cmd/influxd"
PKG_CONFIG = "github.com/influxdata/pkg-config@v0.2.14"  # finds flux, which is written in Rust, and has cargo build it
HERE = Path(__file__).resolve().parent
NEEDED = {
    "go": "Go 1.21 or newer: https://go.dev/doc/install, or a package such as golang",
    "cargo": "a Rust toolchain: https://rustup.rs, or packages such as cargo and rustc",
    "gcc": "a C compiler: a package such as gcc",
    "pkg-config": "pkg-config: a package such as pkg-config",
}


class InfluxdError(RuntimeError):
    """There is no InfluxDB, and it could not be built."""


def influxd(*, cache: Path) -> Path:
    """The program; built where there is none.

    Parameters
    ----------
    cache : folder of the user's cache.

    Raises
    ------
    InfluxdError
        If something that the build needs is missing, or it fails.
    """
    given = os.environ.get("INFLUXD") or shutil.which("influxd")
    if given:
        return Path(given)
    folder = cache / f"influxd-{VERSION}"
    program = folder / "influxd"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not program.exists():
            _build(folder, program)
    return program


def _build(folder: Path, program: Path) -> None:
    missing = [f"{name} ({how})" for name, how in NEEDED.items() if shutil.which(name) is None]
    if missing:
        raise InfluxdError(f"the tests need an InfluxDB 2.7: set INFLUXD to its program, or install what builds it: {'; '.join(missing)}")
    print(f"building InfluxDB {VERSION}, once: six minutes on two cores", file=sys.stderr, flush=True)
    environment = os.environ | {"GOBIN": str(folder), "GOFLAGS": "-buildvcs=false", "RUSTUP_TOOLCHAIN": "stable"}
    _run(["go", "install", PKG_CONFIG], environment)
    environment |= {"PKG_CONFIG": str(folder / "pkg-config"), "RUSTC_WRAPPER": str(HERE / "rustc_cap_lints")}
    unfinished = program.with_suffix(".unfinished")
    _run(["go", "build", "-o", str(unfinished), SOURCE], environment)
    unfinished.rename(program)


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  our own command
    if done.returncode:
        raise InfluxdError(f"{' '.join(command)} failed:\n{done.stderr[-3_000:]}")


if __name__ == "__main__":
    try:
        print(f"InfluxDB for the tests: {influxd(cache=user_cache())}")
    except InfluxdError as error:
        sys.exit(f"error: {error}")
