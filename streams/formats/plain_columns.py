"""Plain JSON events to the columns that the summarise stage takes, without an object for any of them.

Only what is plainly right is taken here. Every other event goes the way of `streams.formats.event_schema`, which reads it after all or says what is wrong
with it. So there is one rule for what an event may say, and sound events do not pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from detectors.coded_text import CodedText
from detectors.columns.watched_columns import matrix_and_coded, watched_columns
from detectors.event_batch import LABEL, PREDICTION, Bool, Coded, EventBatch, Float64, Int64, UInt8
from detectors.settings.feature import is_readable
from streams.formats.coded_columns import segment_names, with_default
from streams.formats.event_checks import FIRST_TIME, LAST_TIME
from streams.formats.event_columns import Places
from streams.formats.event_lines import EventLines
from streams.formats.event_schema import KINDS, ModelSchema
from streams.formats.id_hashes import span_hashes
from streams.formats.model_schemas import ModelSchemas

try:
    from streams.formats.plain_json import PlainReader, coded
except ImportError:  # nothing was compiled when Driftwarden was installed
    COMPILED = False
else:
    COMPILED = True
"""Whether plain events are read by compiled loops; if not, they are read as all others are, at less than half the speed."""

FEWEST = 32
"""Events for which it is worth it: of fewer, columns cost more than objects."""

_EVENT_ID, _MODEL, _VERSION, _PREDICTION, _LABEL, _FIRST_CATEGORY = range(6)
_SCORE, _LATENCY = 2, 3  # columns of the numbers, behind those of prediction and label


def reads(schema: ModelSchema) -> bool:
    """Whether events of a schema can be plain: embeddings and sampling fractions are not, nor names that JSON writes in another way."""
    return COMPILED and not schema.vectors and schema.specification.sampling != "weighted" and _reader_for(schema) is not None


def _reader_for(schema: ModelSchema) -> PlainReader | None:
    specification = schema.specification
    return _reader_of(schema.numeric, schema.coded, schema.ignored, specification.segments, specification.task == "regression")


@lru_cache(maxsize=256)  # of forms; each keeps the order in which its fields came last
def _reader_of(numeric: tuple[str, ...], categories: tuple[str, ...], ignored: tuple[str, ...] | None, segments: tuple[str, ...], regression: bool) -> PlainReader | None:
    features = (*numeric, *categories, *(ignored or ()))
    if not all(map(is_readable, (*features, *segments))) or len(set(features)) + len(set(segments)) < len(features) + len(segments):
        return None
    return PlainReader(
        numeric=numeric,
        categories=categories,
        passed_over=ignored or (),
        segments=segments,
        kinds=tuple(KINDS),
        any_feature=ignored is None,
        regression=regression,
    )


class PlainColumns:
    """Columns of the plain ones among some events.

    Parameters
    ----------
    lines : the events.
    places : where they stand in the log.
    schema : of what form they may be; one that `reads`. Events of a model whose revisions differ are not plain.
    schemas_of : how a model's events are read; None where nobody monitors it.

    Attributes
    ----------
    rows, others : the plain ones, and those that have to be looked at one by one.
    """

    def __init__(self, lines: EventLines, places: Places, schema: ModelSchema, schemas_of: Callable[[str], ModelSchemas | None]) -> None:
        specification = schema.specification
        self._schema = schema
        self._regression = specification.task == "regression"
        texts = lines.texts
        self._data = b"\0".join([*texts, b""]) if lines.joined is None else lines.joined
        bounds = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1, out=bounds[1:])
        times = places.record_timestamp.copy()
        reader = _reader_for(schema)
        assert reader is not None  # noqa: S101  who asks for columns has asked `reads`
        plain, spans, self._values, self._kind, self._failed, self._matrix = reader.read(self._data, bounds, times)
        self._timestamp, self._places = times, places
        self._starts, self._ends = spans[:, :, 0].T, spans[:, :, 1].T
        plain &= ~self._badly_encoded(bounds)
        self._starts = np.where(plain, self._starts, -1) if not plain.all() else self._starts
        models, limits = self._known_models(schemas_of)
        plain &= (models.codes >= 0) & (times <= places.record_timestamp + limits[models.codes]) & self._is_sound()
        self.rows: Int64 = np.flatnonzero(plain)
        self.others: Int64 = np.flatnonzero(~plain)
        self._models = models

    def _badly_encoded(self, bounds: Int64) -> Bool:
        """(n,) texts that are beyond ASCII, if not all is UTF-8."""
        found = np.zeros(len(bounds) - 1, bool)
        if not self._data.isascii():
            try:
                self._data.decode()
            except UnicodeDecodeError:
                beyond = np.flatnonzero(np.frombuffer(self._data, np.uint8) >= 128)
                found[np.searchsorted(bounds, beyond, side="right") - 1] = True
        return found

    def _known_models(self, schemas_of: Callable[[str], ModelSchemas | None]) -> tuple[CodedText, Int64]:
        """(n,) models whose events have the form, missing for others; and how far ahead of its record an event of each, and at last of none, may be."""
        models = self._texts(_MODEL)
        known = [schemas_of(model) for model in models.levels]
        fits = np.array([one is not None and one.is_uniform and one.newest.form == self._schema.form for one in known] + [False])
        limits = [0 if one is None else one.newest.specification.max_ahead for one in known]
        codes = models.codes if fits[:-1].all() else np.where(fits[models.codes], models.codes, np.int32(-1))
        return CodedText(models.levels, codes), np.array([*limits, 0], np.int64)

    def _is_sound(self) -> Bool:
        """(n,) what `streams.formats.event_checks.check` would let pass."""
        time, score, kind = self._timestamp, self._values[:, _SCORE], self._kind
        sound = (time >= FIRST_TIME) & (time <= LAST_TIME) & ~((score < 0) | (score > 1)) & (self._starts[_EVENT_ID] < self._ends[_EVENT_ID])
        sound &= (kind != PREDICTION) | self._failed | self._has(_PREDICTION)
        if (kind == LABEL).any():
            sound &= (kind != LABEL) | self._has(_LABEL)
        return np.asarray(sound)

    def _has(self, outcome: int) -> Bool:
        return ~np.isnan(self._values[:, outcome - _PREDICTION]) if self._regression else self._starts[outcome] >= 0

    def _texts(self, which: int) -> CodedText:
        starts, ends = self._starts[which], self._ends[which]
        codes, firsts = coded(self._data, starts, ends)
        at = zip(starts[firsts].tolist(), ends[firsts].tolist(), strict=True)
        return CodedText(tuple(self._data[start:end].decode() for start, end in at), codes)

    def batch(self) -> EventBatch | None:
        """The plain events; None where there is none."""
        rows, n, schema, places = self.rows, len(self.rows), self._schema, self._places
        if not n:
            return None
        if n < len(self._kind):
            self._starts, self._ends = self._starts[:, rows], self._ends[:, rows]
        at: Any = slice(None) if n == len(self._kind) else rows
        kind: UInt8 = self._kind[at]
        values, failed, matrix = self._values[at], self._failed[at], self._matrix[at]
        categories = {name: self._texts(place) for place, name in enumerate(schema.coded, start=_FIRST_CATEGORY)}
        segments = {name: with_default(self._texts(place), "None") for place, name in enumerate(schema.specification.segments, start=_FIRST_CATEGORY + len(categories))}
        numeric, numeric_names, categorical = matrix, schema.numeric, categories
        if schema.derives:
            numeric, numeric_names, categorical = matrix_and_coded(watched_columns(dict(zip(schema.numeric, matrix.T, strict=True)) | categories, schema.specification.features), n)
        models = self._models[at].compact()
        starts, ends = self._starts[_EVENT_ID], self._ends[_EVENT_ID]
        return EventBatch(
            model="" if len(models.levels) > 1 else models.levels[0],
            models=models if len(models.levels) > 1 else None,
            kind=kind,
            event_id=span_hashes(starts, ends - starts, np.frombuffer(self._data, np.uint8)),
            timestamp=self._timestamp[at],
            high=places.high[at],
            offset=places.offset[at],
            index=places.index[at],
            version=with_default(self._texts(_VERSION), ""),
            segment=segment_names(segments, n),
            prediction=self._outcomes(_PREDICTION, values),
            label=self._outcomes(_LABEL, values),
            score=values[:, _SCORE].copy(),  # so that nobody keeps all four for one of them
            latency=values[:, _LATENCY].copy(),
            failed=failed,
            numeric=numeric,
            numeric_names=numeric_names,
            categorical=categorical,
        )

    def _outcomes(self, which: int, values: Float64) -> Coded:
        return values[:, which - _PREDICTION].copy() if self._regression else self._texts(which)
