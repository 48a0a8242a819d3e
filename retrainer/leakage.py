"""Answers that slip into the questions: labels that were known before the prediction, and features that say the label in other words. Pure."""

from __future__ import annotations

import numpy as np

from detectors.columns.class_names import class_names
from detectors.event_batch import Bool, Column
from detectors.rows.examples import Examples

ENOUGH = 100
"""Rows from which on a feature that goes with the label is no accident: with two classes, one in 2^99."""

EACH = 10
"""Rows of each class, for the same reason."""


def known_before(examples: Examples) -> Bool:
    """(n,) True where the label was known before the prediction was made: whatever made the features may have seen it."""
    return np.asarray(examples.labelled_at < examples.predicted_at)


def told_by_one(examples: Examples) -> tuple[str, ...]:
    """Names of the features that alone tell the label of every row, each class by one value or one range.

    It may be the world (a rule that has only one column), so it is told, and nothing is left out.

    Examples
    --------
    >>> n, text, zero = 100, np.array(["no", "yes"] * 50, object), np.zeros(100, int)
    >>> rows = Examples(model="churn", partition=zero, offset=np.arange(n), index=zero, event_id=np.arange(n, dtype=np.uint64), predicted_at=zero, labelled_at=zero,
    ...                 version=text, segment=text, prediction=text, label=text, score=np.zeros(n), features={"x": np.arange(n) / 2, "paid": np.arange(n) % 2 * 1.0})
    >>> told_by_one(rows)
    ('paid',)
    """
    if len(examples) < ENOUGH:
        return ()
    tells = _numbers if examples.label.dtype.kind == "f" else _classes
    return tuple(name for name, values in examples.features.items() if tells(values, examples.label))


def _classes(values: Column, label: Column) -> bool:
    _, answer, counts = np.unique(class_names(label).astype(str), return_inverse=True, return_counts=True)
    if len(counts) < 2 or counts.min() < EACH:
        return False
    if values.dtype.kind == "f":
        if np.isnan(values).any():
            return False
        order = np.lexsort((answer, values))
        ordered, answers = values[order], answer[order]
        changes = np.flatnonzero(answers[1:] != answers[:-1])
        return len(changes) == len(counts) - 1 and bool((ordered[changes] < ordered[changes + 1]).all())
    _, level = np.unique(values.astype(str), return_inverse=True)
    pairs = np.unique(np.stack([level, answer]), axis=1)
    return bool(len(set(pairs[0].tolist())) == len(set(pairs[1].tolist())) == pairs.shape[1])


def _numbers(values: Column, label: Column) -> bool:
    """Whether the label is the feature, but for its unit and its zero."""
    if values.dtype.kind != "f" or not np.isfinite(values).all() or not np.isfinite(label).all():
        return False
    x, y = values - values.mean(), np.asarray(label, np.float64) - label.mean()
    spread = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return spread > 0 and abs(float((x * y).sum())) > (1 - 1e-12) * spread
