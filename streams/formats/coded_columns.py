"""Columns of codes made from others, without a look at each row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np

from detectors.coded_text import CodedText


def with_default(column: CodedText, text: str) -> CodedText:
    """The column with a text where it has none."""
    if column.present.all():
        return column
    levels = (*column.levels, text)
    filled = CodedText.of(levels)  # the text may be one of the others
    return CodedText(filled.levels, filled.codes[column.codes])


def segment_names(columns: Mapping[str, CodedText], n: int) -> CodedText:
    """``name=value`` of every declared segment, joined by commas."""

    def joined(left: CodedText, right: CodedText) -> CodedText:
        pairs, codes = np.unique(left.codes.astype(np.int64) * len(right.levels) + right.codes, return_inverse=True)
        found = CodedText.of([f"{left.levels[pair // len(right.levels)]},{right.levels[pair % len(right.levels)]}" for pair in pairs.tolist()])
        return CodedText(found.levels, found.codes[codes])

    named = [CodedText(tuple(f"{name}={level}" for level in column.levels), column.codes) for name, column in columns.items()]
    return reduce(joined, named) if named else CodedText.constant("", n)
