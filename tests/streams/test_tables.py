"""Tables from files."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from detectors.errors import SettingsError
from streams.tables import Table, count_rows, read_chunks, read_table

ROWS = [
    {"id": "a", "age": 31, "income": 10.5, "smoker": True, "at": "2016-05-01T10:00:00Z"},
    {"id": "b", "age": None, "income": 20.0, "smoker": False, "at": "2016-05-01T10:00:01.5Z"},
    {"id": None, "age": 55, "income": None, "smoker": True, "at": "2016-05-02T00:00:00Z"},
]
CSV = "id,age,income,smoker,at\na,31,10.5,true,2016-05-01T10:00:00Z\nb,,20.0,false,2016-05-01T10:00:01.5Z\n,55,,true,2016-05-02T00:00:00Z\n"


def write_csv(path: Path) -> Path:
    path = path / "rows.csv"
    path.write_text(CSV)
    return path


def write_csv_gz(path: Path) -> Path:
    path = path / "rows.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))
    return path


def write_jsonl(path: Path) -> Path:
    path = path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return path


def write_jsonl_gz(path: Path) -> Path:
    path = path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode()))
    return path


def write_parquet(path: Path) -> Path:
    path = path / "rows.parquet"
    parquet.write_table(pa.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("write", [write_csv, write_csv_gz, write_jsonl, write_jsonl_gz, write_parquet])
@pytest.mark.parametrize("chunked", [False, True])
def test_every_kind_of_file_gives_the_same_columns(write: Callable[[Path], Path], chunked: bool, tmp_path: Path) -> None:
    path = write(tmp_path)
    tables = list(read_chunks(path, 2)) if chunked else [read_table(path)]
    assert [(table.first_row, len(table)) for table in tables] == ([(0, 2), (2, 1)] if chunked else [(0, 3)])
    assert [value for table in tables for value in table.texts("id")] == ["a", "b", None]
    assert np.concatenate([table.numbers("age") for table in tables]) == pytest.approx([31, np.nan, 55], nan_ok=True)
    assert np.concatenate([table.numbers("income") for table in tables]) == pytest.approx([10.5, 20, np.nan], nan_ok=True)
    assert [value for table in tables for value in table.texts("smoker")] == ["true", "false", "true"]
    assert np.concatenate([table.times("at") for table in tables]).tolist() == [1_462_096_800_000, 1_462_096_801_500, 1_462_147_200_000]


def table(**columns: object) -> Table:
    return Table(source="live.csv", columns={name: np.array(values) if not isinstance(values[0], str) else np.array(values, object) for name, values in columns.items()})  # type: ignore[index]


def test_a_date_is_read_when_it_is_iso_and_never_guessed() -> None:
    here = table(iso=["2016-05-01", "2016-05-01 12:00:00+02:00"], day=["1/1/2011", "2/1/2011"], year=["2016", "2017"])
    assert here.times("iso").tolist() == [1_462_060_800_000, 1_462_096_800_000]
    with pytest.raises(SettingsError, match=r"live.csv: column 'day', row 1: .* a date is never guessed, so pass e.g. --time-format .* got '1/1/2011'"):
        here.times("day")
    with pytest.raises(SettingsError, match="row 1"):
        here.times("year")
    assert here.times("day", "%d/%m/%Y").tolist() == [1_293_840_000_000, 1_293_926_400_000]
    with pytest.raises(SettingsError, match=r"column 'iso', row 1: expected a time of the format '%d/%m/%Y'"):
        here.times("iso", "%d/%m/%Y")


def test_integers_are_epoch_milliseconds_and_fractions_are_asked_about() -> None:
    here = table(whole=[1_462_060_800_000], seconds=[1_462_060_800.5], missing=[np.nan])
    assert here.times("whole").tolist() == [1_462_060_800_000]
    with pytest.raises(SettingsError, match="--time-format epoch-seconds"):
        here.times("seconds")
    assert here.times("seconds", "epoch-seconds").tolist() == [1_462_060_800_500]
    with pytest.raises(SettingsError, match="column 'missing', row 1: expected a time; got nothing"):
        here.times("missing")


def test_the_row_in_a_message_counts_from_the_files_beginning(tmp_path: Path) -> None:
    path = tmp_path / "live.csv"
    path.write_text("at,x\n" + "2016-05-01,1\n" * 4 + "never,1\n")
    chunks = read_chunks(path, 2)
    assert len(next(chunks).times("at")) == 2
    assert len(next(chunks).times("at")) == 2
    with pytest.raises(SettingsError, match=r"row 5.*got 'never'"):
        next(chunks).times("at")


def test_a_column_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(SettingsError, match=r"^live.csv: no column 'salry'; it has: salary, age$"):
        table(salary=[1.0], age=[2.0]).column("salry")


def test_a_text_among_numbers_is_named_with_its_row() -> None:
    with pytest.raises(SettingsError, match="column 'age', row 2: expected a number; got 'old'"):
        table(age=["31", "old"]).numbers("age")
    assert table(age=["31", "nan"]).numbers("age") == pytest.approx([31, np.nan], nan_ok=True)


def test_a_large_identifier_keeps_its_digits_in_chunks(tmp_path: Path) -> None:
    path = tmp_path / "live.csv"
    path.write_text("id,n\n9007199254740993,1\n9007199254740995,2\n")
    [chunk] = read_chunks(path)
    assert chunk.texts("id").tolist() == ["9007199254740993", "9007199254740995"]
    assert chunk.texts("n").tolist() == ["1", "2"]


def test_a_whole_number_may_be_followed_by_a_fraction_in_a_later_chunk(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    path.write_text('{"x": 1}\n{"x": 1.5}\n')
    assert [chunk.numbers("x").tolist() for chunk in read_chunks(path, 1)] == [[1.0], [1.5]]


def test_nested_json_becomes_dotted_columns(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    path.write_text('{"features": {"age": 31}, "label": "1"}\n')
    assert list(read_table(path).columns) == ["features.age", "label"]


def test_files_that_cannot_be_read_are_refused_with_the_reason(tmp_path: Path) -> None:
    write_csv(tmp_path)
    with pytest.raises(SettingsError, match=r"no such file; in that folder: rows.csv"):
        read_table(tmp_path / "row.csv")
    with pytest.raises(SettingsError, match=r"ends in .csv, .csv.gz, .parquet"):
        read_table(tmp_path / "rows.xlsx")
    for name, content in (("empty.csv", ""), ("header.csv", "a,b\n"), ("ragged.csv", "a,b\n1,2\n1\n"), ("broken.jsonl", '{"a": \n'), ("text.parquet", "no")):
        (tmp_path / name).write_text(content)
        with pytest.raises(SettingsError, match=name):
            read_table(tmp_path / name)
        with pytest.raises(SettingsError, match=name):
            list(read_chunks(tmp_path / name))


@pytest.mark.parametrize("read", [read_table, lambda path: list(read_chunks(path))])
def test_two_columns_of_one_name_are_refused_because_one_would_be_lost(read: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("age,city,age\n1,a,2\n")
    with pytest.raises(SettingsError, match=r"rows.csv: columns 1, 3 are all called 'age'; a column is known by its name: give each one of its own"):
        read(tmp_path / "rows.csv")
    parquet.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["age", "age"]), tmp_path / "rows.parquet")
    with pytest.raises(SettingsError, match=r"rows.parquet: columns 1, 2 are all called 'age'"):
        read(tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text('{"a": {"b": 1}, "a.b": 2}\n')
    with pytest.raises(SettingsError, match=r"rows.jsonl: columns 1, 2 are all called 'a.b'"):
        read(tmp_path / "rows.jsonl")


@pytest.mark.parametrize("read", [read_table, lambda path: list(read_chunks(path))])
@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_a_row_with_too_few_or_too_many_columns_is_named_and_shown(read: Callable[[Path], object], ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.tables._BLOCK", 1 << 16)
    path = tmp_path / f"rows.{ending}"
    for row, got in (("lonely", 1), ("1,2,3", 3), ("x" * 99, 1)):
        content = "a,b\n1,2\n\n" + "3,4.5\n" * 30_000 + f"{row}\n5,6\n7\n"  # three blocks
        path.write_bytes(gzip.compress(content.encode(), 1) if ending == "csv.gz" else content.encode())
        shown = row if len(row) <= 60 else "x" * 57 + "..."
        with pytest.raises(SettingsError, match=rf"rows.{ending}, row 30002: cannot be read: expected 2 columns as in the header, got {got}: '{shown}'$"):
            read(path)


def test_a_parquet_file_knows_its_rows(tmp_path: Path) -> None:
    assert count_rows(write_parquet(tmp_path)) == 3
    assert count_rows(write_csv(tmp_path)) is None


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_texts_are_those_of_the_file_in_every_chunk_and_alike_ones_are_one_object(kind: pa.DataType, tmp_path: Path) -> None:
    values = ["yes", None, "", "no", "yes", "no", "maybe", None, "yes"]
    parquet.write_table(pa.table({"class": pa.array(values, kind), "nothing": pa.array([None] * 9, pa.string())}), tmp_path / "rows.parquet", row_group_size=4)
    tables = list(read_chunks(tmp_path / "rows.parquet", 5))
    assert [value for table in tables for value in table.column("class")] == [value or None for value in values]
    assert [value for table in tables for value in table.column("nothing")] == [None] * 9
    whole = read_table(tmp_path / "rows.parquet").column("class")
    assert whole[0] is whole[4]


def test_columns_of_a_file_can_be_written_to_without_a_change_to_the_next(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": [1.0, 2.0], "b": [1, 2], "c": [True, False]}), tmp_path / "rows.parquet")
    for name, column in read_table(tmp_path / "rows.parquet").columns.items():
        column[:] = 0
        assert read_table(tmp_path / "rows.parquet").column(name)[0] == 1
