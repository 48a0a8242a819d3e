"""What a classifier said of an event, as one of a few things: the class, and how sure it was of it.

Where outputs have no score that is the class alone. Both sides of whatever is estimated without labels, the reference and a window, are counts of these cells,
which add up like all others.
"""

from __future__ import annotations

from collections.abc import Mapping

from detectors.coded_text import CodedText
from detectors.event_batch import Float64, Int64
from detectors.panes.score_bins import BINS, bins_of

MOST_SCORED_CLASSES = 20
"""Of more classes scores are not counted: their cells would be more than those of a confusion matrix of sixty."""


def cells_of_class(*, scored: bool) -> int:
    """Cells of one predicted class: the bins of the score and one for outputs without a score; or the class alone."""
    return BINS + 1 if scored else 1


def number_of_cells(classes: int, *, scored: bool) -> int:
    """All cells: those of each predicted class, and a last one for predictions of classes that the reference does not know.

    Examples
    --------
    >>> number_of_cells(2, scored=True), number_of_cells(6, scored=False)
    (123, 7)
    """
    return classes * cells_of_class(scored=scored) + 1


def output_cells(prediction: CodedText, score: Float64, classes: Mapping[str, int], *, scored: bool) -> Int64:
    """(n,) the cell of each output; -1 where there is no prediction.

    Parameters
    ----------
    prediction : (n,)
    score : (n,) from 0 to 1; nan, and what is no probability, counts as no score.
    classes : place of each known class.

    Examples
    --------
    >>> import numpy as np
    >>> said = CodedText.of(["no", "yes", "maybe", None])
    >>> output_cells(said, np.array([0.0, np.nan, 0.5, 0.5]), {"no": 0, "yes": 1}, scored=True).tolist()
    [0, 121, 122, -1]
    """
    each = cells_of_class(scored=scored)
    place = prediction.cells({name: of * each for name, of in classes.items()}, len(classes) * each, -1)
    if scored:
        known = (place >= 0) & (place < len(classes) * each)
        place[known] += bins_of(score[known])
    return place
