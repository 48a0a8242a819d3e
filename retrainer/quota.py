"""What trainings may cost in any day of event time. Pure."""

from __future__ import annotations

from detectors.settings.retraining import Quotas
from retrainer.stage import DAY, LONG_AGO, State


def frees(state: State, quotas: Quotas) -> tuple[int, str]:
    """From when on one more training is within the quotas, and which of them holds it back until then.

    Examples
    --------
    >>> frees(State(model="churn", trainings=(5, 9), spent=((5, 40.0), (9, 30.0))), Quotas(trainings_per_day=9, cpu_seconds_per_day=60))
    (86400005, 'quota: 70 CPU seconds in a day of 60 allowed')
    """
    count, allowed = len(state.trainings), quotas.trainings_per_day
    by_count = state.trainings[-allowed] + DAY if count >= allowed else LONG_AGO
    by_cpu, total = LONG_AGO, 0.0
    if quotas.cpu_seconds_per_day is not None:
        for at, seconds in reversed(state.spent):  # the newest that fill the quota: the oldest of these has to be a day old
            total += seconds
            if total >= quotas.cpu_seconds_per_day:
                by_cpu = at + DAY
                break
    if by_cpu > by_count:
        return by_cpu, f"quota: {round(total, 3):g} CPU seconds in a day of {quotas.cpu_seconds_per_day:g} allowed"
    trained = min(count, allowed)
    return by_count, f"quota: {trained} training{'' if trained == 1 else 's'} in a day of {allowed} allowed"


def with_training(state: State, at: int) -> tuple[int, ...]:
    """Times of the trainings of the last day, and of the one that begins now."""
    return (*(time for time in state.trainings if time > at - DAY), at)


def with_cost(state: State, at: int, cpu_seconds: float) -> tuple[tuple[int, float], ...]:
    """Costs of the last day, and of the training that has ended now."""
    return (*((time, seconds) for time, seconds in state.spent if time > at - DAY), *([(at, cpu_seconds)] if cpu_seconds else []))
