# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Plain JSON events read straight into columns, by compiled loops over their bytes.

An event is plain where its bytes say what its reader takes, with nothing to interpret: texts without escapes, numbers of at most 19 digits, no field twice.
The loops give every other event back as it is; they judge nothing. Each text ends with a zero byte, which no JSON holds, so that no loop can leave a text.

Numbers become the nearest double: by one exact operation where they are short (Clinger 1990), else by Eisel and Lemire's product with a power of five of
128 bits (Lemire 2021, "Number parsing at a gigabyte per second", doi:10.1002/spe.2984).
"""

from libc.math cimport NAN, ldexp
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

import numpy as np

FIELDS = (
    *("event_id", "model", "model_version", "prediction", "label", "score", "latency_ms"),
    *("timestamp", "features", "kind", "status", "segments", "probabilities", "sampling_fraction"),
)
"""An event's own fields, in the order of their places."""

cdef enum:  # places of `FIELDS`
    EVENT_ID, MODEL, VERSION, PREDICTION, LABEL, SCORE, LATENCY, TIMESTAMP, FEATURES, KIND, STATUS, SEGMENTS, PROBABILITIES

cdef enum:
    NOT_PLAIN = -1  # in place of where reading goes on
    FIRST_TEXT = 5  # spans of an event before those of its categories and segments: id, model, version, prediction and label
    MOST_DIGITS = 19  # as many as 64 bits hold, whatever they are
    LARGEST_EXACT_POWER = 22  # 10 ** 22 is a double
    SMALLEST_FIVE = -342
    LARGEST_FIVE = 308

ctypedef const uint8_t* Text


def _power_of_five(exponent):
    """The first 128 bits of 5 ** exponent: cut off, or for a negative one rounded up."""
    if exponent >= 0:
        power = 5**exponent
        return power << 128 - power.bit_length() if power.bit_length() <= 128 else power >> power.bit_length() - 128
    power = 5**-exponent
    bits = (power - 1).bit_length()
    found = 2 ** (bits + 127 if exponent >= -27 else 2 * bits + 128) // power + 1
    return found >> max(found.bit_length() - 128, 0)


cdef uint64_t fives[LARGEST_FIVE - SMALLEST_FIVE + 1][2]
cdef double tens[LARGEST_EXACT_POWER + 1]

for _exponent in range(SMALLEST_FIVE, LARGEST_FIVE + 1):
    _power = _power_of_five(_exponent)
    fives[_exponent - SMALLEST_FIVE][0] = _power >> 64
    fives[_exponent - SMALLEST_FIVE][1] = _power & (2**64 - 1)
for _exponent in range(LARGEST_EXACT_POWER + 1):
    tens[_exponent] = 10.0**_exponent


cdef inline void product(uint64_t left, uint64_t right, uint64_t* high, uint64_t* low) noexcept nogil:
    """Both halves of the 128 bits of a product."""
    cdef uint64_t left_low = left & 0xFFFFFFFFu, left_high = left >> 32, right_low = right & 0xFFFFFFFFu, right_high = right >> 32
    cdef uint64_t crossed = left_low * right_high
    cdef uint64_t carried = left_high * right_low + ((left_low * right_low) >> 32) + (crossed & 0xFFFFFFFFu)
    high[0] = left_high * right_high + (crossed >> 32) + (carried >> 32)
    low[0] = left * right


cdef double nearest(uint64_t digits, int64_t exponent) noexcept nogil:
    """The double nearest to ``digits * 10 ** exponent``; nan where it is not normal, or not decided by 128 bits."""
    cdef uint64_t high, low, more, least, mantissa
    cdef int zeros = 0, upper
    cdef int64_t power
    if exponent < SMALLEST_FIVE or exponent > LARGEST_FIVE:
        return NAN
    while not digits >> 63:
        digits <<= 1
        zeros += 1
    product(digits, fives[exponent - SMALLEST_FIVE][0], &high, &low)
    if high & 0x1FF == 0x1FF:  # what is below the 55 bits that decide may be carried into them
        product(digits, fives[exponent - SMALLEST_FIVE][1], &more, &least)
        low += more
        if low < more:
            high += 1
    if low == <uint64_t>-1 and (exponent < -27 or exponent > 55):
        return NAN
    upper = <int>(high >> 63)
    mantissa = high >> (upper + 9)
    power = ((217_706 * exponent) >> 16) + 63 + upper - zeros + 1_023
    if low <= 1 and -4 <= exponent <= 23 and mantissa & 3 == 1 and mantissa << (upper + 9) == high:
        mantissa &= ~<uint64_t>1  # half-way between two: the even one
    mantissa = (mantissa + (mantissa & 1)) >> 1
    if mantissa >> 53:
        mantissa >>= 1
        power += 1
    if power <= 0 or power >= 2_047:
        return NAN
    return ldexp(<double>mantissa, <int>(power - 1_075))


cdef inline bint is_digit(uint8_t byte) noexcept nogil:
    return c"0" <= byte <= c"9"


cdef inline int64_t blank(Text data, int64_t at) noexcept nogil:
    """Behind blanks."""
    while data[at] == c" " or data[at] == c"\n" or data[at] == c"\t" or data[at] == c"\r":
        at += 1
    return at


cdef inline int64_t text(Text data, int64_t at) noexcept nogil:
    """From behind a quote, to the quote that ends the text."""
    while data[at] != c'"':
        if data[at] < c" " or data[at] == c"\\":
            return NOT_PLAIN
        at += 1
    return at


cdef inline int64_t digits_of(Text data, int64_t at, uint64_t* digits, int* significant) noexcept nogil:
    while is_digit(data[at]):
        digits[0] = digits[0] * 10 + (data[at] - c"0")
        significant[0] += digits[0] > 0
        at += 1
    return at


cdef int64_t number(Text data, int64_t at, double* value) noexcept nogil:
    """Behind a number."""
    cdef bint negative = data[at] == c"-", less, whole = True
    cdef uint64_t digits = 0
    cdef int significant = 0
    cdef int64_t exponent = 0, power = 0, first
    at += negative
    first = at
    at = digits_of(data, at, &digits, &significant)
    if at == first or (data[first] == c"0" and at > first + 1):
        return NOT_PLAIN
    if data[at] == c".":
        whole = False
        first = at + 1
        at = digits_of(data, first, &digits, &significant)
        if at == first:
            return NOT_PLAIN
        exponent = first - at
    if data[at] == c"e" or data[at] == c"E":
        whole = False
        at += 1
        less = data[at] == c"-"
        if less or data[at] == c"+":
            at += 1
        first = at
        while is_digit(data[at]):
            if power < 10_000:
                power = 10 * power + (data[at] - c"0")
            at += 1
        if at == first:
            return NOT_PLAIN
        exponent += -power if less else power
    if significant > MOST_DIGITS:
        return NOT_PLAIN
    if digits == 0:
        value[0] = -0.0 if negative and not whole else 0.0
        return at
    if digits >> 53 == 0 and -LARGEST_EXACT_POWER <= exponent <= LARGEST_EXACT_POWER:
        value[0] = <double>digits / tens[-exponent] if exponent < 0 else <double>digits * tens[exponent]
    else:
        value[0] = nearest(digits, exponent)
        if value[0] != value[0]:
            return NOT_PLAIN
    if negative:
        value[0] = -value[0]
    return at


cdef inline int64_t word(Text data, int64_t at) noexcept nogil:
    """Behind ``true``, ``false`` or ``null``."""
    if data[at] == c"t" and data[at + 1] == c"r" and data[at + 2] == c"u" and data[at + 3] == c"e":
        return at + 4
    if data[at] == c"n" and data[at + 1] == c"u" and data[at + 2] == c"l" and data[at + 3] == c"l":
        return at + 4
    if data[at] == c"f" and data[at + 1] == c"a" and data[at + 2] == c"l" and data[at + 3] == c"s" and data[at + 4] == c"e":
        return at + 5
    return NOT_PLAIN


cdef inline bint is_null(Text data, int64_t at) noexcept nogil:
    return data[at] == c"n" and word(data, at) >= 0


cdef int64_t whole_number(Text data, int64_t at) noexcept nogil:
    """Behind a whole number that Python, too, writes so."""
    cdef int64_t first = at + (data[at] == c"-")
    cdef int64_t end = first
    while is_digit(data[end]):
        end += 1
    if end == first or end > first + MOST_DIGITS or (data[first] == c"0" and end > at + 1):
        return NOT_PLAIN
    return NOT_PLAIN if data[end] == c"." or data[end] == c"e" or data[end] == c"E" else end


cdef int64_t span(Text data, int64_t at, int64_t* bounds, bint words) noexcept nogil:
    """Behind a text, or what is written as its text would be: a whole number or, among ``words``, true and false. A null has no bounds."""
    cdef int64_t end
    if data[at] == c'"':
        end = text(data, at + 1)
        if end < 0:
            return NOT_PLAIN
        bounds[0], bounds[1] = at + 1, end
        return end + 1
    end = word(data, at)
    if end < 0:
        end = whole_number(data, at)
    elif data[at] == c"n":
        return end
    elif not words:
        return NOT_PLAIN
    if end >= 0:
        bounds[0], bounds[1] = at, end
    return end


cdef inline int64_t optional_number(Text data, int64_t at, double* value) noexcept nogil:
    """Behind a number or null."""
    return at + 4 if is_null(data, at) else number(data, at, value)


cdef int64_t anything(Text data, int64_t at) noexcept nogil:
    """Behind a text, a number or a word that nobody reads."""
    cdef double value
    cdef int64_t end
    if data[at] == c'"':
        end = text(data, at + 1)
        return end + 1 if end >= 0 else NOT_PLAIN
    end = word(data, at)
    return end if end >= 0 else number(data, at, &value)


cdef inline int two(Text data, int64_t at) noexcept nogil:
    """A number of two digits; one far too large where they are none."""
    return 10 * (data[at] - c"0") + (data[at + 1] - c"0") if is_digit(data[at]) and is_digit(data[at + 1]) else 1_000_000


cdef inline bint reaches(Text data, int64_t at, int size) noexcept nogil:
    """Whether so many bytes are of one text."""
    cdef int place
    for place in range(size):
        if data[at + place] < c" ":
            return False
    return True


cdef int64_t date_time(Text data, int64_t at, int64_t* time) noexcept nogil:
    """Behind a date and time (RFC 3339) and its quote, with no, three or six digits of a second, in epoch milliseconds."""
    cdef int64_t year, month, day, hour, minute, second, longest, days, fraction = 0, ahead = 0
    cdef int digits = 0
    if not reaches(data, at, 19):
        return NOT_PLAIN
    if data[at + 4] != c"-" or data[at + 7] != c"-" or data[at + 10] != c"T" or data[at + 13] != c":" or data[at + 16] != c":":
        return NOT_PLAIN
    year, month, day = 100 * two(data, at) + two(data, at + 2), two(data, at + 5), two(data, at + 8)
    hour, minute, second = two(data, at + 11), two(data, at + 14), two(data, at + 17)
    if not (1 <= year <= 9_999 and 1 <= month <= 12 and hour <= 23 and minute <= 59 and second <= 59):
        return NOT_PLAIN
    if month == 2:
        longest = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    else:
        longest = 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
    if not 1 <= day <= longest:
        return NOT_PLAIN
    at += 19
    if data[at] == c".":
        at += 1
        while is_digit(data[at]) and digits < 7:
            fraction = 10 * fraction + (data[at] - c"0")
            digits += 1
            at += 1
        if digits == 6 and fraction % 1_000 != 500:  # 500 is as near to the one millisecond as to the next
            fraction = (fraction + 500) // 1_000
        elif digits != 3:
            return NOT_PLAIN
    if data[at] == c"Z":
        at += 1
    elif (data[at] == c"+" or data[at] == c"-") and reaches(data, at, 6) and data[at + 3] == c":" and two(data, at + 1) <= 23 and two(data, at + 4) <= 59:
        ahead = (60 * two(data, at + 1) + two(data, at + 4)) * (-1 if data[at] == c"-" else 1)
        at += 6
    else:
        return NOT_PLAIN
    year -= month <= 2  # of a calendar whose years begin in March, so that a leap day is a year's last
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1 - 719_468
    time[0] = ((days * 24 + hour) * 60 + minute - ahead) * 60_000 + 1_000 * second + fraction
    return at + 1 if data[at] == c'"' else NOT_PLAIN


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


cdef int64_t key(Text data, int64_t at, Names* names, int64_t row, int32_t* place) noexcept nogil:
    """To the value of a key: which of some names it is, or the place after them where it is another. ``place`` is that of the key before, at first the one after all, too."""
    cdef int64_t end = NOT_PLAIN
    cdef int32_t expected = names.after[place[0]], other
    if data[at] != c'"':
        return NOT_PLAIN
    if expected < names.count:
        end = named(data, at + 1, names, expected)
    if end < 0:
        expected = names.count
        for other in range(names.count):
            end = named(data, at + 1, names, other)
            if end >= 0:
                expected = other
                break
        if end < 0:
            end = text(data, at + 1) + 1
            if end <= 0:
                return NOT_PLAIN
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
            at = optional_number(data, at, &out.matrix[place])
        elif place < form.numbers + form.categories:
            at = span(data, at, out.spans[FIRST_TEXT + place - form.numbers], True)
        else:
            at = anything(data, at)
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
        at = span(data, at, out.spans[FIRST_TEXT + form.categories + place], False) if place < form.segments.count else anything(data, at)
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
        return anything(data, at)
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
    at = number(data, at, &value)
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
        return optional_number(data, at, &out.values[place - PREDICTION]) if form.regression else span(data, at, out.spans[place], True)
    if place == SCORE or place == LATENCY:
        return optional_number(data, at, &out.values[place - PREDICTION])
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
    return anything(data, at)


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
    cdef int64_t rows

    def __init__(self, *, numeric, categories, passed_over, segments, kinds, any_feature, regression):
        self.kept = []
        self.rows = 0
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
        cdef int64_t[::1] seen = np.full(len(texts) + 1, -1, np.int64)
        self.kept += [joined, bounds, after, seen]
        names.texts, names.bounds, names.after, names.seen, names.count = <Text><const char*>joined, &bounds[0], &after[0], &seen[0], len(texts)
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
        cdef Text first = <Text><const char*>data
        cdef Row out
        with nogil:
            for row in range(n):
                out.spans = <int64_t (*)[2]>&spans_view[row, 0, 0]
                out.values, out.matrix, out.time = &values_view[row, 0], &matrix_view[row, 0], &times[row]
                out.kind, out.failed = &kinds_view[row], &failed_view[row]
                plain_view[row] = event(first, bounds[row], &self.form, &out, self.rows + row) == bounds[row + 1] - 1
        self.rows += n
        return plain.view(bool), spans, values, kinds, failed.view(bool), matrix[:, : self.form.numbers]


cdef inline bint alike(Text one, Text other, int64_t size) noexcept nogil:
    cdef int64_t step
    for step in range(size):
        if one[step] != other[step]:
            return False
    return True


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
        if last < 0 or size != ends[firsts_view[last]] - starts[firsts_view[last]] or not alike(first + starts[row], first + starts[firsts_view[last]], size):
            mixed = 14_695_981_039_346_656_037u  # FNV-1a
            for place in range(starts[row], ends[row]):
                mixed = (mixed ^ first[place]) * 1_099_511_628_211u
            place = (mixed ^ mixed >> 29) & (slots - 1)
            while table_view[place] >= 0:
                last = table_view[place]
                known = firsts_view[last]
                if hashes_view[last] == mixed and size == ends[known] - starts[known] and alike(first + starts[row], first + starts[known], size):
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
