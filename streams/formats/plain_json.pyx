# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Plain JSON events read straight into columns, by compiled loops over their bytes.

An event is plain where its bytes say what its reader takes, with nothing to interpret: texts without escapes, numbers of at most 19 digits, no field twice.
The loops give every other event back as it is; they judge nothing. Each text ends with a zero byte, which no JSON holds, so that no loop can leave a text.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp

from streams.formats.plain_number cimport LARGEST_EXACT_POWER, LARGEST_FIVE, NOT_PLAIN, SMALLEST_FIVE, Powers, Text, number
from streams.formats.plain_value cimport anything, blank, date_time, is_null, number_or_null, span, text, whole_number

import os

import numpy as np

FIELDS = (
    *("event_id", "model", "model_version", "prediction", "label", "score", "latency_ms"),
    *("timestamp", "features", "kind", "status", "segments", "probabilities", "sampling_fraction"),
)
"""An event's own fields, in the order of their places."""

cdef enum:  # places of `FIELDS`
    EVENT_ID, MODEL, VERSION, PREDICTION, LABEL, SCORE, LATENCY, TIMESTAMP, FEATURES, KIND, STATUS, SEGMENTS, PROBABILITIES

cdef enum:
    FIRST_TEXT = 5  # spans of an event before those of its categories and segments: id, model, version, prediction and label


def _power_of_five(exponent):
    """The first 128 bits of 5 ** exponent: cut off, or for a negative one rounded up."""
    if exponent >= 0:
        power = 5**exponent
        return power << 128 - power.bit_length() if power.bit_length() <= 128 else power >> power.bit_length() - 128
    power = 5**-exponent
    bits = (power - 1).bit_length()
    found = 2 ** (bits + 127 if exponent >= -27 else 2 * bits + 128) // power + 1
    return found >> max(found.bit_length() - 128, 0)


cdef Powers powers

for _exponent in range(SMALLEST_FIVE, LARGEST_FIVE + 1):
    _power = _power_of_five(_exponent)
    powers.fives[_exponent - SMALLEST_FIVE][0] = _power >> 64
    powers.fives[_exponent - SMALLEST_FIVE][1] = _power & (2**64 - 1)
for _exponent in range(LARGEST_EXACT_POWER + 1):
    powers.tens[_exponent] = 10.0**_exponent


cdef struct Names:
    # Some names, one after the other, and where each begins; what came behind each last time; and the last row that had each.
    Text texts
    const int32_t* bounds
    int32_t* after
    int64_t* seen
    int32_t count


cdef inline int64_t named(Text data, int64_t at, Names* names, int32_t place) noexcept nogil:
    """Behind a name and its quote, if it stands there; a name has no escapes, so that nothing else reads like it."""
    cdef int32_t first = names.bounds[place], size = names.bounds[place + 1] - names.bounds[place], step
    for step in range(size):
        if data[at + step] != names.texts[first + step]:
            return NOT_PLAIN
    return at + size + 1 if data[at + size] == c'"' else NOT_PLAIN


cdef inline bint is_name(Text data, int64_t start, int64_t size, Names* names, int32_t place) noexcept nogil:
    """Whether a text is a name; those that are alike but for their ends are told apart by these."""
    cdef int32_t first = names.bounds[place]
    if names.bounds[place + 1] - first != size:
        return False
    return size == 0 or (data[start + size - 1] == names.texts[first + size - 1] and memcmp(data + start, names.texts + first, size) == 0)


cdef int64_t key(Text data, int64_t at, Names* names, int64_t row, int32_t* place) noexcept nogil:
    """To the value of a key: which of some names it is, or the place after them where it is another. ``place`` is that of the key before, at first the one after all, too."""
    cdef int64_t end = NOT_PLAIN
    cdef int32_t expected = names.after[place[0]], other
    if data[at] != c'"':
        return NOT_PLAIN
    if expected < names.count:
        end = named(data, at + 1, names, expected)
    if end < 0:
        end = text(data, at + 1)
        if end < 0:
            return NOT_PLAIN
        expected = names.count
        for other in range(names.count):
            if is_name(data, at + 1, end - at - 1, names, other):
                expected = other
                break
        end += 1
        names.after[place[0]] = expected
    place[0] = expected
    if expected < names.count:
        if names.seen[expected] == row:
            return NOT_PLAIN
        names.seen[expected] = row
    end = blank(data, end)
    return blank(data, end + 1) if data[end] == c":" else NOT_PLAIN


cdef inline int64_t next_key(Text data, int64_t at, bint* more) noexcept nogil:
    """Behind a value: to the next key, or behind the object."""
    at = blank(data, at)
    more[0] = data[at] == c","
    if more[0]:
        return blank(data, at + 1)
    return at + 1 if data[at] == c"}" else NOT_PLAIN


cdef inline int64_t first_key(Text data, int64_t at, bint* more) noexcept nogil:
    """Behind a brace: to the first key, or behind the object."""
    more[0] = False
    if data[at] != c"{":
        return NOT_PLAIN
    at = blank(data, at + 1)
    more[0] = data[at] != c"}"
    return at if more[0] else at + 1


cdef struct Form:
    # What events of a form say: numbers come first among the features, then categories, then what is passed over.
    Names fields
    Names features
    Names segments
    Names kinds
    int32_t numbers
    int32_t categories
    bint any_feature
    bint regression


cdef struct Row:
    # Where one event is written: bounds of its spans, prediction, label, score and latency as numbers, and its features.
    int64_t (*spans)[2]
    double* values
    double* matrix
    int64_t* time
    uint8_t* kind
    uint8_t* failed


cdef int64_t features(Text data, int64_t at, Form* form, Row* out, int64_t row) noexcept nogil:
    """Behind an object of features."""
    cdef int32_t place = form.features.count
    cdef bint more
    at = first_key(data, at, &more)
    while at >= 0 and more:
        at = key(data, at, &form.features, row, &place)
        if at < 0 or (place == form.features.count and not form.any_feature):
            return NOT_PLAIN
        if place < form.numbers:
            at = number_or_null(data, at, &out.matrix[place], &powers)
        elif place < form.numbers + form.categories:
            at = span(data, at, out.spans[FIRST_TEXT + place - form.numbers], True)
        else:
            at = anything(data, at, &powers)
        if at >= 0:
            at = next_key(data, at, &more)
    return at


cdef int64_t segments(Text data, int64_t at, Form* form, Row* out, int64_t row) noexcept nogil:
    """Behind an object of segments."""
    cdef int32_t place = form.segments.count
    cdef bint more
    if is_null(data, at):
        return at + 4
    at = first_key(data, at, &more)
    while at >= 0 and more:
        at = key(data, at, &form.segments, row, &place)
        if at < 0:
            return NOT_PLAIN
        at = span(data, at, out.spans[FIRST_TEXT + form.categories + place], False) if place < form.segments.count else anything(data, at, &powers)
        if at >= 0:
            at = next_key(data, at, &more)
    return at


cdef int64_t kind(Text data, int64_t at, Form* form, Row* out) noexcept nogil:
    """Behind one of the kinds that an event may have."""
    cdef int32_t place
    cdef int64_t end
    if data[at] != c'"':
        return NOT_PLAIN
    for place in range(form.kinds.count):
        end = named(data, at + 1, &form.kinds, place)
        if end >= 0:
            out.kind[0] = place
            return end
    return NOT_PLAIN


cdef int64_t status(Text data, int64_t at, Row* out) noexcept nogil:
    """Behind a number, of which 200 alone is an answer, or a text, which none is."""
    cdef int64_t end
    if data[at] == c'"':
        out.failed[0] = True
        return anything(data, at, &powers)
    end = whole_number(data, at)
    out.failed[0] = not (end == at + 3 and data[at] == c"2" and data[at + 1] == c"0" and data[at + 2] == c"0")
    return end


cdef int64_t timestamp(Text data, int64_t at, Row* out) noexcept nogil:
    """Behind epoch milliseconds, a date and time, or null, at which the record's own time stays."""
    cdef double value = 0
    if data[at] == c'"':
        return date_time(data, at + 1, out.time)
    if is_null(data, at):
        return at + 4
    at = number(data, at, &value, &powers)
    if not -1e15 < value < 1e15:  # the years 1 to 9999 are far within
        return NOT_PLAIN
    if at >= 0:
        out.time[0] = <int64_t>value
    return at


cdef int64_t value_of(Text data, int64_t at, int32_t place, Form* form, Row* out, int64_t row) noexcept nogil:
    """Behind the value of one of an event's own fields."""
    if place == FEATURES:
        return features(data, at, form, out, row)
    if place == EVENT_ID or place == VERSION:
        return span(data, at, out.spans[place], False)
    if place == MODEL:
        return span(data, at, out.spans[place], False) if data[at] == c'"' else NOT_PLAIN
    if place == PREDICTION or place == LABEL:
        return number_or_null(data, at, &out.values[place - PREDICTION], &powers) if form.regression else span(data, at, out.spans[place], True)
    if place == SCORE or place == LATENCY:
        return number_or_null(data, at, &out.values[place - PREDICTION], &powers)
    if place == TIMESTAMP:
        return timestamp(data, at, out)
    if place == KIND:
        return kind(data, at, form, out)
    if place == STATUS:
        return status(data, at, out)
    if place == SEGMENTS:
        return segments(data, at, form, out, row)
    if place == PROBABILITIES:
        return at + 4 if is_null(data, at) else NOT_PLAIN
    return anything(data, at, &powers)


cdef int64_t event(Text data, int64_t at, Form* form, Row* out, int64_t row) noexcept nogil:
    """Behind one event."""
    cdef int32_t place = form.fields.count
    cdef bint more
    at = first_key(data, blank(data, at), &more)
    while at >= 0 and more:
        at = key(data, at, &form.fields, row, &place)
        if at >= 0:
            at = value_of(data, at, place, form, out, row)
        if at >= 0:
            at = next_key(data, at, &more)
    if at < 0 or out.spans[EVENT_ID][0] < 0 or out.spans[MODEL][0] < 0:
        return NOT_PLAIN
    return blank(data, at)


cdef class PlainReader:
    """Reads the plain events of one form.

    Parameters
    ----------
    numeric, categories, passed_over : names of features that are numbers, of those that are texts, and of those that nobody reads.
    segments, kinds : names of the segments that are read, and of what an event may be.
    any_feature : whether there may be features of other names, which nobody reads.
    regression : whether predictions and labels are numbers.
    """

    cdef Form form
    cdef list kept

    def __init__(self, *, numeric, categories, passed_over, segments, kinds, any_feature, regression):
        self.kept = []
        self.know(&self.form.fields, FIELDS)
        self.know(&self.form.features, (*numeric, *categories, *passed_over))
        self.know(&self.form.segments, segments)
        self.know(&self.form.kinds, kinds)
        self.form.numbers, self.form.categories = len(numeric), len(categories)
        self.form.any_feature, self.form.regression = any_feature, regression

    cdef int know(self, Names* names, texts) except -1:
        cdef bytes joined = b"".join([text.encode() for text in texts])
        cdef int32_t[::1] bounds = np.cumsum([0, *(len(text.encode()) for text in texts)], dtype=np.int32)
        cdef int32_t[::1] after = np.arange(1, len(texts) + 2, dtype=np.int32) % (len(texts) + 1)
        self.kept += [joined, bounds, after]
        names.texts, names.bounds, names.after, names.seen, names.count = <Text><const char*>joined, &bounds[0], &after[0], NULL, len(texts)
        return 0

    def read(self, bytes data, const int64_t[::1] bounds, int64_t[::1] times):
        """Read texts, each with a zero byte behind it.

        Parameters
        ----------
        data : the texts.
        bounds : (n + 1,) where each begins; the last is where another one would.
        times : (n,) where event times are written, epoch milliseconds; one stays as it is where an event has none.

        Returns
        -------
        (n,) which are plain; the rest is of these: (n, 5 + categories + segments, 2) where their texts begin and end, -1 where there is none: id, model, version, prediction,
        label, categories, segments; (n, 4) prediction, label, score and latency, nan where they are no numbers; (n,) kinds; (n,) whether the service failed; (n, numeric) features.
        """
        cdef int64_t n = bounds.shape[0] - 1, row
        if n < 1 or times.shape[0] != n or bounds[0] < 0 or bounds[n] > len(data) or (np.diff(bounds) < 1).any():
            raise ValueError(f"{len(data)} bytes, {bounds.shape[0]} bounds and {times.shape[0]} times; expected bounds that ascend from 0 to the number of bytes, and a time for each text")
        spans = np.full((n, FIRST_TEXT + self.form.categories + self.form.segments.count, 2), -1, np.int64)
        values, matrix = np.full((n, 4), np.nan), np.full((n, max(self.form.numbers, 1)), np.nan)
        kinds, failed, plain = np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.zeros(n, np.uint8)
        cdef int64_t[:, :, ::1] spans_view = spans
        cdef double[:, ::1] values_view = values, matrix_view = matrix
        cdef uint8_t[::1] kinds_view = kinds, failed_view = failed, plain_view = plain
        cdef int64_t[::1] seen = np.full(self.form.fields.count + self.form.features.count + self.form.segments.count + 1, -1, np.int64)
        cdef Text first = <Text><const char*>data
        cdef Form form = self.form  # of this call: another thread may read at the same time
        cdef Row out
        form.fields.seen = &seen[0]
        form.features.seen = form.fields.seen + form.fields.count
        form.segments.seen = form.features.seen + form.features.count
        with nogil:
            for row in range(n):
                out.spans = <int64_t (*)[2]>&spans_view[row, 0, 0]
                out.values, out.matrix, out.time = &values_view[row, 0], &matrix_view[row, 0], &times[row]
                out.kind, out.failed = &kinds_view[row], &failed_view[row]
                plain_view[row] = event(first, bounds[row], &form, &out, row) == bounds[row + 1] - 1
        return plain.view(bool), spans, values, kinds, failed.view(bool), matrix[:, : self.form.numbers]


cdef uint64_t seed = int.from_bytes(os.urandom(8), "little")  # so that nobody can choose texts that fall into one place


def coded(bytes data, const int64_t[:] starts, const int64_t[:] ends):
    """Which of some texts are the same.

    Parameters
    ----------
    data : what they are in.
    starts, ends : (n,) where each begins and ends; -1 where there is none.

    Returns
    -------
    (n,) codes in the order in which texts come first, -1 where there is none; and the row in which each came first.
    """
    if ends.shape[0] != starts.shape[0]:
        raise ValueError(f"{starts.shape[0]} beginnings and {ends.shape[0]} ends; expected as many")
    cdef Text first = <Text><const char*>data
    cdef int64_t n = starts.shape[0], row, size, place, count = 0, known, slots = 64
    cdef int32_t last = -1
    cdef uint64_t mixed
    codes, firsts, hashes, table = np.full(n, -1, np.int32), np.empty(n, np.int64), np.empty(n, np.uint64), np.full(slots, -1, np.int32)
    cdef int32_t[::1] codes_view = codes, table_view = table
    cdef int64_t[::1] firsts_view = firsts
    cdef uint64_t[::1] hashes_view = hashes
    for row in range(n):
        size = ends[row] - starts[row]
        if starts[row] < 0 or size < 0 or ends[row] > len(data):
            continue
        if last < 0 or size != ends[firsts_view[last]] - starts[firsts_view[last]] or memcmp(first + starts[row], first + starts[firsts_view[last]], size) != 0:
            mixed = seed  # FNV-1a but for where it begins
            for place in range(starts[row], ends[row]):
                mixed = (mixed ^ first[place]) * 1_099_511_628_211u
            place = (mixed ^ mixed >> 29) & (slots - 1)
            while table_view[place] >= 0:
                last = table_view[place]
                known = firsts_view[last]
                if hashes_view[last] == mixed and size == ends[known] - starts[known] and memcmp(first + starts[row], first + starts[known], size) == 0:
                    break
                place = (place + 1) & (slots - 1)
            if table_view[place] < 0:
                last = count
                table_view[place], firsts_view[count], hashes_view[count] = last, row, mixed
                count += 1
                if 2 * count > slots:
                    slots *= 4
                    table_view = table = np.full(slots, -1, np.int32)
                    for known in range(count):
                        place = (hashes_view[known] ^ hashes_view[known] >> 29) & (slots - 1)
                        while table_view[place] >= 0:
                            place = (place + 1) & (slots - 1)
                        table_view[place] = known
        codes_view[row] = last
    return codes, firsts[:count]
