"""Wire format v1 to columns: records of one JSON event, of JSON Lines, or of an Arrow IPC stream, in any mixture.

JSON events that say plainly what they say become columns at once, see `streams.formats.plain_columns`. Every other one is read by a struct that was made for
the features of its model. Where all of a fetch have the same features, be they of one model or of many, that is the only step. In any other, the models'
names are read first. An event that cannot be read is looked at by itself, so that it costs its neighbours nothing. Arrow's columns are taken as they are; see
`streams.formats.arrow_columns` for the rows that cannot be.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, SupportsBytes, cast

import msgspec
import numpy as np

from detectors.coded_text import CodedText
from detectors.errors import EventError
from detectors.event_batch import LABEL, EventBatch, Int64
from detectors.monitor import Monitor, Monitors
from detectors.summarise import Fetch
from streams.formats import plain_columns
from streams.formats.arrow_columns import ArrowColumns
from streams.formats.arrow_events import ArrowSource, event_texts
from streams.formats.arrow_messages import STREAM_START
from streams.formats.arrow_records import ArrowReader, ArrowRows, is_arrow
from streams.formats.decoded import MAX_DEAD_LETTERS, DeadLetter, Decoded, bounded
from streams.formats.event_checks import MAX_KEPT_BYTES, check, check_size, times
from streams.formats.event_columns import EventColumns, Places
from streams.formats.event_lines import EMPTY, EventLines, event_lines
from streams.formats.event_schema import ANY_EVENT, CONTROL, ID_OF, KIND_OF, MODEL_OF, EventReader, ModelSchema, Shape, decode_each
from streams.formats.model_schemas import ModelSchemas
from streams.formats.placement import SAMPLED_FETCHES, Placement, sample
from streams.formats.plain_columns import PlainColumns
from streams.formats.read_events import ReadEvents, merged
from streams.source_records import SourceRecords
from streams.unreadable import UNREADABLE

_PATIENCE = 0.125  # share of lines that may be other than they seemed, before all are looked at one by one


class Decoder:
    """Decodes fetches of one source partition.

    Parameters
    ----------
    monitors : the applied specifications; a model without one is counted, not decoded further.
    placement : the source partition; without it nobody looks whether events belong there.
    """

    def __init__(self, monitors: Monitors, placement: Placement | None = None) -> None:
        self._monitors = monitors
        self._placement = placement
        self._schemas: dict[str, tuple[tuple[Monitor, ...], ModelSchemas]] = {}
        self.arrow = ArrowReader()
        self._fetches = 0

    def decode(self, records: SourceRecords, *, high: int, end: int) -> Decoded:
        """Columns of some records.

        Parameters
        ----------
        records : in log order.
        high : largest record timestamp before them, `NO_TIME` at the partition's beginning.
        end : offset after the last record.
        """
        highs = np.maximum.accumulate(np.maximum(records.timestamps, high))
        self._fetches += 1
        reading = _Reading(records, highs, self)
        batches = tuple(reading.batches())
        dead = reading.dead.values()
        highest = int(highs[-1]) if len(highs) else high
        return Decoded(
            fetch=Fetch(end=end, high=highest, batches=batches, unmonitored=reading.unmonitored, rejected=len(dead)),
            dead_letters=bounded(list(dead), records),
            misplaced=tuple(self._placement.misplaced(reading.sampled_ids())) if self._placement and self.samples_ids else (),
        )

    @property
    def samples_ids(self) -> bool:
        """Whether some ids of the fetch under way are looked at."""
        return self._fetches % SAMPLED_FETCHES == 1

    def schemas_of(self, model: str) -> ModelSchemas | None:
        """How to read a model's events; None where nobody monitors it."""
        revisions = tuple(self._monitors.of(model))
        if not revisions:
            return None
        known = self._schemas.get(model)
        if known is None or known[0] != revisions:
            known = self._schemas[model] = (revisions, ModelSchemas(revisions))
        return known[1]


class _Reading:
    """One fetch while it is read."""

    def __init__(self, records: SourceRecords, highs: Int64, decoder: Decoder) -> None:
        self._records = records
        self._highs = highs
        self._decoder = decoder
        self.dead: dict[tuple[int, int], DeadLetter] = {}
        self._buried: Counter[int] = Counter()
        self.unmonitored: dict[str, int] = {}
        self._taken: list[EventBatch] = []
        self._alone: list[ReadEvents] = []
        refused: list[DeadLetter] = []
        arrow = [place for place, value in enumerate(records.values) if value and value[0] == STREAM_START[0] and is_arrow(value)]
        self._any_arrow = bool(arrow)
        self._sampled_ids: list[str] = []
        self._irregular: dict[int, str] = {}
        if not arrow:
            self._lines: EventLines = event_lines(records, range(len(records)), refused)
        else:
            of_arrow = set(arrow)
            lines = event_lines(records, [place for place in range(len(records)) if place not in of_arrow], refused)
            odd = [found for rows in decoder.arrow.rows(records, arrow, refused) if (found := self._columnar(rows)) is not None]
            self._lines = EventLines.concatenate([lines, *odd]) if odd else lines
        for letter in refused:
            self.dead[letter.offset, letter.index] = letter
        if max(map(len, self._lines.texts), default=0) > MAX_KEPT_BYTES:
            large = [line for line, text in enumerate(self._lines.texts) if len(text) > MAX_KEPT_BYTES]
            self._lines = self._lines.without({line for line in large if self._is_too_large(line)})
        self._all_texts = self._lines.texts

    def batches(self) -> list[EventBatch]:
        """Columns of the good events; a model's are all in one batch, or in one for each way in which its revisions read."""
        found = self._from_lines() if len(self._lines) else []
        if not self._any_arrow:
            return found
        by_schema: dict[tuple[str, tuple[int, ...]], list[EventBatch]] = {}
        for part in (*self._taken, *(part for batch in found for part in batch.by_model())):
            by_schema.setdefault((part.model, part.revisions), []).append(part)
        return [_in_log_order(parts) for parts in by_schema.values()]

    def _columnar(self, rows: ArrowRows) -> EventLines | None:
        """Take what rows of Arrow tables plainly say; the others, if any, become lines."""
        columns = ArrowColumns(rows, self._places(rows.record, rows.index))
        if self._decoder.samples_ids:
            self._sampled_ids += columns.ids_at(sample(len(rows)))
        for model, mine in columns.by_model():
            schemas = self._decoder.schemas_of(model)
            if schemas is None:
                self._count(model, mine.stop - mine.start)
                continue
            batch = columns.batch(schemas, mine)
            if len(batch):
                self._taken.append(batch)
        odd = np.flatnonzero(columns.odd)
        if not len(odd):
            return None
        texts: list[bytes] = []
        lines: list[int] = []
        for row, text in zip(odd.tolist(), event_texts(rows, odd, columns.timestamp, columns.text_bytes), strict=True):
            if isinstance(text, EventError):
                self._bury(int(rows.record[row]), int(rows.index[row]), ArrowSource(rows, row), text)
            else:
                texts.append(text)
                lines.append(row)
        return EventLines(texts=texts, sources=[ArrowSource(rows, row) for row in lines], record=rows.record[lines], index=rows.index[lines])

    def _from_lines(self) -> list[EventBatch]:
        plain = self._plain()
        if plain is not None and not len(self._lines):
            return [plain]
        read = self._read()  # which may leave some to be read alone
        found = [batch for group in self._by_revision([*read, *self._alone]) for batch in self._batches(group)]
        if plain is None:
            return found
        return _with_plain(plain, found) if found else [plain]

    def _plain(self) -> EventBatch | None:
        """Events that say plainly what they say, if there are any; the other lines are left."""
        schemas = self._sampled_schemas() if len(self._lines) >= plain_columns.FEWEST else []
        if len({schema.form for schema in schemas}) != 1 or not plain_columns.reads(schemas[0]):
            return None
        columns = PlainColumns(self._lines, self._places(self._lines.record, self._lines.index), schemas[0], self._decoder.schemas_of)
        taken = columns.batch()
        if taken is not None:
            self._lines = self._lines.take(columns.others.tolist())
        return taken

    def _batches(self, read: ReadEvents) -> list[EventBatch]:
        places = self._places(self._lines.record[read.lines], self._lines.index[read.lines])
        columns = EventColumns(read, places, self._irregular)
        refused = columns.is_control
        for row in columns.suspicious().tolist():
            try:
                check(read.events[row], int(places.record_timestamp[row]), read.schema_of(row).specification)
            except EventError as error:
                refused[row] = True
                self._refuse(int(read.lines[row]), error)
        return columns.batches(refused)

    def _read(self) -> list[ReadEvents]:
        """The lines that could be read, all as the newest revision reads them: in one go those whose features are what they seem to be."""
        texts = self._lines.texts
        shapes = {schema.shape for schema in self._sampled_schemas()}
        if len(shapes) != 1:
            return self._mixed(range(len(texts)))
        read, failed, left = self._of_shape(shapes.pop(), range(len(texts)), patience=_PATIENCE)
        return [*read, *self._mixed(sorted([*failed, *left]))] if failed or left else read

    def _sampled_schemas(self) -> list[ModelSchema]:
        """How some of the lines are read."""
        texts = self._lines.texts
        sampled, _ = decode_each(MODEL_OF.decode, [texts[place] for place in sample(len(texts))])
        schemas = map(self._decoder.schemas_of, {one.model for one in sampled})
        return [known.newest for known in schemas if known is not None]

    def _of_shape(self, shape: Shape, lines: Sequence[int], *, patience: float = math.inf) -> tuple[list[ReadEvents], dict[int, Exception], list[int]]:
        """Some lines read as events of a shape: what was read, why some lines could not be, and lines that have to be read in another way."""
        texts = self._lines.texts
        events, failed, irregular, tried = EventReader.of(shape).decode_each([texts[line] for line in lines], patience=patience)
        at = np.array(lines[:tried], np.int64)
        read, left = self._sorted_out(shape, np.delete(at, list(failed)) if failed else at, events)
        if irregular:
            others = set(left)  # which another shape reads, by which they may be as declared
            self._irregular |= {lines[place]: text for place, text in irregular.items() if lines[place] not in others}
        return read, {lines[place]: error for place, error in failed.items()}, [*left, *lines[tried:]]

    def _sorted_out(self, shape: Shape, lines: Int64, events: list[Any]) -> tuple[list[ReadEvents], list[int]]:
        """Events by the form of their models, and the lines of models that have another shape or are not monitored."""
        models = CodedText.of([event.model for event in events])
        known = [self._decoder.schemas_of(model) for model in models.levels]
        schemas = [None if one is None or one.newest.shape != shape else one.newest for one in known]
        forms = [None if schema is None or one is None else schema.form if one.is_uniform else schema for one, schema in zip(known, schemas, strict=True)]
        number = {form: place for place, form in enumerate(dict.fromkeys(forms))}
        of = np.array([number[form] for form in forms], np.int64)[models.codes]
        whole = ReadEvents(schemas=cast("Sequence[ModelSchema]", schemas), owner=models.codes, lines=lines, events=events)
        if len(number) == 1 and None not in number:
            return [whole], []
        rows_of = {form: np.flatnonzero(of == place) for form, place in number.items()}
        others = rows_of.pop(None, np.empty(0, np.int64))
        return [whole.take(rows) for rows in rows_of.values()], lines[others].tolist()

    def sampled_ids(self) -> list[str]:
        """Event ids of a few of the events."""
        texts = self._all_texts
        found, _ = decode_each(ID_OF.decode, [texts[line] for line in sample(len(texts))])
        return self._sampled_ids + [str(one.event_id) for one in found if one.event_id not in {None, ""}]

    def _mixed(self, lines: Sequence[int]) -> list[ReadEvents]:
        """Lines of which nothing is known: their models' names are read first."""
        texts = self._lines.texts
        named, failed = decode_each(MODEL_OF.decode, [texts[line] for line in lines])
        for place, error in failed.items():
            self._refuse_unread(lines[place], error)
        by_model: dict[str, list[int]] = {}
        for one, line in zip(named, [line for place, line in enumerate(lines) if place not in failed] if failed else lines, strict=True):
            by_model.setdefault(one.model, []).append(line)
        by_shape: dict[Shape, list[int]] = {}
        for model, mine in by_model.items():
            schemas = self._decoder.schemas_of(model)
            if schemas is None:
                self._count_unmonitored(model, mine)
            else:
                by_shape.setdefault(schemas.newest.shape, []).extend(mine)
        found: list[ReadEvents] = []
        for shape, mine in by_shape.items():
            read, errors, _ = self._of_shape(shape, sorted(mine))
            found += read
            for line, error in errors.items():
                self._read_alone(line, error)
        return found

    def _read_alone(self, line: int, error: Exception) -> None:
        """A line that the newest revision cannot read: another may, and a label's features are never counted, so that they cannot be bad either."""
        try:
            event = ANY_EVENT.decode(self._lines.texts[line])
        except UNREADABLE:
            self._refuse_unread(line, error)
            return
        schemas = self._decoder.schemas_of(event.model)
        if schemas is None or event.kind == CONTROL:
            return
        if event.kind == "label":
            self._alone.append(ReadEvents.of(schemas.newest, [line], [schemas.newest.reader.without_features(event)]))
            return
        schema = schemas.of_times(times([event.timestamp], self._times_of([line])))[0]
        try:
            self._alone.append(ReadEvents.of(schema, [line], [self._read_by(schema, line)]))
        except UNREADABLE as own:
            self._refuse_unread(line, own)

    def _read_by(self, schema: ModelSchema, line: int) -> Any:
        """One event; what of its features is not as declared is noted, where it is forgiven."""
        event, irregular = schema.reader.decode(self._lines.texts[line])
        if irregular is None:
            self._irregular.pop(line, None)
        else:
            self._irregular[line] = irregular
        return event

    def _by_revision(self, groups: Sequence[ReadEvents]) -> list[ReadEvents]:
        """The same events, each as the revision of its own time reads it; labels as often as there are ways to read them."""
        found: list[ReadEvents] = []
        for group in groups:
            schemas = self._decoder.schemas_of(group.schemas[0].specification.model)
            found += [group] if schemas is None or schemas.is_uniform else self._split(group, schemas)
        return merged(found)

    def _split(self, group: ReadEvents, schemas: ModelSchemas) -> list[ReadEvents]:
        """Events of one model whose revisions differ."""
        read_by = group.schemas[0]
        stamps = self._times_of(group.lines)
        own_times = times([event.timestamp for event in group.events], stamps)
        split: dict[ModelSchema, tuple[list[int], list[Any]]] = {}
        given = zip(group.lines.tolist(), group.events, own_times.tolist(), stamps.tolist(), schemas.of_times(own_times), strict=True)
        for line, event, time, stamp, own in given:
            is_label = event.kind == "label"
            try:
                if event.kind != CONTROL:
                    schemas.check_ahead(time, stamp)
                for schema in (schemas.readers_of(event) if is_label else ()) or [own]:
                    read = event
                    if schema is not read_by:
                        read = schema.reader.without_features(event) if is_label else self._read_by(schema, line)
                    lines, events = split.setdefault(schema, ([], []))
                    lines.append(line)
                    events.append(read)
            except EventError as error:
                self._refuse(line, error)
            except UNREADABLE as error:
                self._refuse_unread(line, error)
        return [ReadEvents.of(schema, lines, events) for schema, (lines, events) in split.items()]

    def _times_of(self, lines: Sequence[int] | Int64) -> Int64:
        return self._records.timestamps[self._lines.record[np.asarray(lines, np.int64)]]

    def _places(self, record: Int64, index: Int64) -> Places:
        return Places(offset=self._records.offsets[record], index=index, high=self._highs[record], record_timestamp=self._records.timestamps[record])

    def _count_unmonitored(self, model: str, lines: list[int]) -> None:
        count = 0
        for line, time in zip(lines, self._times_of(lines).tolist(), strict=True):
            try:
                event = ANY_EVENT.decode(self._lines.texts[line])
                if event.kind != CONTROL:
                    check(event, time, None)
                    count += 1
            except UNREADABLE as error:
                self._refuse_unread(line, error)
            except EventError as error:
                self._refuse(line, error)
        if count:
            self._count(model, count)

    def _count(self, model: str, events: int) -> None:
        self.unmonitored[model] = self.unmonitored.get(model, 0) + events

    def _is_too_large(self, line: int) -> bool:
        try:
            event = ANY_EVENT.decode(self._lines.texts[line])
            if event.kind != CONTROL:
                check_size(event)
        except UNREADABLE:  # which is told where all are read
            return False
        except EventError as error:
            self._refuse(line, error)
            return True
        return False

    def _refuse_unread(self, line: int, error: Exception) -> None:
        """Say why a line cannot be read; a control record may be without all that an event must have."""
        if not isinstance(error, msgspec.ValidationError):
            self._refuse(line, EventError(f"not JSON: {error}" if self._lines.texts[line].strip() else EMPTY))
        elif not _is_control(self._lines.texts[line]):
            self._refuse(line, EventError(*_story(error)))

    def _refuse(self, line: int, error: EventError) -> None:
        lines = self._lines
        self._bury(int(lines.record[line]), int(lines.index[line]), lines.sources[line], error)

    def _bury(self, record: int, index: int, source: SupportsBytes, error: EventError) -> None:
        """A label that several revisions read is refused but once."""
        offset = int(self._records.offsets[record])
        if (offset, index) not in self.dead:
            self._buried[record] += 1
        one_for_all = self._buried[record] > MAX_DEAD_LETTERS  # see `bounded`; to make letters that nobody gets would take seconds
        value = self._records.values[record] if one_for_all else bytes(source)
        self.dead[offset, index] = DeadLetter(offset=offset, index=index, value=value, reason=error.reason, path=error.path)


def _with_plain(plain: EventBatch, found: list[EventBatch]) -> list[EventBatch]:
    """Plain events together with the other ones of their form, among which are all of their models."""
    alike = [batch for batch in found if replace(batch, models=None).form == replace(plain, models=None).form and batch.revisions == plain.revisions]
    together = [plain, *alike]
    if len({batch.model for batch in together}) > 1 or not plain.model:
        together = [replace(batch, model="", models=batch.model_of) for batch in together]
    return [_in_log_order(together), *(batch for batch in found if not any(batch is other for other in alike))]


def _in_log_order(parts: list[EventBatch]) -> EventBatch:
    """Rows of all parts: the labels in the order of the log, behind the other rows in that order. Records whose dictionaries differ are read in another."""
    whole = EventBatch.concatenate(parts)
    index, offset, is_label = whole.index, whole.offset, whole.kind == LABEL
    follows = (offset[1:] > offset[:-1]) | ((offset[1:] == offset[:-1]) & (index[1:] >= index[:-1]))  # to see that they are sorted takes a fifth of sorting them
    in_order = (is_label[1:] > is_label[:-1]) | ((is_label[1:] == is_label[:-1]) & follows)
    return whole if in_order.all() else whole.take(np.lexsort((index, offset, is_label)))


def _is_control(text: bytes) -> bool:
    try:
        return KIND_OF.decode(text).kind == CONTROL
    except UNREADABLE:
        return False


def _story(error: Exception) -> tuple[str, str]:
    """Reason and path of a msgspec error: ``Expected `float | null`, got `str` - at `$.features.salary```."""
    reason, _, path = str(error).partition(" - at ")
    return reason[:1].lower() + reason[1:], path.strip("`").removeprefix("$").lstrip(".")
