"""requirements.lock pins what pyproject.toml asks for, and nothing else about the machine that it was made on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = {canonicalize_name(name): version for name, version in (line.split("==") for line in LINES)}


def test_every_line_is_a_pin_without_an_index_or_a_path() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
    assert len(PINS) == len(LINES)


def test_every_requirement_is_pinned_within_its_bounds() -> None:
    requirements = [Requirement(text) for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()) for text in group]
    asked = [requirement for requirement in requirements if requirement.name != PROJECT["name"]]
    assert len(asked) > 30
    assert [str(requirement) for requirement in asked if not requirement.specifier.contains(PINS.get(canonicalize_name(requirement.name), "0"))] == []
