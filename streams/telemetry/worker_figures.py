"""What a worker tells of its partitions, from what its stages count anyway: nothing here is done for an event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from faust.types import TP

from detectors.point import Point
from streams.stage_run import StageRun
from streams.telemetry.figures import Figures
from streams.transport import UNKNOWN_END


class WorkerFigures:
    """Figures of the partitions that a worker has.

    Parameters
    ----------
    figures : take them.
    clock : seconds.
    """

    def __init__(self, figures: Figures, *, clock: Callable[[], float]) -> None:
        self._figures = figures
        self._clock = clock
        self._unsaved: dict[TP, float] = {}
        self._being_saved: dict[TP, float] = {}

    def waits_for(self, why: str) -> None:
        """Why the worker does no work yet; "" where it does."""
        self._figures.waits_for = why

    def absorbed(self, tp: TP, arrived: float) -> None:
        """A fetch was taken that had come at a time."""
        self._unsaved.setdefault(tp, arrived)

    @contextmanager
    def epoch(self, tp: TP) -> Iterator[None]:
        """While one is made durable."""
        began = self._clock()
        since = self._unsaved.pop(tp, None)
        if since is not None:
            self._being_saved[tp] = since
        yield
        self._being_saved.pop(tp, None)
        if since is not None:
            self._figures.count("epochs", tp.topic)
            self._figures.observe("epoch_seconds", self._clock() - began, tp.topic)

    def revoked(self, tp: TP, run: StageRun) -> None:
        """It is another worker's now."""
        self._figures.take(run.taken_counts(), _place(tp))
        self._unsaved.pop(tp, None)
        self._being_saved.pop(tp, None)

    def tell(self, runs: Mapping[TP, tuple[StageRun, int]], *, models: int, unreadable: int) -> None:
        """Take what was counted since the last call, and look at what holds now.

        Parameters
        ----------
        runs : those of this worker, and where their logs end.
        models : that have a monitor.
        unreadable : records of monitors that are left out.
        """
        now = self._clock()
        together: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for tp, (run, log_end) in runs.items():
            place = _place(tp)
            self._figures.take(run.taken_counts(), place)
            if log_end < UNKNOWN_END:
                self._figures.set("consumer_lag_records", max(0, log_end - run.position), *place)
            since = self._being_saved.get(tp, self._unsaved.get(tp, now))
            self._figures.set("epoch_age_seconds", now - since, *place)
            for (name, *values), value in run.gauges.items():
                if values:
                    together[name, *values] += value
                else:
                    self._figures.set(name, value, *place)
        self._figures.keep_places({_place(tp) for tp in runs})
        for (name, *values), total in together.items():
            self._figures.set(name, total, *values)
        self._figures.set("models", models)
        self._figures.set("unreadable_monitors", unreadable)

    def points(self, at: int) -> list[Point]:
        """Of all figures of the process; ``at``: epoch milliseconds."""
        return self._figures.points(at)


def _place(tp: TP) -> tuple[str, str]:
    return tp.topic, str(tp.partition)
