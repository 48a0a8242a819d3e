# cython: language_level=3
"""Values of JSON, from where they begin to behind them. A place is `NOT_PLAIN` where a value is not plain, or none."""

from libc.stdint cimport int64_t, uint8_t

from streams.formats.plain_number cimport MOST_DIGITS, NOT_PLAIN, Powers, Text, is_digit, number


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


cdef inline int64_t whole_number(Text data, int64_t at) noexcept nogil:
    """Behind a whole number that Python, too, writes so."""
    cdef int64_t first = at + (data[at] == c"-")
    cdef int64_t end = first
    while is_digit(data[end]):
        end += 1
    if end == first or end > first + MOST_DIGITS or (data[first] == c"0" and end > at + 1):
        return NOT_PLAIN
    return NOT_PLAIN if data[end] == c"." or data[end] == c"e" or data[end] == c"E" else end


cdef inline int64_t span(Text data, int64_t at, int64_t* bounds, bint words) noexcept nogil:
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


cdef inline int64_t number_or_null(Text data, int64_t at, double* value, const Powers* powers) noexcept nogil:
    """Behind a number or null."""
    return at + 4 if is_null(data, at) else number(data, at, value, powers)


cdef inline int64_t anything(Text data, int64_t at, const Powers* powers) noexcept nogil:
    """Behind a text, a number or a word that nobody reads."""
    cdef double value
    cdef int64_t end
    if data[at] == c'"':
        end = text(data, at + 1)
        return end + 1 if end >= 0 else NOT_PLAIN
    end = word(data, at)
    return end if end >= 0 else number(data, at, &value, powers)


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


cdef inline int64_t date_time(Text data, int64_t at, int64_t* time) noexcept nogil:
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
        if digits == 6 and fraction % 1_000 != 500 and 1900 <= year <= 2100:  # 500 is as near to the one millisecond as to the next, and in far years seconds as a double are not exact enough
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
