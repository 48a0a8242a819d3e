"""Columns that are watched instead of a text: how long it is, and what it is written with.

Whatever changes how texts are made (a form with another field, a language, a template, an encoding gone wrong, a client that sends nothing) changes one of
these, while no single text comes twice. What the texts are about does not show here: for that, send an embedding.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.coded_text import CodedText
from detectors.event_batch import Float64, Int64, UInt8

_CODE_POINT = np.dtype("<u4" if sys.byteorder == "little" else ">u4")
_ENCODING = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
_TABLE = 0x20000  # code points; what is beyond is rare Han

_LETTERS, _DIGITS, _SYMBOLS, _SPACES = range(4)
_CLASSES = ("letters", "digits", "symbols", "spaces")

PATTERNS = ("empty", *("+".join(name for place, name in enumerate(_CLASSES) if mask >> place & 1) for mask in range(1, 1 << len(_CLASSES))))
"""What characters a text has: ``empty``, ``letters``, ``letters+digits``, ..., by the bits of a mask."""

SCRIPTS = (
    *("none", "latin", "greek", "cyrillic", "armenian", "hebrew", "arabic", "devanagari", "bengali", "gurmukhi", "gujarati", "tamil"),
    *("telugu", "kannada", "malayalam", "thai", "georgian", "ethiopic", "khmer", "hangul", "kana", "han", "other"),
)
"""Of a letter, by the first word of its name in Unicode; ``none`` of a text without letters."""

_SCRIPT_OF = {"cjk": "han", "hiragana": "kana", "katakana": "kana", "micro": "greek", "feminine": "latin", "masculine": "latin", "fullwidth": "latin", "halfwidth": "kana"}
_SCRIPT_OF |= {name: name for name in SCRIPTS[1:-1]}


class TextColumns(NamedTuple):
    """Each of n texts: ``length`` in characters, ``words`` between white space, `PATTERNS`, and the script that most of its letters are of (``none`` without letters)."""

    length: Float64
    words: Float64
    pattern: CodedText
    script: CodedText


def vocabularies(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """All levels of the categorical columns that stand for some texts."""
    return {f"{name}.{part}": levels for name in names for part, levels in (("pattern", PATTERNS), ("script", SCRIPTS))}


def text_columns(column: CodedText) -> TextColumns:
    """What is watched of a column of texts; missing in every column where there is no text.

    Examples
    --------
    >>> found = text_columns(CodedText.of(["Two words", "+49 30 1234", "добрый день", "", None]))
    >>> found.length.tolist(), found.words.tolist()
    ([9.0, 11.0, 11.0, 0.0, nan], [2.0, 3.0, 2.0, 0.0, nan])
    >>> found.pattern.to_text().tolist()
    ['letters+spaces', 'digits+symbols+spaces', 'letters+spaces', 'empty', None]
    >>> found.script.to_text().tolist()
    ['latin', 'none', 'cyrillic', 'none', None]
    """
    if len(column.levels) > len(column):
        column = column.compact()
    length, words, pattern, script = _measured(column.levels)
    codes = column.codes  # that of a missing text is the last place
    return TextColumns(
        length=np.append(length, np.nan)[codes],
        words=np.append(words, np.nan)[codes],
        pattern=CodedText(PATTERNS, np.append(pattern, -1)[codes].astype(np.int32)),
        script=CodedText(SCRIPTS, np.append(script, -1)[codes].astype(np.int32)),
    )


def _measured(texts: Sequence[str]) -> tuple[Float64, Float64, Int64, Int64]:
    """(n,) length, words, and the places in `PATTERNS` and `SCRIPTS` of each text."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    points = np.frombuffer("".join(texts).encode(_ENCODING, "surrogatepass"), _CODE_POINT)
    classes, scripts = (table[np.minimum(points, _TABLE)] for table in _tables())
    text = np.repeat(np.arange(len(texts)), lengths)
    counts = np.bincount(text * len(_CLASSES) + classes, minlength=len(texts) * len(_CLASSES)).reshape(-1, len(_CLASSES))
    masks = (counts > 0) @ (1 << np.arange(len(_CLASSES)))
    first = np.zeros(len(points), bool)  # of a word: what follows a space, or begins a text
    is_space = classes == _SPACES
    first[1:] = is_space[:-1]
    first[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
    words = np.bincount(text[first & ~is_space], minlength=len(texts))
    letters = scripts > 0
    of_script = np.bincount(text[letters] * len(SCRIPTS) + scripts[letters], minlength=len(texts) * len(SCRIPTS)).reshape(-1, len(SCRIPTS))
    return lengths.astype(np.float64), words.astype(np.float64), masks, of_script.argmax(axis=1)


@cache
def _tables() -> tuple[UInt8, npt.NDArray[np.int64]]:
    """Class and script of each code point, the last entry for all beyond; 0.1 s, once and only where there are texts."""
    classes, scripts = np.full(_TABLE + 1, _SYMBOLS, np.uint8), np.zeros(_TABLE + 1, np.int64)
    place = {name: number for number, name in enumerate(SCRIPTS)}
    for point in range(_TABLE):
        character = chr(point)
        category = unicodedata.category(character)
        if character.isspace():
            classes[point] = _SPACES
        elif category[0] == "N":
            classes[point] = _DIGITS
        elif category[0] in "LM":
            classes[point] = _LETTERS
            script = unicodedata.name(character, "").partition(" ")[0].lower()
            scripts[point] = place[_SCRIPT_OF.get(script, "other")] if category[0] == "L" else 0
    classes[_TABLE], scripts[_TABLE] = _LETTERS, place["han"]
    return classes, scripts
