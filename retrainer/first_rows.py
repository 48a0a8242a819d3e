"""The rows that the first champion was trained on: the beginning of what later trainings choose from, where they are kept.

A model's labelled events begin where its first champion begins to serve. Without what that one has learnt from, a training soon after it knows a few hundred rows of a season, and
the champion thousands. They are rows of a table, which no topic holds: a training set that has some of them names the table's digest besides its offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detectors.errors import DriftwardenError
from detectors.rows.examples import Examples
from retrainer.training_set import TABLE, TrainingSet
from retrainer.versions import Version

Kept = Callable[[str, Mapping[str, Any]], Examples | None]
"""Gives the rows of a model's training set, by what its version says it was trained on; None where they are not kept.

Raises `DriftwardenError` where they are not what was announced."""


@dataclass(frozen=True, kw_only=True)
class FirstRows:
    """What is known of them.

    Attributes
    ----------
    rows : None where they are not at hand, or are not to be used.
    table : ``version``, ``topic`` (name of the table), ``digest`` and ``rows`` (their number), for the lineage.
    warning : why they are not to be used, "" where they are, or are not kept.
    """

    rows: Examples | None = None
    table: Mapping[str, Any]
    warning: str = ""

    def before(self, rows: Examples, most: int) -> Examples:
        """The rows that came, and before them as many of these as there is room for among ``most``."""
        room = max(0, most - len(rows))
        return rows if self.rows is None or room == 0 else Examples.concatenate([self.rows.take(slice(-room, None)), rows])

    def lineage(self, chosen: TrainingSet, topic: str) -> dict[str, Any]:
        """What a version says it was trained on: where some of these rows are in it, with the table that they are of."""
        told = chosen.lineage(topic)
        if str(TABLE) in chosen.offsets:
            told["before"] = dict(self.table)
        return told | ({"warnings": [*told.get("warnings", ()), self.warning]} if self.warning else {})


@dataclass
class HeldRows:
    """The first champion's rows in memory, for a loop that ends with its process; `streams.dataset_files` keeps them for one that goes on."""

    digest: str = ""
    rows: Examples | None = None

    def keep(self, chosen: TrainingSet, _: dict[str, Any]) -> None:
        """Hold the rows of a training set, in place of others."""
        self.digest, self.rows = chosen.digest, chosen.examples

    def rows_of(self, _: str, trained_on: Mapping[str, Any]) -> Examples | None:
        """The rows, if they are these."""
        return self.rows if trained_on["digest"] == self.digest else None


def first_rows(records: Sequence[Version], kept: Kept, like: Examples) -> FirstRows:
    """The rows that a model's first champion was trained on, where it was a table that is kept.

    Parameters
    ----------
    records : of the model's versions, in their order.
    like : labelled events, whose columns they have to have: what was trained on other columns would be another model.
    """
    first = next((record for record in records if record.status == "promoted"), None)
    if first is None or str(TABLE) not in first.trained_on.get("offsets", {}):
        return FirstRows(table={})
    table = {"version": first.version, **{name: first.trained_on[name] for name in ("topic", "digest", "rows")}}
    left_out = f"the {table['rows']} rows that version {first.version} was trained on are left out"
    try:
        rows = kept(first.model, first.trained_on)
    except DriftwardenError as error:
        return FirstRows(table=table, warning=f"{left_out}: {error}")
    if rows is None:
        return FirstRows(table=table)
    different = sorted(name for name in {*rows.features, *like.features} if _kind(rows, name) != _kind(like, name))
    if different or rows.label.dtype.kind != like.label.dtype.kind:
        return FirstRows(table=table, warning=f"{left_out}: {', '.join(different) or 'the label'} is not there what it is in the labelled events")
    return FirstRows(rows=rows, table=table)


def _kind(rows: Examples, name: str) -> str:
    return rows.features[name].dtype.kind if name in rows.features else ""
