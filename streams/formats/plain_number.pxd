# cython: language_level=3
"""Numbers of JSON as doubles.

A number becomes the nearest double: by one exact operation where it is short (Clinger 1990), else by Eisel and Lemire's product with a power of five of 128 bits
(Lemire 2021, "Number parsing at a gigabyte per second", doi:10.1002/spe.2984).
"""

from libc.math cimport NAN, ldexp
from libc.stdint cimport int64_t, uint8_t, uint64_t

ctypedef const uint8_t* Text

cdef enum:
    NOT_PLAIN = -1  # in place of where reading goes on
    MOST_DIGITS = 19  # as many as 64 bits hold, whatever they are
    LARGEST_EXACT_POWER = 22  # 10 ** 22 is a double
    SMALLEST_FIVE = -342
    LARGEST_FIVE = 308

cdef struct Powers:
    # The first 128 bits of each power of five, the upper half first; and the powers of ten that are doubles.
    uint64_t fives[651][2]
    double tens[23]


cdef inline void product(uint64_t left, uint64_t right, uint64_t* high, uint64_t* low) noexcept nogil:
    """Both halves of the 128 bits of a product."""
    cdef uint64_t left_low = left & 0xFFFFFFFFu, left_high = left >> 32, right_low = right & 0xFFFFFFFFu, right_high = right >> 32
    cdef uint64_t crossed = left_low * right_high
    cdef uint64_t carried = left_high * right_low + ((left_low * right_low) >> 32) + (crossed & 0xFFFFFFFFu)
    high[0] = left_high * right_high + (crossed >> 32) + (carried >> 32)
    low[0] = left * right


cdef inline double nearest(uint64_t digits, int64_t exponent, const Powers* powers) noexcept nogil:
    """The double nearest to ``digits * 10 ** exponent``; nan where it is not normal, or not decided by 128 bits."""
    cdef uint64_t high, low, more, least, mantissa
    cdef int zeros = 0, upper
    cdef int64_t power
    if exponent < SMALLEST_FIVE or exponent > LARGEST_FIVE:
        return NAN
    while not digits >> 63:
        digits <<= 1
        zeros += 1
    product(digits, powers.fives[exponent - SMALLEST_FIVE][0], &high, &low)
    if high & 0x1FF == 0x1FF:  # what is below the 55 bits that decide may be carried into them
        product(digits, powers.fives[exponent - SMALLEST_FIVE][1], &more, &least)
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


cdef inline int64_t digits_of(Text data, int64_t at, uint64_t* digits, int* significant) noexcept nogil:
    while is_digit(data[at]):
        digits[0] = digits[0] * 10 + (data[at] - c"0")
        significant[0] += significant[0] > 0 or data[at] != c"0"
        at += 1
    return at


cdef inline int64_t number(Text data, int64_t at, double* value, const Powers* powers) noexcept nogil:
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
        value[0] = <double>digits / powers.tens[-exponent] if exponent < 0 else <double>digits * powers.tens[exponent]
    else:
        value[0] = nearest(digits, exponent, powers)
        if value[0] != value[0]:
            return NOT_PLAIN
    if negative:
        value[0] = -value[0]
    return at
