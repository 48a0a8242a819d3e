"""From the features that events carry to the columns that are watched: most are watched as they are, texts and embeddings by what is derived of them.

What is derived takes the place of the feature from the decoder on: in summaries, while a prediction waits for its label, and in the examples that a model is
trained on. See docs/adr/0017-texts-and-embeddings-as-columns.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.coded_text import CodedText
from detectors.columns.embedding_columns import embedding_columns
from detectors.columns.text_columns import text_columns
from detectors.event_batch import Coded, Float64
from detectors.settings.feature import Feature


def watched_columns(given: Mapping[str, Coded], features: Mapping[str, Feature]) -> dict[str, Coded]:
    """Columns by the names that they are watched under, in the order of the features.

    Parameters
    ----------
    given : each feature's column: (n,) numbers or coded text, (n, dimension) numbers of an embedding with nan in all of them where it is missing.
    features : as they are declared.

    Examples
    --------
    >>> columns = watched_columns({"comment": CodedText.of(["Hello you", None])}, {"comment": Feature(type="text")})
    >>> [(name, plain.tolist()) for name, plain in columns.items() if not isinstance(plain, CodedText)]
    [('comment.length', [9.0, nan]), ('comment.words', [2.0, nan])]
    >>> list(columns) == list(Feature(type="text").columns("comment"))
    True
    """
    found: dict[str, Coded] = {}
    for name, feature in features.items():
        column = given[name]
        if feature.type == "text":
            assert isinstance(column, CodedText)  # noqa: S101  decoders and tables read it so
            parts: tuple[Coded, ...] = text_columns(column)
        elif feature.type == "embedding":
            parts = tuple(embedding_columns(np.asarray(column), feature.projections, feature.seed).T)
        else:
            parts = (column,)
        found |= zip(feature.columns(name), parts, strict=True)
    return found


def matrix_and_coded(columns: Mapping[str, Coded], n: int) -> tuple[Float64, tuple[str, ...], dict[str, CodedText]]:
    """The same columns as a batch has them: (n, F) numbers and their F names, and the coded ones.

    Examples
    --------
    >>> matrix_and_coded({"a": np.array([1.0]), "b": CodedText.of(["x"]), "c": np.array([2.0])}, 1)[:2]
    (array([[1., 2.]]), ('a', 'c'))
    """
    numeric = {name: column for name, column in columns.items() if not isinstance(column, CodedText)}
    matrix = np.stack(list(numeric.values()), axis=1) if numeric else np.empty((n, 0))
    return matrix, tuple(numeric), {name: column for name, column in columns.items() if isinstance(column, CodedText)}
