"""Tables from files: CSV, Parquet and JSON Lines, whole or in chunks, and their columns as numbers, texts and times."""

from __future__ import annotations

import contextlib
import gzip
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pa_parquet

from detectors.columns.class_names import class_names
from detectors.errors import SettingsError
from detectors.event_batch import Bool, Column, Float64, Int64, Text

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz")
EPOCH_SECONDS = "epoch-seconds"
ROW_LENGTH = 1_000
"""A table without a time column has its row number as seconds, milliseconds."""

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_EXACT = 2**53
_FEWEST_DIMENSIONS = 2  # of an embedding
_SHOWN = 60  # characters of a row in a message
_BLOCK = 16 << 20  # bytes that the types of a CSV's columns are inferred from when it is read in chunks


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns of a file, as they were read.

    Attributes
    ----------
    source : the file's name, for messages.
    columns : (n,) each: int64, float64 (nan is missing), bool, datetime64, or objects (str; None is missing);
        (n, d) float64 where each value is a list of as many numbers, with nan in all of them where one is missing.
    first_row : number of rows before this chunk.
    """

    source: str
    columns: dict[str, Column]
    first_row: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def column(self, name: str) -> Column:
        """A column as it was read.

        Raises
        ------
        SettingsError
            If there is none of that name; the message lists those that exist.
        """
        if name not in self.columns:
            raise SettingsError(f"{self.source}: no column {name!r}; it has: {', '.join(self.columns)}")
        return self.columns[name]

    def numbers(self, name: str) -> Float64:
        """A column as (n,) float64, nan where missing; booleans are 0 and 1. A text that is not a number is refused."""
        column = self._of_values(name)
        self.refuse(name, column, self.not_numbers(name), "expected a number")
        return column.astype(np.float64) if column.dtype != object else _parsed(column)

    def not_numbers(self, name: str) -> Bool:
        """(n,) where a column has a text that is not a number."""
        column = self._of_values(name)
        if column.dtype != object:
            return np.zeros(len(column), bool)
        given = np.array([value is not None for value in column.tolist()], bool)
        return np.asarray(np.isnan(_parsed(column)) & given & (column != "nan"))

    def texts(self, name: str) -> Text:
        """A column as (n,) canonical class names, see `class_names`."""
        return class_names(self._of_values(name))

    def vectors(self, name: str, dimension: int) -> Float64:
        """A column of embeddings as (n, dimension) float64, nan where one is missing. Lists of another length are refused."""
        column = self.column(name)
        if column.ndim == 1:  # of different lengths; or, in a CSV, their texts
            lengths = [dimension if value is None else len(value) if isinstance(value, list) else -1 for value in column.tolist()]
            self.refuse(name, column, np.array(lengths) != dimension, f"expected a list of {dimension} numbers")
            column = np.array([[np.nan] * dimension if value is None else value for value in column.tolist()], np.float64)
        if column.shape[1] != dimension:
            raise SettingsError(f"{self.source}: column {name!r}: expected lists of {dimension} numbers, got lists of {column.shape[1]}")
        return column

    def times(self, name: str, time_format: str | None = None) -> Int64:
        """A column as (n,) epoch milliseconds.

        Integers are epoch milliseconds, texts RFC 3339 or ISO 8601 (a date is its midnight; UTC unless an offset is given). Other dates are never guessed.

        Parameters
        ----------
        name : of the column.
        time_format : as of ``strptime``, such as ``%d/%m/%Y``, or ``epoch-seconds``.
        """
        column = self._of_values(name)
        if column.dtype.kind == "M":
            stamps = column.astype("datetime64[ms]")
            self.refuse(name, column, np.isnat(stamps), "expected a time")
            return stamps.astype(np.int64)
        if column.dtype.kind in "iuf" and time_format in {None, EPOCH_SECONDS}:
            self.refuse(name, column, ~np.isfinite(column.astype(np.float64)), "expected a time")
            if time_format == EPOCH_SECONDS:
                return np.asarray(np.round(column * 1_000), np.int64)
            self.refuse(name, column, column != np.round(column), f"epoch milliseconds are whole numbers; pass --time-format {EPOCH_SECONDS} if these are seconds")
            return column.astype(np.int64)
        import pandas as pd  # noqa: PLC0415  for times that are texts alone: it takes half a second to import

        texts = class_names(column)
        parsed = pd.to_datetime(pd.Series(texts, dtype=object), format=time_format or "ISO8601", utc=True, errors="coerce")
        bad = parsed.isna().to_numpy(bool)
        if time_format is None:
            bad = bad | np.array([text is None or _ISO.match(text) is None for text in texts.tolist()], bool)
            expected = "expected RFC 3339 (2016-05-01 or 2016-05-01T10:00:00Z) or epoch milliseconds; a date is never guessed, so pass e.g. --time-format '%d/%m/%Y'"
        else:
            expected = f"expected a time of the format {time_format!r}"
        self.refuse(name, texts, bad, expected)
        return parsed.to_numpy("datetime64[ms]").astype(np.int64)

    def _of_values(self, name: str) -> Column:
        column = self.column(name)
        if column.ndim > 1:
            raise SettingsError(f"{self.source}: column {name!r} holds lists of {column.shape[1]} numbers; declare it as type embedding, or leave it out")
        return column

    def row_times(self) -> Int64:
        """(n,) what stands for times where there is no time column: each row lasts a second, the first of a file at epoch 0."""
        return np.arange(self.first_row, self.first_row + len(self), dtype=np.int64) * ROW_LENGTH

    def take(self, rows: Any) -> Table:
        """The same columns at some rows."""
        return replace(self, columns={name: column[rows] for name, column in self.columns.items()})

    def refuse(self, name: str, column: Column, bad: Any, expected: str) -> None:
        """Name the first row in which a column is not as expected, (n,) ``bad`` there, and its value; nothing where none is."""
        if bad.any():
            row = int(np.argmax(bad))
            value = column[row]
            got = "nothing" if value is None or value != value else repr(value if isinstance(value, str) else str(value))  # noqa: PLR0124  nan, NaT
            raise SettingsError(f"{self.source}: column {name!r}, row {self.first_row + row + 1}: {expected}; got {got}")


def _parsed(texts: Column) -> Float64:
    """(n,) numbers, nan where a text is none."""
    import pandas as pd  # noqa: PLC0415  for numbers that are texts alone

    return pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(np.float64)


def read_table(path: str | Path) -> Table:
    """The whole file.

    Parameters
    ----------
    path : ends in ``.csv``, ``.csv.gz``, ``.parquet``, ``.jsonl`` or ``.jsonl.gz``.

    Raises
    ------
    SettingsError
        If the file does not exist, is of another kind, has no row, has two columns of one name, or cannot be read.
    """
    path, suffix = _checked(path)
    try:
        if suffix == ".parquet":
            table = pa_parquet.ParquetFile(path).read()
        else:
            with pa.input_stream(path, compression="detect") as stream:
                table = pa_json.read_json(stream, read_options=pa_json.ReadOptions(block_size=_BLOCK)) if suffix.startswith(".jsonl") else pa_csv.read_csv(stream)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not table.num_rows:
        raise SettingsError(f"{path}: no row; a table needs one at least")
    return Table(source=path.name, columns=_columns(table, path))


def read_chunks(path: str | Path, rows: int = 50_000) -> Iterator[Table]:
    """The file in chunks of at most `rows` rows, in order, in bounded memory.

    Types of a CSV's columns are those of its first 16 MB, with whole numbers read as numbers: a column that turns out to be text later is refused with its place.
    """
    path, suffix = _checked(path)
    done = 0
    try:
        for part in _parts(path, suffix, rows):
            for start in range(0, part.num_rows, rows):
                piece = part.slice(start, rows)
                yield Table(source=path.name, columns=_columns(piece, path), first_row=done)
                done += piece.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error, f" after row {done}") from error
    if not done:
        raise SettingsError(f"{path}: no row; a table needs one at least")


def count_rows(path: str | Path) -> int | None:
    """Rows of a Parquet file, which says so itself; None for the others, which would have to be read."""
    path, suffix = _checked(path)
    return int(pa_parquet.ParquetFile(path).metadata.num_rows) if suffix == ".parquet" else None


def _parts(path: Path, suffix: str, rows: int) -> Iterator[Any]:
    if suffix == ".parquet":
        for batch in pa_parquet.ParquetFile(path).iter_batches(batch_size=rows):
            yield pa.Table.from_batches([batch])
    elif suffix.startswith(".csv"):
        with pa.input_stream(path, compression="detect") as stream:
            first = next(iter(pa_csv.open_csv(stream, read_options=pa_csv.ReadOptions(block_size=_BLOCK))), None)
        if first is None:
            return
        types = {field.name: _lasting(field.type, first.column(place)) for place, field in enumerate(first.schema)}
        with pa.input_stream(path, compression="detect") as stream:
            options = pa_csv.ConvertOptions(column_types=types)
            for batch in pa_csv.open_csv(stream, read_options=pa_csv.ReadOptions(block_size=_BLOCK), convert_options=options):
                yield pa.Table.from_batches([batch])
    else:
        known: Any = None
        with gzip.open(path) if suffix.endswith(".gz") else path.open("rb") as stream:
            while block := b"".join(islice(stream, rows)):
                if not block.strip():
                    continue
                table = pa_json.read_json(
                    pa.BufferReader(block), read_options=pa_json.ReadOptions(block_size=len(block)), parse_options=pa_json.ParseOptions(explicit_schema=known)
                )
                known = known or pa.schema([(field.name, _lasting(field.type, table.column(place))) for place, field in enumerate(table.schema)])
                yield table


def _lasting(kind: Any, values: Any) -> Any:
    """A type that later rows fit, too: a whole number may be followed by a fraction (but not an id, which float64 would round), nothing by a text."""
    if pa.types.is_integer(kind):
        return kind if max((abs(bound) for bound in pc.min_max(values).as_py().values() if bound is not None), default=0) > _EXACT else pa.float64()
    return pa.string() if pa.types.is_null(kind) else kind


def _columns(table: Any, path: Path) -> dict[str, Column]:
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    repeated = [name for name, times in Counter(table.column_names).items() if times > 1]
    if repeated:
        places = ", ".join(str(place) for place, name in enumerate(table.column_names, start=1) if name == repeated[0])
        raise SettingsError(f"{path}: columns {places} are all called {repeated[0]!r}; a column is known by its name: give each one of its own, or leave the others out")
    return {name: _column(column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()) for name, column in zip(table.column_names, table.columns, strict=True)}


def _column(column: Any) -> Column:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or (pa.types.is_integer(kind) and column.null_count):
        return _array(pc.cast(column, pa.float64(), safe=False), np.dtype(np.float64))
    if pa.types.is_integer(kind):
        return _array(column, np.dtype(np.int64))
    if pa.types.is_boolean(kind) and not column.null_count:
        return _array(column, np.dtype(bool))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _array(pc.cast(column, pa.timestamp("ms"), safe=False), np.dtype("datetime64[ms]"))
    if pa.types.is_nested(kind):
        return _lists(column)
    return _texts(column) if pa.types.is_string(kind) or pa.types.is_large_string(kind) else _objects(column.to_pylist())


def _texts(column: Any) -> Column:
    """(n,) texts, None where one is missing; those that are alike are one object, as of classes there are few."""
    encoded = column.dictionary_encode()
    levels = [*encoded.dictionary.to_pylist(), None]
    return np.asarray(_objects(levels)[encoded.indices.fill_null(len(levels) - 1).to_numpy()])


def _objects(values: Sequence[Any]) -> Column:
    """(n,) values as they are; an empty field of a CSV is a missing value."""
    result = np.empty(len(values), object)
    result[:] = [None if value == "" else value for value in values]
    return result


def _lists(column: Any) -> Column:
    """(n, d) of lists that have d numbers each, nan where a list is missing; else the lists themselves."""
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    lengths = pc.unique(column.value_lengths().drop_null()).to_pylist() if is_list and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)) else []
    if len(lengths) != 1 or lengths[0] < _FEWEST_DIMENSIONS:
        result = np.empty(len(column), object)
        for place, value in enumerate(column.to_pylist()):  # all in one go numpy would take lists of one length for a matrix
            result[place] = value
        return result
    out = np.full((len(column), lengths[0]), np.nan)
    out[column.is_valid().to_numpy(zero_copy_only=False)] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, lengths[0])
    return out


def _array(column: Any, dtype: np.dtype[Any]) -> Column:
    values: Column = np.asarray(column.to_numpy(zero_copy_only=False)).astype(dtype, copy=False)
    return values if values.flags.writeable else values.copy()


def _checked(path: str | Path) -> tuple[Path, str]:
    path = Path(path)
    suffix: str | None = next((ending for ending in sorted(SUFFIXES, key=len, reverse=True) if path.name.lower().endswith(ending)), None)
    if suffix is None:
        raise SettingsError(f"{path}: expected a file that ends in {', '.join(SUFFIXES)}; convert it, or give it the ending of what it is")
    if not path.is_file():
        near = sorted(other.name for other in path.parent.glob("*") if other.name.lower().endswith(SUFFIXES)) if path.parent.is_dir() else []
        raise SettingsError(f"{path}: no such file" + (f"; in that folder: {', '.join(near[:10])}" if near else ""))
    return path, suffix


def _unreadable(path: Path, error: Exception, where: str = "") -> SettingsError:
    story = (str(error) or type(error).__name__).splitlines()[0]
    uneven = _uneven_row(path) if story.startswith("CSV parse error: Expected") else None
    if uneven is not None:
        text = uneven.text if len(uneven.text) <= _SHOWN else uneven.text[: _SHOWN - 3] + "..."
        where, story = f", row {uneven.number - 1}", f"expected {uneven.expected_columns} columns as in the header, got {uneven.actual_columns}: {text!r}"
    return SettingsError(f"{path}{where}: cannot be read: {story}")


def _uneven_row(path: Path) -> Any:
    """The first row of a CSV that has not as many columns as its header, which is row 1. Only a reader of one block after the other counts rows, and it is slower."""
    found: list[Any] = []

    def take(row: Any) -> str:
        found.append(row)
        return "error"

    with pa.input_stream(path, compression="detect") as stream, contextlib.suppress(pa.ArrowInvalid):
        for _ in pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(block_size=_BLOCK, use_threads=False, autogenerate_column_names=True),
            parse_options=pa_csv.ParseOptions(invalid_row_handler=take),
            convert_options=pa_csv.ConvertOptions(include_columns=["f0"], column_types={"f0": pa.binary()}),  # what no other fault can come from
        ):
            pass
    return found[0] if found else None
