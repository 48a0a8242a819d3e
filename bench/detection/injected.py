"""``python -m bench.detection.injected FILE --from ROW``: how soon a shift is told that was put into one column of real data, for each of its numeric columns.

The monitor is made of the rows before the shift, and walks through them first, so that it is armed when the shift comes. Alerts that are opened at the same row without the shift
do not count. No prediction and no label is needed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.detection.file_specification import specification_of
from bench.markdown import line
from detectors.errors import SettingsError
from detectors.specification import MonitorSpecification
from streams.file_events import ColumnNames
from streams.replay import replay
from streams.tables import ROW_LENGTH, Table, read_table


def told_after(rows: Table, specification: MonitorSpecification, *, place: int) -> list[int]:
    """Rows from a place until each alert that was opened behind it."""
    opened = replay([replace(rows, first_row=0)], specification, ColumnNames(), metrics=False).opened
    return [alert.updated_at // ROW_LENGTH - place for alert in opened if alert.updated_at > place * ROW_LENGTH]


def shifted(rows: Table, column: str, *, place: int, by: float) -> Table:
    """The rows with a column that is larger from a place on."""
    values = np.array(rows.numbers(column), np.float64)
    values[place:] += by
    return replace(rows, columns={**rows.columns, column: values})


def table(file: Table, *, places: list[int], before: int, after: int, sigmas: float, period: int | None) -> str:
    """A line for each column: rows until an alert was opened for a shift of it, from each place on.

    Parameters
    ----------
    places : rows that shifts begin with.
    before : rows that the monitor is made of.
    after : rows that are looked at.
    sigmas : of the rows before, that a column is shifted by.
    period : a cycle, in rows.

    Raises
    ------
    SettingsError
        If there are no such rows.
    """
    unfit = [place for place in places if not before <= place < len(file)]
    if unfit:
        raise SettingsError(
            f"a shift begins behind the {before:,} rows that the monitor is made of, and before the end of {file.source} ({len(file):,} rows), got row {unfit[0]:,}"
        )
    columns = [name for name, feature in specification_of(file.take(slice(0, before))).features.items() if feature.type == "numeric"]
    cells: dict[str, list[str]] = {name: [name] for name in columns}
    for place in places:
        some = file.take(slice(place - before, place + after))
        reference = some.take(slice(0, before))
        specification = specification_of(reference, periods=() if period is None else (period * ROW_LENGTH,))
        anyway = set(told_after(some, specification, place=before))
        for name in columns:
            moved = shifted(some, name, place=before, by=sigmas * float(np.nanstd(reference.numbers(name))))
            found = min((rows for rows in told_after(moved, specification, place=before) if rows not in anyway), default=None)
            cells[name].append("–" if found is None else f"{found:,}")
            print(f"{name}, from row {place}: {cells[name][-1]}", file=sys.stderr, flush=True)
    return "\n".join([line(["column", *(f"from row {place:,}" for place in places)]), "|---" * (len(places) + 1) + "|", *map(line, cells.values())])


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection.injected", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--from", dest="places", type=int, action="append", required=True, help="row that the shift begins with; may be given again")
    parser.add_argument("--before", type=int, required=True, help="rows that the monitor is made of")
    parser.add_argument("--after", type=int, default=800, help="rows that are looked at; default: %(default)s")
    parser.add_argument("--sigmas", type=float, default=0.5, help="that the column is shifted by; default: %(default)s")
    parser.add_argument("--period", type=int, default=None, help="of a cycle, in rows")
    parser.add_argument("--ignore", action="append", default=[], help="a column to leave out")
    chosen = parser.parse_args(arguments)
    try:
        file = read_table(chosen.file)
        file = replace(file, columns={name: column for name, column in file.columns.items() if name not in chosen.ignore})
        print(table(file, places=chosen.places, before=chosen.before, after=chosen.after, sigmas=chosen.sigmas, period=chosen.period))
    except SettingsError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
