"""Counts of weighted events as the events that they are worth: in the same shares, and so few that intervals for independent events hold.

How few depends on what is measured: see `detectors.statistics.sampling`. Where events stand for themselves everything is as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.event_batch import Float64
from detectors.panes.layout import Layout
from detectors.panes.quantile_sketch import BINS as SKETCH_BINS
from detectors.panes.quantile_sketch import SIZE as SKETCH_SIZE
from detectors.panes.score_bins import BINS
from detectors.statistics.sampling import effective_rate


def both(layout: Layout, vector: Float64, block: str) -> tuple[Float64, Float64 | None]:
    """A block of a summary vector, and that of the squares of what rows stand for; None where each stands for itself."""
    place = layout.blocks[block]
    return vector[place], layout.squares(vector)[place] if layout.weighs else None


def worth_by_rows(block: Float64, squares: Float64 | None) -> Float64:
    """Counts as what they are worth if values have nothing to do with weights (Kish 1965).

    Examples
    --------
    >>> worth_by_rows(np.array([100.0, 300.0]), np.array([1_000.0, 3_000.0]))
    array([10., 30.])
    """
    if squares is None or not squares.any():
        return block
    return np.asarray(block * min(1.0, float(block.sum() / squares.sum())))


def worth_by_shares(block: Float64, squares: Float64) -> Float64:
    """Counts of cells as what their shares are worth together: by the mean of the cells' design effects that a chi-square test of them is divided by (Rao & Scott 1981).

    Examples
    --------
    >>> worth_by_shares(np.array([100.0, 900.0]), np.array([100.0, 9_000.0])).round()
    array([ 53., 474.])
    """
    used = block > 0
    total, of_squares = float(block.sum()), float(squares.sum())
    if used.sum() < 2:
        return worth_by_rows(block, squares)
    share = block[used] / total
    variances = squares[used] * (1 - 2 * share) + share * share * of_squares
    effect = float((variances / block[used]).sum()) / (used.sum() - 1)
    return np.asarray(block / max(1.0, effect))


def worth_of_scores(block: Float64, squares: Float64 | None) -> Float64:
    """Counts of scores by class, `detectors.panes.score_bins`, as what those of the class are worth whose weights differ the most."""
    if squares is None:
        return block
    classes = [slice(0, BINS), slice(BINS, 2 * BINS)]
    shares = [float(block[of_class].sum() / squares[of_class].sum()) for of_class in classes if squares[of_class].any()]
    return np.asarray(block * min([1.0, *shares]))


def worth_of_quantiles(block: Float64, squares: Float64 | None, percents: Sequence[int]) -> Float64:
    """(k,) events that quantiles of a histogram are worth: those of the share of values above each.

    Examples
    --------
    >>> worth_of_quantiles(np.array([900.0, 100.0]), np.array([9_000.0, 100.0]), (50, 90)).round()
    array([110., 526.])
    """
    if squares is None or not block.any():
        return np.full(len(percents), block.sum())
    ends = np.cumsum(block)
    place = np.minimum((ends < np.array(percents)[:, None] / 100 * ends[-1]).sum(axis=1), len(block) - 1)
    above = np.clip((ends[place] - np.array(percents) / 100 * ends[-1]) / np.where(block[place] > 0, block[place], 1), 0, 1)
    hits, weighed = (np.sum(part) - np.cumsum(part)[place] + above * part[place] for part in (block, squares))
    _, events = effective_rate(hits, np.broadcast_to(block.sum(), hits.shape), weighed, np.broadcast_to(squares.sum(), hits.shape))
    return events


def worth_of_columns(layout: Layout, vector: Float64) -> Float64:
    """A summary vector with the columns, the output and what estimates rest on as what they are worth; (cells,) where events are weighed."""
    if not layout.weighs:
        return vector
    worth, squares = vector[: layout.cells].copy(), layout.squares(vector)
    for name, place in layout.blocks.items():
        if name in {"outputs", "labelled_outputs", "performance"}:
            worth[place] = worth_by_rows(worth[place], squares[place])
        elif name == "sketches":
            rows, of_squares = (part[place].reshape(-1, SKETCH_SIZE)[:, : SKETCH_BINS + 1].sum(axis=1) for part in (worth, squares))
            worth[place] *= np.repeat(np.minimum(rows / np.maximum(of_squares, 1), 1), SKETCH_SIZE)
        elif name == "prediction" or name.startswith("feature:"):
            profile = layout.prediction if name == "prediction" else layout.columns[name.removeprefix("feature:")]
            counted = slice(place.start, place.stop - (profile is not None and profile.kind == "numeric"))  # what is out of range is in a bin, too
            before = float(worth[counted].sum())
            worth[place] *= float(worth_by_shares(worth[counted], squares[counted]).sum()) / before if before > 0 else 1.0
    return worth
