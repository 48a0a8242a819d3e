"""How many predictions are usual in each hour of a day or a week, beside the mean of all hours.

Traffic multiplies: twice as many at noon, ten times as many as at night. So an hour is known by the logarithm of its predictions a pane, and what is usual is a factor. Of
two cycles an hour is seen twice, so factors are shrunk towards 1 by as much as hours differ no more than chance lets them (James & Stein 1961, in its empirical Bayes
form: Efron & Morris 1973). By how much the same hour differs from one cycle to the next is kept, too: no later hour is more like them than they are like each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from detectors.event_batch import NO_TIME, Float64
from detectors.references.hours_of_week import DAY_HOURS, HOUR, HOURS

CYCLES = 2
"""That are seen before anything is said: what was once may come again, or not."""

HOURS_OF: dict[str, int] = {"none": 0, "day": DAY_HOURS, "week": HOURS}
"""Hours of each cycle that may be asked for."""


@dataclass(frozen=True)
class Usual:
    """What is known of the hours.

    Attributes
    ----------
    factors : (h,) predictions of each hour over the mean of all hours, whose mean is 1; of an hour that was never seen 1. One factor where no cycle is learnt.
    variance : of the logarithm of an hour's predictions about what is usual in it, with what that is uncertain by.
    """

    factors: Float64
    variance: float

    def at(self, start: int, pane: int) -> float:
        """The factor of a pane."""
        return float(self.factors[_hour(start, pane) % len(self.factors)])


WITHOUT_CYCLE = Usual(np.ones(1), 0.0)
"""All hours are alike."""


@dataclass(frozen=True)
class HoursSeen:
    """Hours as they are counted until the cycle is known.

    Attributes
    ----------
    hours : of the cycle.
    began : start of the first pane, epoch milliseconds.
    sums : (3, hours) how often each was seen, and the sums of its logarithms and of their squares.
    hour, panes, predictions : the hour that lasts, since 1970, and what was counted in it.
    """

    hours: int
    began: int = NO_TIME
    sums: Float64 = field(default_factory=lambda: np.zeros((3, 0)))
    hour: int = 0
    panes: int = 0
    predictions: float = 0.0

    def with_pane(self, start: int, pane: int, *, panes: int, predictions: float) -> HoursSeen:
        """With a pane, which stands for the empty ones before it, too."""
        hour = _hour(start, pane)
        seen = self if self.began != NO_TIME else HoursSeen(self.hours, start, np.zeros((3, self.hours)), hour)
        if hour != seen.hour:
            seen = replace(seen, sums=seen._folded(pane), hour=hour, panes=0, predictions=0.0)
        return replace(seen, panes=seen.panes + panes, predictions=seen.predictions + predictions)

    def is_enough(self, start: int) -> bool:
        """Whether a pane is behind all that has to be seen."""
        return self.began != NO_TIME and start >= self.began + CYCLES * self.hours * HOUR

    def _folded(self, pane: int) -> Float64:
        """The sums with the hour that lasts, if most of it was seen."""
        if self.panes < HOUR / pane / 2:
            return self.sums
        sums, logarithm = self.sums.copy(), float(np.log((self.predictions + 0.5) / self.panes))
        sums[:, self.hour % self.hours] += 1.0, logarithm, logarithm**2
        return sums

    def usual(self, pane: int) -> Usual:
        """What is known of the hours by now.

        Examples
        --------
        An office hour has four times the predictions of the others.

        >>> seen = HoursSeen(24)
        >>> for hour in range(49):
        ...     seen = seen.with_pane(hour * HOUR, HOUR, panes=1, predictions=400 if hour % 24 == 9 else 100)
        >>> seen.is_enough(48 * HOUR), seen.usual(HOUR).factors[[8, 9]].round(1).tolist()
        (True, [0.9, 3.5])
        """
        times, totals, squares = self._folded(pane)
        seen = times > 0
        if seen.sum() < 2:
            return Usual(np.ones(self.hours), 0.0)
        means = np.where(seen, totals / np.maximum(times, 1), 0.0)
        mean = float(totals.sum() / times.sum())
        freedom = float(times.sum() - seen.sum())
        between = float((times * (means - mean) ** 2)[seen].sum() / (seen.sum() - 1))
        within = float(np.maximum(squares - times * means**2, 0).sum()) / freedom if freedom > 0 else between
        kept = max(0.0, 1 - within / between) if between > 0 else 0.0
        factors = np.where(seen, np.exp(kept * (means - mean)), 1.0)
        return Usual(factors / factors.mean(), within * (1 + 1 / CYCLES))

    def as_state(self) -> dict[str, Any]:
        """What to save, by name."""
        return {"hours": self.sums, "hour": [self.began, self.hour, self.panes, self.predictions]}

    @staticmethod
    def of_state(hours: int, state: dict[str, Any]) -> HoursSeen:
        """What was saved."""
        began, hour, panes, predictions = state["hour"]
        return HoursSeen(hours, began, state["hours"], hour, panes, predictions)


def _hour(start: int, pane: int) -> int:
    """Hour since 1970 of a pane's middle."""
    return (start + pane // 2) // HOUR
