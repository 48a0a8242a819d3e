"""Tables in the pages of the documentation, between marks that name the module which writes them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def line(cells: Iterable[str]) -> str:
    """A row of a table.

    Examples
    --------
    >>> line(["`sea`", "", "", ".05"])
    '| `sea` | | | .05 |'
    """
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def written(page: str, name: str, found: str, *, by: str) -> str:
    """The page with another table between its marks.

    Raises
    ------
    ValueError
        If the page has no place for it.
    """
    begin, end = f"<!-- {name}: begin, by python -m {by} -->\n", f"<!-- {name}: end -->\n"
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"the page has no place for the table {name!r}; it must hold the lines {begin.strip()!r} and {end.strip()!r}, in this order")
    return before + begin + found + end + after


def rewrite(page: Path, tables: Mapping[str, str], *, by: str) -> None:
    """Put tables, by their names, in a page; what stands around them stays."""
    text = page.read_text()
    for name, found in tables.items():
        text = written(text, name, found, by=by)
    page.write_text(text)


def results_of(bench: str, kept: Path) -> dict[str, Any]:
    """What a bench found: in the file that the command line names, or where the bench keeps it.

    Raises
    ------
    SystemExit
        With the command to run, where there is none.
    """
    results = Path(sys.argv[1]) if sys.argv[1:] else kept
    if not results.exists():
        raise SystemExit(f"{results} is not there; run: python -m {bench}")
    found: dict[str, Any] = json.loads(results.read_text())
    return found
