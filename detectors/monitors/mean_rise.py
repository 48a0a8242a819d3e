"""A mean of what outputs or outcomes are expected to cost that rose: one-sided, absolute, against a declared reference.

The error rate that is estimated of outputs without labels is of this kind; by how much errors exceed what was estimated of the same outputs, when labels come, is
`detectors.monitors.residual_rise`. Not for a quantity without bounds: its error bars would be as unsteady as itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Float64
from detectors.monitors.rate_change import RESOLUTION
from detectors.scans.calibration import normal_of_student, threshold
from detectors.scans.scored_windows import Bank, Remains, Scored, Told, Windows
from detectors.scans.window_bank import WARNING_RATE, WindowBank, interval_of, tolerance
from detectors.verdict import Effect


def dyadic(weights: Float64) -> Float64:
    """Weights to a millionth, in fractions whose sums are exact: so that panes taken one by one or together give the same bits."""
    return np.round(weights * 2**20) / 2**20


class MeanRise(WindowBank):
    """One monitor; `Verdicts.effect` is the difference of the means (a fall counts as a recent effect of 0).

    Parameters
    ----------
    bank : name, budget and times.
    weights : (3, size) what each cell of a summary vector adds to events, total and sum of squares.
    reference : rows, mean and deviation.
    floor : smallest material rise, absolute.
    """

    one_sided = True

    def __init__(self, bank: Bank, *, weights: Float64, reference: tuple[float, float, float], floor: float) -> None:
        super().__init__(bank, width=3, channel_sums=np.array([[0], [1], [2]]), channel_monitor=np.array([0]))
        self._used = np.flatnonzero(weights.any(axis=0))
        self._weights = dyadic(weights[:, self._used].T)
        self._rows, self._mean, self._deviation = reference
        self._n_reference = np.array([self._rows])
        self._floor = floor
        self._thresholds = tuple(np.array([threshold(looks, smallest=bank.smallest)]) for looks in (bank.looks, bank.looks / WARNING_RATE))

    @property
    def floors(self) -> Float64:
        """(1,) smallest material rise, .01 where it is 0."""
        return np.array([self._floor or RESOLUTION])

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, 3) events, total and squares."""
        sums: Float64 = counts[:, self._used] @ self._weights
        return sums

    @override
    def expected(self, state: State) -> Float64:
        """(1,) the reference's mean and the floor."""
        del state
        return np.array([self._mean + self._floor])

    def score(self, windows: Windows, state: State) -> Scored:
        """Mean of every window against the reference's, raised by the floor."""
        del state
        n, total, squares = (windows.sums[..., [i]] for i in range(3))
        mean = total / n
        own = np.maximum(squares / n - mean**2, self._deviation**2)
        error = np.sqrt(windows.inflation * (own / n + self._deviation**2 / self._rows))
        statistic = normal_of_student((mean - self._mean - self._floor) / error, windows.freedom)
        return Scored(windows, n, statistic, mean - self._mean, {"error": error, "mean": mean, "own": own})

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """Rise of the mean."""
        del state
        error, of_reference = (np.sqrt(inflation * part) for part in (scored.detail["own"] / scored.events, self._deviation**2 / self._rows))
        return Remains(scored.effect[None], error[None], tolerance(self._floor, of_reference)[None])

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Rows and means of both."""
        del state, monitor
        value, n = float(scored.effect[bucket, 0]), float(scored.events[bucket, 0])
        return Told(
            statistic="(mean - reference - floor) / se, largest over windows",
            effect=Effect(name="difference of means", value=value, interval=interval_of(value, float(scored.detail["error"][bucket, 0])), floor=self._floor),
            n_reference=self._rows,
            n_current=n,
            reference={"rows": self._rows, "mean": self._mean, "deviation": self._deviation},
            current={"rows": n, "mean": float(scored.detail["mean"][bucket, 0])},
            basis={"detector": "mean"},
        )
