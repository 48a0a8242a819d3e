"""A regression's mean absolute error that rose; one-sided, relative to the reference.

Not for a loss without a mean (a column of money with a tail of its own): its error bars would be as unsteady as itself. Nor for a reference
without any error: nothing is a multiple of 0, so it stays `INSUFFICIENT_DATA`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from detectors.detector import State
from detectors.event_batch import Bool, Float64, Int64
from detectors.panes.layout import REGRESSION
from detectors.profile import PerformanceProfile
from detectors.references.learnt_reference import LEARN_EVENTS, grown, grows
from detectors.scans.calibration import normal_of_student, threshold
from detectors.scans.scored_windows import Bank, Remains, Scored, Told, Windows
from detectors.scans.window_bank import MIN_REFERENCE, WARNING_RATE, WindowBank, interval_of, tolerance
from detectors.verdict import Effect

RESOLUTION = 0.05  # stands in for a floor of 0 where an alert is resolved


class LossChange(WindowBank):
    """One monitor; `Verdicts.effect` is the relative change of the mean absolute error (a fall counts as a recent effect of 0).

    Parameters
    ----------
    bank : name, budget and times.
    block : where the sums `detectors.panes.layout.REGRESSION` stand in a summary vector.
    reference : declared, or None to learn it from the first `LEARN_EVENTS` labelled events.
    relative : floor of the relative change.
    """

    one_sided = True

    def __init__(self, bank: Bank, *, block: slice, reference: PerformanceProfile | None, relative: float) -> None:
        super().__init__(bank, width=3, channel_sums=np.array([[0], [1], [2]]), channel_monitor=np.array([0]))
        self._cells = block.start + np.array([REGRESSION.index(name) for name in ("rows", "absolute_error", "squared_error")])
        self._relative = relative
        self._declared = reference
        self._thresholds = tuple(np.array([threshold(looks, smallest=bank.smallest)]) for looks in (bank.looks, bank.looks / WARNING_RATE))

    learnt_channel = (0, 1, 2)
    """Which of the `learnt_sums` are events, total and sum of squares."""

    @property
    def learnt_sums(self) -> Int64:
        """(3, 1) places of what a learnt reference is made of among the sums of a pane: all of them."""
        return np.arange(3)[:, None]

    @property
    def undeclared(self) -> Bool:
        """(1,) whether the reference is learnt."""
        return np.array([self._declared is None])

    @property
    def floors(self) -> Float64:
        """(1,) smallest material relative rise, .05 where it is 0."""
        return np.array([self._relative or RESOLUTION])

    def initial(self) -> State:
        """State before the first pane: nothing learnt."""
        return super().initial() | {"learnt": np.zeros(3)}

    @override
    def sums_of(self, counts: Float64, starts: Sequence[int]) -> Float64:
        """(k, 3) labelled rows, absolute and squared errors."""
        sums: Float64 = counts[:, self._cells]
        return sums

    def _reference(self, state: State) -> tuple[float, float, float]:
        """Rows (nan for none), mean absolute error (nan for 0), variance of the absolute errors."""
        if self._declared is not None:
            rows, loss, variance = float(self._declared.rows), self._declared.loss, self._declared.deviation**2
        else:
            rows, total, squares = (float(part) for part in state["learnt"])
            rows = rows or np.nan
            loss, variance = total / rows, max(squares / rows - (total / rows) ** 2, 0.0)
        return rows, loss or np.nan, variance

    @override
    def expected(self, state: State) -> Float64:
        """(1,) the reference's mean absolute error and the floor."""
        return np.array([(1 + self._relative) * self._reference(state)[1]])

    @override
    def ready(self, state: State) -> Bool:
        """(1,) whether the reference is there."""
        rows = state["learnt"][0] if self._declared is None else self._declared.rows
        return np.array([bool(rows >= (LEARN_EVENTS if self._declared is None else MIN_REFERENCE))])

    @override
    def learning(self, state: State) -> bool:
        """Whether there is no declared reference, and the learnt one still grows."""
        rows, total, _ = state["learnt"]
        growing = bool(grows(state["learnt"][:1], state).all()) and (total > 0 or rows < LEARN_EVENTS)  # what is a multiple of 0 is not worth waiting for
        return self._declared is None and growing

    @override
    def learn(self, state: State, sums: Float64, start: int) -> State:
        """Take the first events into the reference, then the older part of the history; windows begin behind them."""
        if state["learnt"][0] < LEARN_EVENTS:
            return state | {"learnt": state["learnt"] + sums, "since": np.maximum(state["since"], start + self.bank.pane)}
        (larger,), older, behind = grown(state["sums"][:, :1], state["learnt"][:1], state["sums"][..., None], state["starts"])
        return state | {"learnt": older[:, 0], "since": np.maximum(state["since"], behind)} if larger else state

    def score(self, windows: Windows, state: State) -> Scored:
        """Mean absolute error of every window against the reference's, raised by the floor."""
        rows, loss, variance = self._reference(state)
        n, total, squares = (windows.sums[..., [i]] for i in range(3))
        mean = total / n
        own = np.maximum(squares / n - mean**2, variance)
        # Under the floor's ratio the window's errors have the reference's law, stretched: its mean is known to (1 + floor) times the reference's error.
        error = np.sqrt(windows.inflation * (own / n + (1 + self._relative) ** 2 * variance / rows))
        statistic = normal_of_student((mean - (1 + self._relative) * loss) / error, windows.freedom)
        return Scored(windows, n, statistic, mean / loss - 1, {"error": error, "mean": mean})

    @override
    def remains(self, scored: Scored, inflation: Float64, state: State) -> Remains:
        """Relative rise of the mean absolute error."""
        rows, loss, variance = self._reference(state)
        own = np.maximum(scored.windows.sums[..., [2]] / scored.events - scored.detail["mean"] ** 2, variance)
        error, of_reference = (np.sqrt(inflation * part) / loss for part in (own / scored.events, variance / rows))
        return Remains(scored.effect[None], error[None], tolerance(self._relative, of_reference)[None])

    @override
    def tell(self, state: State, monitor: int, bucket: int, scored: Scored) -> Told:
        """Rows and mean absolute errors of both."""
        rows, loss, variance = self._reference(state)
        value, n = float(scored.effect[bucket, 0]), float(scored.events[bucket, 0])
        interval = interval_of(value, float(scored.detail["error"][bucket, 0]) / loss)
        return Told(
            statistic="(mean absolute error - reference x (1 + floor)) / se, largest over windows",
            effect=Effect(name="relative change of mean absolute error", value=value, interval=interval, floor=self._relative),
            n_reference=rows,
            n_current=n,
            reference={"rows": rows, "mean_absolute_error": float(np.nan_to_num(loss)), "deviation": float(np.sqrt(variance))},
            current={"rows": n, "mean_absolute_error": float(scored.detail["mean"][bucket, 0])},
            basis={"detector": "loss"},
        )
