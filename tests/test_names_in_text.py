"""Names of modules, classes and functions in docs and docstrings lead to code that exists, found without importing any of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from detectors.settings.watching import Detectors
from streams.alert_subscriber import AlertSubscriber
from streams.model_watcher import ModelWatcher
from streams.publisher import Publisher

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = [path for package in ("detectors", "retrainer", "streams", "bench") for path in sorted((ROOT / package).rglob("*.py"))]
DOTTED = re.compile(r"`((?:detectors|retrainer|streams)(?:\.[A-Za-z_]\w*)+)(?:\([^`]*\))?`")
SDK = {kind.__name__: kind for kind in (Publisher, AlertSubscriber, ModelWatcher)}


def _is_module(parts: list[str]) -> bool:
    path = ROOT.joinpath(*parts)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@cache
def _defined(module: tuple[str, ...]) -> dict[str, ast.AST]:
    path = ROOT.joinpath(*module)
    file = path.with_suffix(".py")
    tree = ast.parse((file if file.is_file() else path / "__init__.py").read_text())
    return dict(_names(tree))


def _names(body: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.AST]]:
    for node in body.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name, node) for alias in node.names)
        else:
            yield from ((one.id, node) for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))


def _exists(name: str) -> bool:
    """Whether a dotted name is a module, or what a module defines, or what a class of a module does."""
    parts = name.split(".")
    if parts[0] == "detectors" and parts[1] in Detectors.model_fields:
        return True  # a key of monitor.yaml
    if parts[-1] == "py":
        return list(ROOT.glob(f"*/{'.'.join(parts)}")) != []  # the name of a file
    length = next((length for length in range(len(parts), 0, -1) if _is_module(parts[:length])), 0)
    rest = parts[length:]
    if not length or not rest:
        return bool(length)
    found = _defined(tuple(parts[:length])).get(rest[0])
    if found is None or len(rest) == 1 or not isinstance(found, ast.ClassDef):
        return found is not None
    return bool(found.bases) or rest[1] in dict(_names(found))


def test_dotted_names_in_docs_and_docstrings_exist() -> None:
    missing = {}
    for path in [*PAGES, *CODE]:
        names = {name for name in DOTTED.findall(path.read_text()) if not _exists(name)}
        if names:
            missing[str(path.relative_to(ROOT))] = sorted(names)
    assert missing == {}


def test_a_name_that_moved_would_be_found() -> None:
    assert [_exists(f"detectors.{name}") for name in ("recomputation.figures", "alerts.recomputation.figures", "alerts.recomputation.Figure.agreed", "max_bins")] == [
        False,
        True,
        False,
        True,
    ]


def test_methods_of_the_sdk_that_the_pages_name_exist() -> None:
    named = {(kind, method) for page in PAGES for kind, method in re.findall(rf"`({'|'.join(SDK)})\.(\w+)", page.read_text())}
    assert ("Publisher", "predict") in named
    assert [f"{kind}.{method}" for kind, method in sorted(named) if not hasattr(SDK[kind], method)] == []
