"""A Chromium for the tests of the live page: ``$CHROMIUM``, the one on the PATH, or Debian's package, which is installed where that is allowed.

``make chromium`` prints where it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGE = "chromium"
HOW = f"set CHROMIUM to its program, or install it: apt-get install {PACKAGE} on Debian, a package of that name elsewhere"


class ChromiumError(RuntimeError):
    """There is no Chromium, and it could not be installed."""


def chromium() -> Path:
    """The program; installed where there is none.

    Raises
    ------
    ChromiumError
        If there is none, and this user may not install it, or that fails.
    """
    found = _found()
    if found is None:
        _install()
        found = _found()
    if found is None:
        raise ChromiumError(f"the package {PACKAGE} is installed, but none of {', '.join(NAMES)} is on the PATH; {HOW}")
    return found


def _found() -> Path | None:
    given = os.environ.get("CHROMIUM")
    if given:
        if not os.access(given, os.X_OK):
            raise ChromiumError(f"CHROMIUM is {given}, which is no program that can be run")
        return Path(given)
    return next((Path(path) for name in NAMES if (path := shutil.which(name))), None)


def _install() -> None:
    asked = _as_root()
    if asked is None or shutil.which("apt-get") is None:
        raise ChromiumError(f"the tests of the live page need a Chromium; {HOW}")
    print("installing Chromium, once", file=sys.stderr, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGE]):
        done = subprocess.run([*asked, *command], env=environment, capture_output=True, text=True, check=False)  # noqa: S603  our own command
        if done.returncode:
            raise ChromiumError(f"{' '.join(command)} failed; {HOW}:\n{done.stderr[-2_000:]}")


def _as_root() -> list[str] | None:
    """What is put before a command that needs root; None where this user cannot become it without being asked."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None:
        return None
    allowed = subprocess.run([sudo, "-n", "true"], capture_output=True, check=False)  # noqa: S603  our own command
    return [sudo, "-n"] if allowed.returncode == 0 else None


if __name__ == "__main__":
    try:
        print(f"Chromium for the tests: {chromium()}")
    except ChromiumError as error:
        sys.exit(f"error: {error}")
