"""Whether the reference's labelled rows still say something of a window whose inputs have moved.

An estimate without labels rests on labelled rows that are like those of the window. Weighed so that each column is distributed as in the window (for errors that are sums
of what each column adds), N rows are worth ``N / (1 + X)``, with X the sum over columns of the chi-square divergence of the window from the reference: the
variance of such weights. Where that is too few to know whether such outputs are wrong more often than estimated, by as much as matters, the estimate is not to be trusted.

A window is a sample, too: near the limit chance alone would take it to and fro. So what was said of the window before holds until the interval of the rows lies on the other side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.event_batch import Float64
from detectors.metric import Z


@dataclass(frozen=True, kw_only=True)
class Supporting:
    """Rows of the reference that speak of a window.

    Attributes
    ----------
    rows : how many.
    interval : 95 %, of the window's chance.
    needed : rows that it takes, see `needed`.
    """

    rows: float
    interval: tuple[float, float]
    needed: float

    def suffices(self, before: bool | None) -> bool:
        """Whether there are enough.

        Parameters
        ----------
        before : what was said of the window before. A window without one is told by its rows; another is told otherwise where its whole interval is, so that rows that
            really are on the side of before are told as the other's in one window of forty at most.

        Examples
        --------
        >>> near = Supporting(rows=850, interval=(700, 1_000), needed=864)
        >>> near.suffices(None), near.suffices(True), near.suffices(False)
        (False, True, False)
        """
        low, high = self.interval
        return (self.rows if before is None else high if before else low) >= self.needed


class Support:
    """What the columns of a reference looked like.

    Parameters
    ----------
    references : counts (b,) of each column in the reference, at least one column; of one that can be missing the count of that is among them.
    cells : (b,) places of the same counts in a vector.

    Examples
    --------
    >>> support = Support([np.array([500.0, 500.0])], [np.array([0, 1])])
    >>> support.rows(np.array([[510.0, 490.0], [990.0, 10.0]]), 10_000.0).round().tolist()
    [[10000.0, 9972.0, 10000.0], [5106.0, 5044.0, 5169.0]]
    """

    def __init__(self, references: Sequence[Float64], cells: Sequence[np.ndarray]) -> None:
        self._cells = np.concatenate([np.asarray(part, np.int64) for part in cells])
        sizes = np.array([len(part) for part in references])
        self._first = np.cumsum(sizes) - sizes
        self._column = np.repeat(np.arange(len(sizes)), sizes)
        smooth = [(part + 0.5) / (part.sum() + 0.5 * len(part)) for part in references]  # what was never seen is rare, not impossible
        self._share = np.concatenate(smooth)
        self._free = sizes - 1
        self._per_row = 1 / np.array([max(part.sum(), 1.0) for part in references])

    def rows(self, vectors: Float64, labelled: float) -> Float64:
        """(m, 3) rows that ``labelled`` ones of the reference are worth in windows (m, size), and their 95 % interval. What chance adds to a divergence is taken off.

        The interval is of the chance of a window's events, drawn independently; it holds however columns go together, as the deviations of their divergences are added up.
        """
        counts = vectors[:, self._cells]
        n = np.add.reduceat(counts, self._first, axis=1)
        with np.errstate(all="ignore"):
            shares = counts / n[:, self._column]
            divergence = np.add.reduceat((shares - self._share) ** 2 / self._share, self._first, axis=1) - self._free * (1 / n + self._per_row)
            ratio = shares / self._share
            mean, squares = (np.add.reduceat(part, self._first, axis=1) for part in (shares * ratio, shares * ratio**2))
            least = 2 * self._free / n**2  # of a window like the reference, whose chance is a chi-square; what it adds to the ratios is taken off from the first
            deviation = np.sqrt(np.maximum(4 * (squares - mean**2) / n - least, least))
        apart = 1 + np.maximum(np.nan_to_num(divergence).sum(axis=1), 0)
        factor = np.exp(Z * np.nan_to_num(deviation).sum(axis=1) / apart)  # of a logarithm, as rows are never below 0
        return np.stack((labelled / apart, labelled / (apart * factor), np.minimum(labelled, labelled * factor / apart)), axis=1)


def needed(spread: float, material: float) -> float:
    """Rows that it takes to know to within what is material, 19 times in 20, by how much more often than estimated outputs are wrong.

    Parameters
    ----------
    spread : variance of whether an output is right, given what the model said.
    material : smallest rise of an error rate that matters.

    Examples
    --------
    >>> round(needed(0.09, 0.02))
    864
    """
    return Z**2 * spread / material**2
