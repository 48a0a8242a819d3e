"""What is watched of texts, held to what Python says of each."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.coded_text import CodedText
from detectors.columns.text_columns import text_columns

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=12), st.text("ab1 .\t\nя", max_size=12)), max_size=8)


def pattern(text: str) -> str:
    kinds = set()
    for character in text:
        category = unicodedata.category(character)[0]
        beyond = ord(character) >= 0x20000
        kinds.add("letters" if beyond else "spaces" if character.isspace() else "digits" if category == "N" else "letters" if category in "LM" else "symbols")
    return "+".join(kind for kind in ("letters", "digits", "symbols", "spaces") if kind in kinds) or "empty"


@settings(max_examples=60)
@given(TEXTS)
def test_length_words_and_pattern_are_those_of_each_text(texts: list[str | None]) -> None:
    found = text_columns(CodedText.of(texts))
    assert [None if np.isnan(value) else value for value in found.length] == [None if text is None else len(text) for text in texts]
    assert [None if np.isnan(value) else value for value in found.words] == [None if text is None else len(text.split()) for text in texts]
    assert found.pattern.to_text().tolist() == [None if text is None else pattern(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "script"),
    [("naïve café", "latin"), ("Ελλάδα", "greek"), ("привет, world", "cyrillic"), ("שלום", "hebrew"), ("مرحبا", "arabic"), ("नमस्ते", "devanagari"), ("สวัสดี", "thai"),
     ("한국어", "hangul"), ("ひらがな", "kana"), ("汉字", "han"), ("ＡＢＣ", "latin"), ("42 %", "none"), ("", "none"), ("🙂", "none"), ("ᚠᚢᚦ", "other")],
)  # fmt: skip
def test_the_script_is_that_of_most_letters(text: str, script: str) -> None:
    assert text_columns(CodedText.of([text])).script.to_text().tolist() == [script]


@settings(max_examples=25)
@given(TEXTS, st.data())
def test_what_is_said_of_a_text_does_not_depend_on_its_neighbours(texts: list[str | None], data: st.DataObject) -> None:
    column = CodedText.of(texts)
    rows = np.array(data.draw(st.lists(st.integers(0, max(len(texts) - 1, 0)), max_size=len(texts))), np.int64)
    whole, part = text_columns(column), text_columns(column[rows])
    assert np.array_equal(whole.length[rows], part.length, equal_nan=True)
    assert np.array_equal(whole.words[rows], part.words, equal_nan=True)
    assert whole.pattern[rows].to_text().tolist() == part.pattern.to_text().tolist()
    assert whole.script[rows].to_text().tolist() == part.script.to_text().tolist()
