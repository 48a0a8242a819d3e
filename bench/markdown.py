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
    before, _, after = _parts(page, name, by)
    return before + found + after


def standing(page: str, name: str, *, by: str) -> str:
    """The table that stands in the page between its marks.

    Raises
    ------
    ValueError
        If the page has no place for it.
    """
    return _parts(page, name, by)[1]


def _parts(page: str, name: str, by: str) -> tuple[str, str, str]:
    """What stands before a table, with the mark where it begins; the table; and the rest."""
    begin, end = f"<!-- {name}: begin, by python -m {by} -->\n", f"<!-- {name}: end -->\n"
    before, begun, rest = page.partition(begin)
    table, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"the page has no place for the table {name!r}; it must hold the lines {begin.strip()!r} and {end.strip()!r}, in this order")
    return before + begin, table, end + after


def with_rows(former: str, fresh: str, order: Iterable[str]) -> str:
    r"""A table with rows that were made anew, by their first cell in this order; the others stay as they were.

    Parameters
    ----------
    former, fresh : tables with a head of two lines, or none where there is nothing. A cell that is empty anew stays, too, but for the last one.
    order : first cells.

    Examples
    --------
    >>> head = "| row | median | oracle | |\n|---|---|---|---|\n"
    >>> former = head + "| `sea` | 12 | 9 | **late** |\n| `sun` | 7 | 5 | |\n"
    >>> print(with_rows(former, head + "| `sea` | 10 | | |\n", ["`sun`", "`sea`"]), end="")
    | row | median | oracle | |
    |---|---|---|---|
    | `sun` | 7 | 5 | |
    | `sea` | 10 | 9 | |
    """
    (head, known), (other, new) = _rows_of(former), _rows_of(fresh)
    if not new or not known:
        return fresh if new else former
    found = {name: _filled(known.get(name), cells) for name, cells in new.items()}
    return "".join(f"{one}\n" for one in [*(head or other), *(line((known | found)[name]) for name in order if name in known | found)])


def _rows_of(table: str) -> tuple[list[str], dict[str, list[str]]]:
    """The head, and the cells of every row by the first of them."""
    lines = [one for one in table.splitlines() if one.startswith("|")]
    rows = [[cell.strip() for cell in one.split("|")[1:-1]] for one in lines[2:]]
    return lines[:2], {cells[0]: cells for cells in rows}


def _filled(former: list[str] | None, cells: list[str]) -> list[str]:
    """Cells, and those of before where they are empty."""
    return cells if former is None else [*(cell or old for cell, old in zip(cells[:-1], former[:-1], strict=True)), cells[-1]]


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
