"""Whether more than one column bears witness to shares of classes that changed.

One column that moves by itself moves the predictions that rest on it, and shares of classes may explain both. What it does not move are the other columns, but for what they follow
it by. So where any single column is left out, the others must have moved, too, in directions in which classes differ; else nothing tells a label shift from a column that
moved.

Columns are asked at every pane, and an answer is acted on once. The bound is that of a mixture of normal laws (Robbins 1970), which holds at all times of a window that grows
together: of the columns that move alone `MISTAKEN` are ever taken for a label shift.
"""

from __future__ import annotations

import numpy as np

from detectors.event_batch import Bool, Float64

MOST_WITNESSES = 20
"""Columns that are asked: those whose means differ most between classes."""

MISTAKEN = 0.01
"""Share of the columns that move by themselves and are ever told as a label shift."""

AHEAD = 20
"""Events of which the mixture is as sure as of what was seen: the fewest that a window needs to say anything."""

_FOLLOWING = (0.0, 1.0)  # the other columns stay as they were, or follow as they go with it


def most_ever(chance: float, directions: int, events: Float64) -> Float64:
    """Square of a distance, in standard errors, that a mean of so many directions stays below for all numbers of events.

    Parameters
    ----------
    chance : that it does not.
    directions : of the mean.
    events : (...) that it is of.

    Examples
    --------
    >>> most_ever(0.01, 1, np.array([100.0, 10_000.0])).round(1).tolist()
    [13.2, 15.5]
    """
    return np.asarray((1 + AHEAD / events) * (-2 * np.log(chance) + directions * np.log1p(events / AHEAD)))


class Witnesses:
    """Columns that a label shift moves together.

    Parameters
    ----------
    covariance : (W, W) of the columns in the reference.
    means : (W, K) of each column in each class, less those of the reference as a whole.

    Examples
    --------
    >>> witnesses = Witnesses(np.eye(2), np.array([[0.5, -0.5], [0.5, -0.5]]))
    >>> witnesses.agree(np.array([[0.4, 0.0], [0.4, 0.4]]), np.array([200.0, 200.0])).tolist()
    [False, True]
    """

    def __init__(self, covariance: Float64, means: Float64) -> None:
        self._asked = [self._without(column, following, covariance, means) for column in range(len(means)) for following in _FOLLOWING]

    @staticmethod
    def _without(left_out: int, following: float, covariance: Float64, means: Float64) -> Float64:
        """(d, W) by which the columns' means become independent standard errors of one event, in the directions of the classes."""
        others = np.delete(np.arange(len(means)), left_out)
        slope = following * covariance[others, left_out] / covariance[left_out, left_out]
        spread = covariance[np.ix_(others, others)] - following * np.outer(slope, covariance[left_out, others])
        values, vectors = np.linalg.eigh(spread)
        used = values > 1e-6 * values.max(initial=0)
        whiten = (vectors[:, used] / np.sqrt(values[used])).T
        directions, sizes, _ = np.linalg.svd(whiten @ means[others], full_matrices=False)
        onto = directions[:, sizes > 1e-6 * sizes.max(initial=0)].T @ whiten
        found = np.zeros((len(onto), len(means)))
        found[:, others], found[:, left_out] = onto, -onto @ slope
        return found

    def agree(self, moved: Float64, events: Float64) -> Bool:
        """(m,) whether they moved, whichever one is left out.

        Parameters
        ----------
        moved : (m, W) by how much the mean of each column did.
        events : (m,) independent ones that these means are worth.
        """
        found = np.full(len(moved), bool(self._asked))
        for onto in self._asked:
            far = events * np.square(moved @ onto.T).sum(axis=1)
            found &= (far > most_ever(MISTAKEN, len(onto), events)) if len(onto) else np.False_
        return found
